"""Restricted Boltzmann machine: visible pixels and hidden units that vote for each other.

Binary pixels v and binary hidden units h have the energy, and through it the probability,

    E(v, h) = −b·v − c·h − vᵀW h,        p(v, h) = exp(−E(v, h)) / Z.

"Restricted" means that no pixel is wired to a pixel and no hidden unit to a hidden unit. So given one side, all units
of the other are independent coins, and both sides can be thrown in turn (Gibbs sampling):

    p(h_j = 1 | v) = σ(c_j + Σ_i v_i W_ij),        p(v_i = 1 | h) = σ(b_i + Σ_j W_ij h_j).

The hidden units can be summed out of the energy, which leaves the free energy of a picture

    F(v) = −b·v − Σ_j log(1 + exp(c_j + (vᵀW)_j)),        log p(v) = −F(v) − log Z.

Z sums over all 2⁷⁸⁴ pictures. Learning does without it (see `persistent`); a likelihood needs an estimate
(see `partition`), which a checkpoint carries as `log_z`.

Ackley, Hinton and Sejnowski, "A learning algorithm for Boltzmann machines", 1985; the restricted form is Smolensky's
"harmonium", 1986; Hinton, "Training products of experts by minimizing contrastive divergence", 2002.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame
from playground.data import Dataset
from playground.sampling import generators, normal

SWEEPS = Field(
    "sweeps", "int", 300, 1, 3000, 1, label="Sweeps",
    info="How often all hidden units and then all pixels are thrown anew. Early sweeps still remember the noise.",
)  # fmt: skip
TEMPERATURE = Field(
    "temperature", "float", 1.0, 0.5, 2.0, 0.05, label="Temperature",
    info="Divides the energy. Below 1 only the deepest valleys are visited, above 1 the chain climbs over everything.",
)  # fmt: skip
WATCH = Field("watch", "bool", True, label="Show the way", info="Off: only the last picture is made.")
FRAMES = 60  # at most, of one run
REPAIR_SWEEPS = 120
LATER = 2**31  # added to a seed for the noise after the start, so that it never repeats the latent's

Noise = torch.Generator | Sequence[torch.Generator]  # one stream for all rows, or one per row


class Weights(NamedTuple):
    """W (V, H), b (V,), c (H,), divided by a temperature."""

    W: Tensor
    b: Tensor
    c: Tensor


class RBM(nn.Module, PyTorchModelHubMixin):
    """Bernoulli pixels, Bernoulli hidden units.

    Args:
        shape: (C, H, W) of a picture; its C·H·W pixels are the visible units. hidden: number of hidden units.
        classes: so many of the last visible units are one label: exactly one of them is on (used by `dbn`).
    """

    controls = (SWEEPS, TEMPERATURE, WATCH)
    pixels = "bernoulli"  # what `log_prob` is the likelihood of

    def __init__(self, shape: Sequence[int] = (1, 28, 28), hidden: int = 500, classes: int = 0) -> None:
        super().__init__()
        self.shape, self.classes, visible = tuple(shape), classes, math.prod(shape)
        self.W = nn.Parameter(0.01 * torch.randn(visible, hidden))
        self.b = nn.Parameter(torch.zeros(visible))
        self.c = nn.Parameter(torch.zeros(hidden))
        # logit of each pixel's mean over the training pictures: where chains and the annealing start
        self.register_buffer("base", torch.zeros(visible))
        self.register_buffer("log_z", torch.zeros((), dtype=torch.float64))  # estimate of log Z, nats

    # ------------------------------------------------------------------ energies and the two halves of a sweep

    def weights(self, temperature: float = 1.0, dtype: torch.dtype = torch.float64) -> Weights:
        """The parameters over the temperature. In float64 a unit does not flip because a batch rounds otherwise."""
        return Weights(*(p.detach().to(dtype) / temperature for p in (self.W, self.b, self.c)))

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h), (N,): v (N, V) or pictures, h (N, H)."""
        v, h = self.flat(v).double(), h.double()
        W, b, c = self.weights()
        return -(v @ b) - h @ c - ((v @ W) * h).sum(1)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = −log Σ_h exp(−E(v, h)), float64 (N,); v (N, V) or pictures (N, C, H, W)."""
        return free_energy(self.weights(), self.flat(v).double())

    def hidden(self, v: Tensor) -> Tensor:
        """p(h = 1 | v), float32 (N, H); v (N, V) or pictures."""
        return torch.sigmoid(F.linear(self.flat(v), self.W.T, self.c))

    def visible(self, h: Tensor) -> Tensor:
        """p(v = 1 | h) as pictures, float32 (N, C, H, W); h (N, H)."""
        return torch.sigmoid(F.linear(h.to(self.W), self.W, self.b)).reshape(-1, *self.shape)

    def filters(self) -> Tensor:
        """What each hidden unit votes for: its raw weights, of either sign, (H, C, H, W)."""
        return self.W.detach().T.reshape(-1, *self.shape)

    def flat(self, x: Tensor) -> Tensor:
        """Pictures or rows as float32 (N, V)."""
        return x.to(self.W).flatten(1)

    # ------------------------------------------------------------------ Gibbs sampling

    def sweep(
        self,
        v: Tensor,
        streams: Noise,
        mask: Tensor | None = None,
        known: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """One Gibbs sweep: hidden units from v, then pixels from them. → binary float32 (N, V).

        Args:
            v: (N, V) or pictures. streams: one generator per row (or one for all).
            mask, known: pixels where mask is 1 are held at `known` (binary); shapes of v.
        """
        held = None if mask is None else (self._rows(mask, v), self.flat(known))
        return gibbs(self.weights(temperature), self.flat(v).double(), streams, held, classes=self.classes)[0].float()

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Standard normal (N, V), one stream per seed."""
        return normal(seeds, (len(self.b),))

    def start(self, latents: Tensor) -> Tensor:
        """Noise → binary start (N, V) in which each pixel is on as often as in the training pictures."""
        return (normal_cdf(latents.to(self.base.device)) < torch.sigmoid(self.base.double())).float()

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        sweeps: int = SWEEPS.default,
        temperature: float = 1.0,
        watch: bool = True,
    ) -> Iterator[Frame]:
        """A fantasy: Gibbs sweeps from noise. Images are p(v | h) of the last hidden units; state is v, binary (N, V).

        The latent is the start, and it also turns every later coin of its pixel (u ← u + Φ(z) mod 1, still uniform;
        Cranley and Patterson 1976): two latents stay two chains even where the same coins would make them meet.
        """
        z = self.latents(seeds) if latents is None else latents
        v, turn = self.start(z).double(), normal_cdf(z.to(self.base.device))
        weights, streams = self.weights(temperature), later(seeds)
        shown = showings(sweeps, watch)
        for sweep in range(1, sweeps + 1):
            v, p = gibbs(weights, v, streams, turn=turn)
            if sweep in shown:
                yield self._frame(v, p, shown[sweep], len(shown), sweep)

    def repair(self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Frame]:
        """Gibbs with the known pixels held (they vote as black or white): draws of p(unknown | known)."""
        x, mask = x.to(self.W.device), mask.to(self.W.device).expand_as(x)
        held = (mask.flatten(1) > 0, (x.flatten(1) > 0.5).double())
        weights, streams = self.weights(), later(seeds)
        v = torch.where(held[0], held[1], self.start(self.latents(seeds)).double())
        shown = showings(REPAIR_SWEEPS, True, every=5)
        for sweep in range(1, REPAIR_SWEEPS + 1):
            v, p = gibbs(weights, v, streams, held)
            if sweep in shown:
                frame = self._frame(v, p, shown[sweep], len(shown), sweep)
                yield replace(frame, images=torch.where(mask > 0, x, frame.images))

    def _frame(self, v: Tensor, p: Tensor, step: int, total: int, sweep: int) -> Frame:
        pictures = [t.float().reshape(-1, *self.shape) for t in (p, v)]
        info = {"sweep": sweep, "calls": sweep}
        return Frame(pictures[0], step, total, views={"coins": pictures[1]}, state=v.float(), info=info)

    def _rows(self, mask: Tensor, v: Tensor) -> Tensor:
        """A mask of pixels as bool (N, V)."""
        mask = mask.to(self.W.device)
        if mask.dim() == 4:
            mask = mask.expand(len(v), *self.shape)
        return mask.flatten(1) > 0

    # ------------------------------------------------------------------ likelihood

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(v) = −F(v) − log Z in nats, (N,); x is rounded to black and white, log Z is the card's estimate."""
        v = (x.to(self.W.device) > 0.5).double().flatten(1)
        return (-free_energy(self.weights(), v) - self.log_z).float()

    def own_scores(self, test: Dataset) -> dict[str, dict[str, Any]]:
        """log Z annealed from both sides with intervals, and between them the likelihood of the test pictures."""
        from playground.models.energy.partition import bracket  # it stands on this module

        return {"partition": bracket(self, test)}


