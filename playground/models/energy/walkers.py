"""Ways of walking through a landscape: Langevin, Metropolis, Hamiltonian and Gibbs moves on any energy.

All of them take the same arguments and are meant to visit a point x as often as exp(−E(x) / T) says. They differ in
what they know and what they risk.

* `langevin` slides downhill and is shaken: x' = x − (ε²/2) ∇E(x)/T + ε ξ with ξ ~ N(0, I). It never asks whether a
  move was right, so at curvature k its valleys come out too wide, by a factor 1 / (1 − ε²k/4T) in variance, and from
  ε²k/T = 4 on it explodes. `mala` makes the same move and then asks.
* `metropolis` tries a random step and takes it with probability min(1, exp(−ΔE/T)): exact, blind, slow.
* `hmc` gives the point a push and lets it roll for a while without friction (leapfrog), then asks once: long moves
  that are nearly always accepted.
* `gibbs` draws one coordinate at a time from its conditional distribution, here summed over a fine line of the plane:
  always accepted, but it can only walk along the axes.

Metropolis et al. 1953; Geman and Geman 1984; Duane et al., "Hybrid Monte Carlo", 1987; Neal, "MCMC using Hamiltonian
dynamics", 2011; Roberts and Tweedie, "Exponential convergence of Langevin distributions", 1996 (MALA).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from playground.api import PlaygroundError
from playground.sampling import generators

Energy = Callable[[Tensor], Tensor]  # float64 (N, D) points → (N,) energies, differentiable
FAR = 1e3  # a walker this far from the middle has left every landscape
LINE = 241  # points of the line on which `gibbs` sums a conditional


@dataclass(frozen=True)
class Walk:
    """Where the walkers went.

    Attributes:
        positions: float64 (T + 1, W, D), the starts among them. energies: (T + 1, W).
        accepted: bool (T, W), whether a move was taken (always, where nothing is asked).
        chance: (T, W) in [0, 1], the probability with which it was to be taken.
    """

    positions: Tensor
    energies: Tensor
    accepted: Tensor
    chance: Tensor

    @property
    def acceptance(self) -> float:
        """Mean probability of taking a move, over all walkers and moves."""
        return self.chance.mean().item() if self.chance.numel() else 1.0


def langevin(
    energy: Energy, start: Tensor, seeds: Sequence[int], steps: int, *, step_size: float = 0.1, temperature: float = 1.0
) -> Walk:
    """Unadjusted Langevin: x' = x − (ε²/2) ∇E/T + ε ξ.

    Args:
        energy: of (N, D) points. start: (W, D). seeds: one per walker. steps: moves. step_size: ε.
        temperature: T > 0 of the landscape; all else is the same for every way of walking.
    """

    def move(x: Tensor, u: Tensor, slope: Tensor, noise: _Noise) -> _Move:
        ahead = x - 0.5 * step_size**2 * slope / temperature + step_size * noise.normal()
        u_ahead, slope_ahead = with_slope(energy, ahead)
        return _Move(ahead, u_ahead, slope_ahead, torch.ones(len(x), dtype=torch.float64))

    return _walk(energy, start, seeds, steps, move, step_size, "a smaller step size")


def mala(
    energy: Energy, start: Tensor, seeds: Sequence[int], steps: int, *, step_size: float = 0.1, temperature: float = 1.0
) -> Walk:
    """Metropolis-adjusted Langevin: the Langevin move, taken with min(1, p(x')q(x|x') / p(x)q(x'|x))."""

    def move(x: Tensor, u: Tensor, slope: Tensor, noise: _Noise) -> _Move:
        drift = 0.5 * step_size**2 / temperature
        ahead = x - drift * slope + step_size * noise.normal()
        u_ahead, slope_ahead = with_slope(energy, ahead)
        forth = (ahead - x + drift * slope).square().sum(1)
        back = (x - ahead + drift * slope_ahead).square().sum(1)
        log_ratio = (u - u_ahead) / temperature + (forth - back) / (2 * step_size**2)
        return _Move(ahead, u_ahead, slope_ahead, log_ratio.exp().clamp(max=1.0))

    return _walk(energy, start, seeds, steps, move, step_size, "a smaller step size")


def metropolis(
    energy: Energy, start: Tensor, seeds: Sequence[int], steps: int, *, step_size: float = 0.3, temperature: float = 1.0
) -> Walk:
    """Random-walk Metropolis: x' = x + ε ξ, taken with min(1, exp(−ΔE/T))."""

    def move(x: Tensor, u: Tensor, slope: Tensor, noise: _Noise) -> _Move:
        ahead = x + step_size * noise.normal()
        u_ahead = energy(ahead)
        return _Move(ahead, u_ahead, slope, ((u - u_ahead) / temperature).exp().clamp(max=1.0))

    return _walk(energy, start, seeds, steps, move, step_size, "a smaller step size", sloped=False)


def hmc(
    energy: Energy,
    start: Tensor,
    seeds: Sequence[int],
    steps: int,
    *,
    step_size: float = 0.1,
    temperature: float = 1.0,
    leaps: int = 10,
) -> Walk:
    """Hamiltonian Monte Carlo: a fresh push, `leaps` leapfrog steps of length ε, taken with min(1, exp(−ΔH))."""

    def move(x: Tensor, u: Tensor, slope: Tensor, noise: _Noise) -> _Move:
        push = noise.normal()
        ahead, rolling, u_ahead, slope_ahead = leapfrog(energy, x, push, slope, step_size, leaps, temperature)
        gained = (u - u_ahead) / temperature + 0.5 * (push.square() - rolling.square()).sum(1)
        return _Move(ahead, u_ahead, slope_ahead, gained.exp().clamp(max=1.0))

    return _walk(energy, start, seeds, steps, move, step_size, "a smaller step size or fewer leaps")


def leapfrog(
    energy: Energy, x: Tensor, push: Tensor, slope: Tensor, step_size: float, leaps: int, temperature: float = 1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rolls (x, momentum) without friction under E/T: half a push, a step, a push, … half a push (Neal 2011, §2.3).

    Returns:
        x and momentum after `leaps` steps, (W, D) each; energy (W,) and slope (W, D) there.
    """
    for _ in range(leaps):
        push = push - 0.5 * step_size * slope / temperature
        x = x + step_size * push
        u, slope = with_slope(energy, x)
        push = push - 0.5 * step_size * slope / temperature
    return x, push, u, slope


def gibbs(
    energy: Energy,
    start: Tensor,
    seeds: Sequence[int],
    steps: int,
    *,
    step_size: float = 1.0,
    temperature: float = 1.0,
    reach: float = 4.0,
) -> Walk:
    """One coordinate after the other, drawn from its conditional on a line over [−reach, reach].

    Args:
        step_size: is not used; Gibbs has no step. reach: half length of the line; a start beyond it is an error.
    """
    line = torch.linspace(-reach, reach, LINE, dtype=torch.float64)
    if start.abs().max() > reach:
        raise PlaygroundError(f"A walker starts beyond ±{reach:g}, where Gibbs does not look. Start it inside.")

    def move(x: Tensor, u: Tensor, slope: Tensor, noise: _Noise) -> _Move:
        axis = noise.count % x.shape[1]
        places = x[:, None].repeat(1, LINE, 1)  # (W, LINE, D): only one coordinate differs along the line
        places[:, :, axis] = line.to(x)
        weights = -energy(places.flatten(0, 1)).double().reshape(len(x), LINE) / temperature
        ahead = x.clone()
        ahead[:, axis] = _inverse(line.to(x), weights, noise.uniform())
        return _Move(ahead, energy(ahead), slope, torch.ones(len(x), dtype=torch.float64))

    return _walk(energy, start, seeds, steps, move, step_size, "another start", sloped=False)


WALKS: dict[str, Callable[..., Walk]] = {
    "langevin": langevin, "mala": mala, "hmc": hmc, "metropolis": metropolis, "gibbs": gibbs,
}  # fmt: skip


def with_slope(energy: Energy, x: Tensor) -> tuple[Tensor, Tensor]:
    """E(x), (N,), and ∇E(x), (N, D), as constants."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        u = energy(x)
        (slope,) = torch.autograd.grad(u.sum(), x)
    return u.detach().double(), slope


# ------------------------------------------------------------------------------------------------ what they share


@dataclass(frozen=True)
class _Move:
    """A proposal: where to, energy (W,) and slope (W, D) there, and the chance of taking it (W,)."""

    x: Tensor
    u: Tensor
    slope: Tensor
    chance: Tensor


class _Noise:
    """One stream per walker; what is drawn for one does not depend on the others."""

    def __init__(self, seeds: Sequence[int], size: int) -> None:
        self.streams, self.size, self.count = generators(seeds), size, -1

    def normal(self) -> Tensor:
        return torch.stack([torch.randn(self.size, generator=g, dtype=torch.float64) for g in self.streams])

    def uniform(self) -> Tensor:
        return torch.stack([torch.rand((), generator=g, dtype=torch.float64) for g in self.streams])


def _walk(
    energy: Energy,
    start: Tensor,
    seeds: Sequence[int],
    steps: int,
    move: Callable[[Tensor, Tensor, Tensor, _Noise], _Move],
    step_size: float,
    advice: str,
    sloped: bool = True,
) -> Walk:
    x = start.detach().double()
    if x.dim() != 2 or len(seeds) != len(x):
        raise PlaygroundError(f"Walkers start at (W, D) points, a seed each; {tuple(x.shape)} and {len(seeds)} came.")
    if not step_size > 0 or steps < 0:
        raise PlaygroundError(f"Step size {step_size:g} and {steps} steps were given; both must be above zero.")
    noise = _Noise(seeds, x.shape[1])
    u, slope = with_slope(energy, x) if sloped else (energy(x).detach().double(), torch.zeros_like(x))
    positions, energies, taken, chances = [x], [u], [], []
    for step in range(1, steps + 1):
        noise.count += 1
        ahead = move(x, u, slope, noise)
        _check(ahead, step, step_size, advice)
        accept = noise.uniform() < ahead.chance
        x = torch.where(accept[:, None], ahead.x, x)
        slope = torch.where(accept[:, None], ahead.slope, slope)
        u = torch.where(accept, ahead.u.detach().double(), u)
        positions.append(x)
        energies.append(u)
        taken.append(accept)
        chances.append(ahead.chance)
    empty = torch.zeros(0, len(x))
    return Walk(
        torch.stack(positions),
        torch.stack(energies),
        torch.stack(taken) if taken else empty.bool(),
        torch.stack(chances) if chances else empty,
    )


def _check(ahead: _Move, step: int, step_size: float, advice: str) -> None:
    """A proposal that is not finite, or far off, stops the chain and says so."""
    lost = ~torch.isfinite(ahead.x).all(1) | ~torch.isfinite(ahead.u) | (ahead.x.abs().amax(1) > FAR)
    if lost.any():
        which = int(lost.nonzero()[0, 0]) + 1
        raise PlaygroundError(
            f"Walker {which} left the plane at move {step}: the step size {step_size:g} is too large for slopes this "
            f"steep. Try {advice} (half of it, {step_size / 2:.2g}), or a higher temperature."
        )


def _inverse(line: Tensor, log_weights: Tensor, uniform: Tensor) -> Tensor:
    """Draws from piecewise linear densities on a line: (W, LINE) log heights, (W,) uniforms → (W,) places."""
    heights = torch.softmax(log_weights, 1)
    pieces = 0.5 * (heights[:, 1:] + heights[:, :-1])
    total = pieces.cumsum(1)
    wanted = uniform * total[:, -1]
    piece = torch.searchsorted(total, wanted[:, None]).clamp(max=pieces.shape[1] - 1)
    before = total.gather(1, piece) - pieces.gather(1, piece)
    share = ((wanted[:, None] - before) / pieces.gather(1, piece).clamp_min(1e-300)).clamp(0, 1)
    a, b = heights.gather(1, piece), heights.gather(1, piece + 1)
    # within a piece the density rises linearly from a to b: solve a t + (b − a) t²/2 = share (a + b)/2 for t
    root = (a.square() + (b - a) * (a + b) * share).clamp_min(0).sqrt()
    t = (share * (a + b) / (a + root).clamp_min(1e-300)).clamp(0, 1)
    return (line[piece] + t * (line[1] - line[0]))[:, 0]
