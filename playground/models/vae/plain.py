"""The autoencoder, plain and variational, and how it learns. What it is for stands in the package's opening."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame, Posterior
from playground.models.layers import conv_down, conv_up, mlp
from playground.sampling import generators, normal
from playground.training.precision import mixed
from playground.training.recipe import Batch

TEMPERATURE = Field(
    "temperature", "float", 1.0, 0.0, 2.0, 0.05, label="Prior temperature",
    info="Scales the noise: 0 is the average picture, above 1 strays where the decoder never learned.",
)  # fmt: skip
REPAIR_ROUNDS = 24
LATELY = 4096  # pictures over which the total correlation is taken


class Autoencoder(nn.Module, PyTorchModelHubMixin):
    """Encoder, decoder and their Gaussian in between.

    Args:
        shape: (C, H, W) of a picture. latent_size: d. net: "mlp" or "conv". widths: hidden sizes, encoder order.
        pixels: "bernoulli" (grey level = probability of white) or "gaussian" (one variance for all).
        variational: False makes it a plain autoencoder (σ = 0, no KL).
    """

    controls = (TEMPERATURE,)

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        latent_size: int = 2,
        net: str = "mlp",
        widths: Sequence[int] = (512, 256),
        pixels: str = "bernoulli",
        variational: bool = True,
    ) -> None:
        super().__init__()
        self.shape, self.latent_size, self.pixels, self.variational = tuple(shape), latent_size, pixels, variational
        build = {"mlp": _mlp_nets, "conv": _conv_nets}[net]
        self.encoder, self.decoder = build(self.shape, latent_size, tuple(widths))
        self.register_buffer("log_sigma_x", torch.zeros(()))  # of Gaussian pixels, set to its best value while learning
        # Where the codes of the training pictures lie. For a VAE this is the prior's 0 and 1; a plain autoencoder
        # has no prior, so its codes are shifted and scaled to mean 0 and deviation 1 by these.
        self.register_buffer("code_mean", torch.zeros(latent_size))
        self.register_buffer("code_std", torch.ones(latent_size))
        self.register_buffer("kl_per_latent", torch.zeros(latent_size))  # nats, mean over training pictures

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Standard normal (N, d), one stream per seed."""
        return normal(seeds, (self.latent_size,))

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Iterator[Frame]:
        """One frame: the decoded (mean) picture of temperature · z."""
        z = self.latents(seeds) if latents is None else latents
        yield Frame(self.decode(temperature * z), state=z, info={"calls": 1})

    def decode(self, z: Tensor) -> Tensor:
        """(N, d) → mean pictures (N, C, H, W) in [0, 1]."""
        z = z.to(self.code_mean.device) * self.code_std + self.code_mean
        return torch.sigmoid(self.decoder(z))

    def encode(self, x: Tensor) -> Posterior:
        """(N, C, H, W) → q(z|x), in the units of `decode`."""
        mean, log_var = self._posterior(x.to(self.code_mean.device))
        std = torch.exp(0.5 * log_var) if self.variational else torch.zeros_like(mean)
        return Posterior((mean - self.code_mean) / self.code_std, std / self.code_std)

    def repair(
        self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None
    ) -> Iterator[Frame]:
        """Encode, draw z, decode, put the known pixels back, again."""
        return pseudo_gibbs(self, x.to(self.code_mean.device), mask.to(self.code_mean.device), seeds)

    def _posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_var = self.encoder(2 * x - 1).chunk(2, dim=1)
        return mean, log_var.clamp(-12, 6)

    def _log_pixels(self, x: Tensor, logits: Tensor) -> Tensor:
        """log p(x|z), (N,) nats."""
        if self.pixels == "bernoulli":
            return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)
        squared = (x - torch.sigmoid(logits)).square() * torch.exp(-2 * self.log_sigma_x)
        return -(0.5 * squared + self.log_sigma_x + 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)