@dataclass(frozen=True)
class Gradient:
    """Direction that raises log p of the data, (a difference of averages), and where the model's own chains are now.

    Attributes:
        W, b, c: like the parameters. chains: (M, V) binary. error: mean |v − p(v|h)| of the data after half a sweep.
    """

    W: Tensor
    b: Tensor
    c: Tensor
    chains: Tensor
    error: float


def contrastive_divergence(
    model: RBM, x: Tensor, k: int = 1, streams: Noise | None = None, chains: Tensor | None = None
) -> Gradient:
    """⟨v hᵀ⟩ of the data minus ⟨v hᵀ⟩ of the model, the latter after k Gibbs sweeps (Hinton 2002, eq. 5).

    Args:
        x: (N, V) or pictures, binary. streams: where the coins come from, one generator (or one per row).
        chains: (M, V) where the sweeps start. None starts at the data (contrastive divergence, CD-k); handing the last
            result's `chains` in makes it *persistent* (PCD, Tieleman 2008), whose chains may wander far from the data.
    """
    noise = torch.Generator().manual_seed(0) if streams is None else streams
    weights = Weights(model.W.detach(), model.b.detach(), model.c.detach())
    v = model.flat(x)
    h = torch.sigmoid(v @ weights.W + weights.c)
    error = (torch.sigmoid(h @ weights.W.T + weights.b) - v).abs().mean().item()
    fantasy = v if chains is None else model.flat(chains)
    for _ in range(k):
        fantasy, _ = gibbs(weights, fantasy, noise)
    theirs = torch.sigmoid(fantasy @ weights.W + weights.c)
    return Gradient(
        v.T @ h / len(v) - fantasy.T @ theirs / len(fantasy),
        v.mean(0) - fantasy.mean(0),
        h.mean(0) - theirs.mean(0),
        fantasy,
        error,
    )