class VAE(Autoencoder):
    """An autoencoder with a prior, and therefore with a likelihood: only this one may claim `log_prob`."""

    def log_prob(self, x: Tensor, samples: int = 100, seed: int = 0) -> Tensor:
        """Importance-weighted lower bound on log p(x) in nats, (N,) (Burda et al. 2015, eq. 8).

        Args:
            x: (N, C, H, W); binary for Bernoulli pixels. samples: K of the bound, ≥ 1. seed: of the draws from q.
        """
        x = x.to(self.code_mean.device)
        mean, log_var = self._posterior(x)
        noise = torch.Generator().manual_seed(seed)
        weights = []
        for _ in range(samples):
            eps = torch.randn(mean.shape, generator=noise).to(mean.device)
            z = mean + torch.exp(0.5 * log_var) * eps
            log_q = -0.5 * (log_var + eps.square() + math.log(2 * math.pi)).sum(1)
            log_prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
            weights.append(self._log_pixels(x, self.decoder(z)) + log_prior - log_q)
        return torch.logsumexp(torch.stack(weights), 0) - math.log(samples)


def kl_to_prior(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) per latent, in nats: (N, d) → (N, d) (Kingma and Welling 2013, appendix B)."""
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var)


def total_correlation(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """How much the latents tell of one another, KL(q(z) ‖ Π_j q(z_j)) in nats, estimated: ().

    q(z) = E_x q(z|x) is taken over M pictures (Chen et al., "β-TCVAE", 2018, eq. S6, up to a constant that the size of
    the data set adds). With few it is too large: codes that tell more than log M nats of a picture seem to depend.

    Args:
        z: (N, d), draws from posteriors. mean, log_var: (M, d), the posteriors of as many pictures, those among them.
    """
    gap = z[:, None] - mean  # (N, M, d): draw i under posterior j
    log_q = -0.5 * (gap.square() * torch.exp(-log_var) + log_var + math.log(2 * math.pi))
    together = torch.logsumexp(log_q.sum(2), 1)
    apart = torch.logsumexp(log_q, 1).sum(1)
    return (together - apart).mean() + (z.shape[1] - 1) * math.log(len(mean))


def pseudo_gibbs(model: nn.Module, x: Tensor, mask: Tensor, seeds: Sequence[int]) -> Iterator[Frame]:
    """Fills in what the mask leaves out (Rezende et al. 2014, §6.2): encode, draw z, decode, mend, over and over."""
    streams = generators(seeds)
    guess = mask * x + (1 - mask) * model.decode(torch.zeros(len(x), model.latent_size))
    for step in range(1, REPAIR_ROUNDS + 1):
        q = model.encode(guess)
        heat = 1 - step / REPAIR_ROUNDS  # the last rounds settle on the mean
        z = q.mean + heat * q.std * normal(streams, (model.latent_size,)).to(q.mean.device)
        guess = mask * x + (1 - mask) * model.decode(z)
        yield Frame(guess, step, REPAIR_ROUNDS, state=z.cpu(), info={"calls": 2 * step})


def _mlp_nets(shape: tuple[int, ...], d: int, widths: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    pixels = math.prod(shape)
    encoder = nn.Sequential(nn.Flatten(), mlp((pixels, *widths, 2 * d)))
    return encoder, nn.Sequential(mlp((d, *widths[::-1], pixels)), nn.Unflatten(1, shape))


def _conv_nets(shape: tuple[int, ...], d: int, widths: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    side = shape[1] // 2 ** len(widths)
    inner = widths[-1] * side * side
    encoder = nn.Sequential(conv_down(shape[0], widths), nn.Flatten(), nn.Linear(inner, 2 * d))
    decoder = nn.Sequential(
        nn.Linear(d, inner), nn.Unflatten(1, (widths[-1], side, side)), conv_up(widths[::-1], shape[0])
    )
    return encoder, decoder


class VAELearner:
    """Stochastic gradient ascent on the bound, the KL term faded in over the first tenth.

    Args:
        beta: weight of the KL term. 1 is the bound; more packs the codes closer to the prior, so that draws from it
            decode well, at the price of blur (Higgins et al., "β-VAE", 2017).
        apart: weight of a further term, the total correlation: latents that tell nothing of one another stand for one
            trait each, and what they tell of the picture costs no more than before (Chen et al. 2018).
    """

    def __init__(
        self, model: Autoencoder, device: torch.device, lr: float = 1e-3, beta: float = 1.0, apart: float = 0.0
    ) -> None:
        self.beta, self.apart = beta, apart
        self.model = model.to(device, memory_format=torch.channels_last)
        self.codes = nn.Module()  # mean and deviation of the raw codes; saved with the state
        self.codes.register_buffer("mean", torch.zeros(model.latent_size, device=device))
        self.codes.register_buffer("std", torch.ones(model.latent_size, device=device))
        if apart:  # means and log-variances of pictures lately seen
            self.codes.register_buffer("lately", torch.zeros(2, LATELY, model.latent_size, device=device))
        self.modules: dict[str, nn.Module] = {"model": self.model, "codes": self.codes}
        self.optimizers: dict[str, torch.optim.Optimizer] = {"model": torch.optim.Adam(model.parameters(), lr)}

    def step(self, batch: Batch) -> dict[str, float]:
        model, x = self.model, batch.x
        if model.pixels == "bernoulli":
            x = (batch.uniform(*x.shape) < x).float()  # dynamic binarisation: a fresh draw every time
        with mixed(x.device):
            mean, log_var = model._posterior(x)
        mean, log_var = mean.float(), log_var.float()
        z = mean + torch.exp(0.5 * log_var) * batch.normal(*mean.shape) if model.variational else mean
        with mixed(x.device):
            logits = model.decoder(z)
        if model.pixels == "gaussian":  # σ² = mean squared error maximises the bound over σ (Rybkin et al., eq. 5)
            mse = (x - torch.sigmoid(logits.detach().float())).square().mean()
            model.log_sigma_x.copy_(0.5 * mse.log())
        reconstruction = -model._log_pixels(x, logits.float()).mean()
        kl = kl_to_prior(mean, log_var)
        weight = min(1.0, batch.done / 0.1 + 0.01) if model.variational else 0.0
        loss = reconstruction + weight * self.beta * kl.sum(1).mean()
        losses = {"reconstruction": reconstruction.item(), "kl": kl.sum(1).mean().item()}
        if self.apart:
            correlation = total_correlation(z, *self._with_lately(mean, log_var, batch.step))
            loss = loss + weight * self.apart * correlation
            losses["correlation"] = correlation.item()
        self._descend(loss)
        self._remember_codes(mean.detach(), kl.detach())
        return {"loss": loss.item(), **losses}

    def _with_lately(self, mean: Tensor, log_var: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """The batch's posteriors and those of this process's pictures before, `LATELY` at the most; remembers them."""
        told, seen = torch.stack([mean, log_var]), step * len(mean)
        both = torch.cat([told, self.codes.lately[:, : min(seen, LATELY)]], 1)
        place = (seen + torch.arange(len(mean), device=mean.device)) % LATELY
        self.codes.lately[:, place] = told.detach()
        return both[0], both[1]

    def _descend(self, loss: Tensor) -> None:
        optimizer = self.optimizers["model"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1000.0)
        optimizer.step()

    def _remember_codes(self, mean: Tensor, kl: Tensor) -> None:
        self.model.kl_per_latent.lerp_(kl.mean(0), 0.01)
        if not self.model.variational:  # set while learning, applied at `save`: `decoder` works on raw codes
            self.codes.mean.copy_(mean.mean(0))
            self.codes.std.copy_(mean.std(0))

    def save(self, folder: Path) -> None:
        """Writes config.json and model.safetensors."""
        if not self.model.variational:
            self.model.code_mean.copy_(self.codes.mean)
            self.model.code_std.copy_(self.codes.std)
        self.model.save_pretrained(str(folder))