def free_energy(weights: Weights, v: Tensor) -> Tensor:
    """F(v), (N,), for rows (N, V) of the weights' dtype."""
    return -(v @ weights.b) - F.softplus(v @ weights.W + weights.c).sum(1)


def gibbs(
    weights: Weights,
    v: Tensor,
    noise: Noise,
    held: tuple[Tensor, Tensor] | None = None,
    turn: Tensor | None = None,
    classes: int = 0,
) -> tuple[Tensor, Tensor]:
    """One sweep: (N, V) → (binary v, p(v | h)), each (N, V), in the dtype of the weights.

    Args:
        held: (bool (N, V), values (N, V)): pixels that keep their value. turn: (N, V) in [0, 1], see `RBM.sample`.
        classes: so many of the last units are one label, drawn as a whole.
    """
    W, b, c = weights
    coins = uniforms(noise, len(v), W.shape[1] + W.shape[0], W.dtype).to(W.device)
    h = (coins[:, : W.shape[1]] < torch.sigmoid(v @ W + c)).to(W.dtype)
    u = coins[:, W.shape[1] :]
    v, p = throw(h @ W.T + b, u if turn is None else (u + turn) % 1.0, classes)
    return (v if held is None else torch.where(held[0], held[1].to(v), v)), p


def throw(inputs: Tensor, u: Tensor, classes: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs and coins in [0, 1), (N, V) each → (binary units, their probabilities); the last may be one label."""
    p = torch.sigmoid(inputs)
    v = (u < p).to(p)
    if classes:
        label = torch.softmax(inputs[:, -classes:], 1)
        chosen = (label.cumsum(1) < u[:, -1:]).sum(1).clamp(max=classes - 1)
        p = torch.cat([p[:, :-classes], label], 1)
        v = torch.cat([v[:, :-classes], F.one_hot(chosen, classes).to(v)], 1)
    return v, p


def uniforms(noise: Noise, rows: int, columns: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """(rows, columns) in [0, 1), on the CPU: all from one stream, or each row from its own."""
    if isinstance(noise, torch.Generator):
        return torch.rand(rows, columns, generator=noise, dtype=dtype)
    return torch.stack([torch.rand(columns, generator=g, dtype=dtype) for g in noise])


def later(seeds: Sequence[int]) -> list[torch.Generator]:
    """Streams for what comes after the latents of the same seeds."""
    return generators([int(seed) + 2**32 + LATER for seed in seeds])


def normal_cdf(z: Tensor) -> Tensor:
    """Φ(z), float64: standard normal → uniform."""
    return 0.5 * torch.erfc(-z.double() / math.sqrt(2))


def showings(sweeps: int, watch: bool, every: int = 1) -> dict[int, int]:
    """Sweep → number of its frame, from 1: at most `FRAMES`, evenly apart, the last sweep among them."""
    if not watch:
        return {sweeps: 1}
    stride = max(every, math.ceil(sweeps / FRAMES))
    shown = sorted({sweeps, *range(sweeps, 0, -stride)})
    return {sweep: step for step, sweep in enumerate(shown, 1)}
