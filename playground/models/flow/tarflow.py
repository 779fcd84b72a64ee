"""TarFlow: an autoregressive flow whose every layer is a causal transformer.

The picture is cut into patches, h = (h_1, …, h_T). A block standardises each patch with a mean and a scale that a
transformer has worked out from the patches before it,

    h'_t = (h_t − μ(h_<t)) ⊙ exp(−α(h_<t)),      log |det| = −Σ_t Σ α(h_<t),

which takes one parallel pass. The next block reads the patches in the opposite order. The inverse has to go patch by
patch, h_t = h'_t ⊙ exp(α(h_<t)) + μ(h_<t), but the keys and values of the patches already there are kept, so that
each costs one step and not a pass over all.

Two things are ours. Inside a patch the pixels follow one another as well, through a small masked network (MADE), so
that no block has to take the pixels of a patch for independent; and the grey levels are first spread by how common
they are, since four fifths of a digit are exactly black.

Zhai et al., "Normalizing flows are capable generative models", 2024; the masked flow is from Kingma et al., 2016, and
Papamakarios et al., 2017; MADE from Germain et al., 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.models.flow.base import Chain, Layer, PictureFlow
from playground.models.flow.pixels import Equalise, Levels, Logit

STRONGEST = 4.0  # |α| stays below
KNEE = 4.0  # of the last block: beyond so many deviations the latent grows as a logarithm only
FARTHEST = 40.0  # beyond the knee, when that is undone: e⁴⁰ is a number still


class Attention(nn.Module):
    """One transformer layer (pre-norm, causal): (N, T, width) → the same.

    Attention is written out: for so few positions that is four times as fast on a CPU as the fused kernel.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = self._heads(h)
        future = torch.full((h.shape[1], h.shape[1]), -1e4, dtype=q.dtype, device=q.device).triu(1)
        return self._rest(h, _attend(q, k, v, future))

    def step(self, h: Tensor, past: Tensor, t: int) -> Tensor:
        """Position t alone, (N, 1, width); `past` (2, N, heads, T, d) holds keys and values before it and gains its."""
        q, k, v = self._heads(h)
        past[0, :, :, t : t + 1], past[1, :, :, t : t + 1] = k, v
        return self._rest(h, _attend(q, past[0, :, :, : t + 1], past[1, :, :, : t + 1]))

    def _heads(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        qkv = self.qkv(self.norm1(h)).unflatten(2, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return q / math.sqrt(q.shape[-1]), k, v

    def _rest(self, h: Tensor, attended: Tensor) -> Tensor:
        h = h + self.out(attended.transpose(1, 2).flatten(2))
        return h + self.down(F.relu(self.up(self.norm2(h))).square())


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    return torch.softmax(q @ k.transpose(-1, -2) + bias, -1) @ v


class Inner(nn.Module):
    """Within a patch the pixels follow one another too: a masked network (MADE) gives each of them its μ and α.

    Hidden unit k belongs to a pixel d_k: it sees the pixels before d_k and is seen by d_k and those after it.

    Args:
        size: pixels of a patch. width: of the context. hidden: units per pixel.
    """

    def __init__(self, size: int, width: int, hidden: int) -> None:
        super().__init__()
        self.size, self.hidden = size, hidden
        owner = torch.arange(size).repeat_interleave(hidden)
        pixel = torch.arange(size)
        self.context = nn.Linear(width, size * hidden)
        self.seen = nn.Parameter(torch.randn(size * hidden, size) / math.sqrt(size))
        self.last = nn.Parameter(torch.zeros(2 * size, size * hidden))
        self.register_buffer("mask_in", (owner[:, None] > pixel[None]).float(), persistent=False)
        self.register_buffer("mask_out", (pixel[:, None] >= owner[None]).float().repeat(2, 1), persistent=False)

    def forward(self, tokens: Tensor, g: Tensor) -> Tensor:
        """(…, size) and context (…, width) → raw μ and α (…, 2·size)."""
        units = F.relu(self.context(g) + F.linear(tokens, self.seen * self.mask_in))
        return F.linear(units, self.last * self.mask_out)

    def weights(self) -> tuple[Tensor, Tensor]:
        """Masked weights as `inverse` wants them: (size, units) from a pixel, and (size, units, 2) to a pixel."""
        seen, last = self.seen * self.mask_in, self.last * self.mask_out
        return seen.T.contiguous(), last.unflatten(0, (2, self.size)).permute(1, 2, 0).contiguous()

    def inverse(self, target: Tensor, g: Tensor, own: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
        """Undoes (h − μ)·exp(−α), pixel after pixel: target (N, size), context (N, width) → h (N, size)."""
        seen, last = weights
        units, own, done = self.context(g), own.view(2, -1).T, []
        for i, h in enumerate(target.unbind(1)):
            mu, raw = torch.addmm(own[i], F.relu(units), last[i]).unbind(1)  # later units weigh nothing here
            done.append(torch.addcmul(mu, h, bounded(raw).exp()))
            units = torch.addcmul(units, done[-1][:, None], seen[i])
        return torch.stack(done, 1)


def bounded(raw: Tensor) -> Tensor:
    """α in (−STRONGEST, STRONGEST)."""
    return STRONGEST * torch.tanh(raw / STRONGEST)


def soften(z: Tensor) -> tuple[Tensor, Tensor]:
    """z where |z| ≤ KNEE, else ±(KNEE + log(1 + |z| − KNEE)); and the log-slope, both of z's shape.

    Scales multiply from block to block, so a single spot where no digit ever had ink could cost a picture a million
    nats. With this the density has the heavier tail that such surprises call for, and is a density still.
    """
    beyond = torch.log1p(F.relu(z.abs() - KNEE))
    return z.clamp(-KNEE, KNEE) + torch.sign(z) * beyond, -beyond


def harden(z: Tensor) -> Tensor:
    """The inverse of `soften`."""
    beyond = torch.expm1(F.relu(z.abs() - KNEE).clamp(max=FARTHEST))
    return z.clamp(-KNEE, KNEE) + torch.sign(z) * beyond


class TransformerBlock(Layer):
    """One autoregressive map of the whole picture (N, C, H, W), in raster order of patches or against it.

    The last block also softens the tails of what it returns.
    """

    def __init__(
        self, shape: Sequence[int], patch: int, width: int, depth: int, heads: int, hidden: int,
        backwards: bool, last: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.shape, self.patch, self.backwards, self.last = tuple(shape), patch, backwards, last
        size, count = shape[0] * patch**2, shape[1] * shape[2] // patch**2
        self.embed = nn.Linear(size, width)
        self.start = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(count, width))
        self.transformer = nn.ModuleList(Attention(width, heads) for _ in range(depth))
        self.norm, self.inner = nn.LayerNorm(width), Inner(size, width, hidden)
        self.own = nn.Parameter(torch.zeros(count, 2 * size))  # what is true of a place whatever came before

    def forward(self, h: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        tokens = self.cut(h)
        mu, alpha = self.moments(tokens)
        moved, log_slope = (tokens - mu) * (-alpha).exp(), -alpha
        if self.last:
            moved, more = soften(moved)
            log_slope = log_slope + more
        return self.paste(moved), log_slope.flatten(1).sum(1)

    def moments(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """μ and α of every pixel from the patches before it and the pixels before it in its own: (N, T, size) twice."""
        out = self.inner(tokens, self.read(tokens[:, :-1])).to(tokens.dtype) + self.own
        mu, raw = out.chunk(2, dim=-1)
        return mu, bounded(raw)

    def read(self, tokens: Tensor) -> Tensor:
        """What is known before each patch and after the last one given: (N, T, size) → (N, T + 1, width)."""
        g = torch.cat([self.start.expand(len(tokens), -1, -1), self.embed(tokens)], 1)
        g = g + self.places[: g.shape[1]]
        for layer in self.transformer:
            g = layer(g)
        return self.norm(g)

    def inverse(self, h: Tensor, context: Tensor | None = None) -> Tensor:
        """h' → h, a patch at a time, with keys and values kept."""
        target = self.cut(harden(h) if self.last else h)
        n, count, _ = target.shape
        first = self.transformer[0]
        width = self.places.shape[1]
        past = target.new_zeros(len(self.transformer), 2, n, first.heads, count, width // first.heads)
        tokens = torch.empty_like(target)
        weights = self.inner.weights()
        g = self.start.expand(n, -1, -1)
        for t in range(count):
            g = g + self.places[t]
            for i, layer in enumerate(self.transformer):
                g = layer.step(g, past[i], t)
            tokens[:, t] = self.inner.inverse(target[:, t], self.norm(g)[:, 0], self.own[t], weights)
            g = self.embed(tokens[:, t : t + 1])
        return self.paste(tokens)

    def naive_inverse(self, h: Tensor) -> Tensor:
        """The same with nothing kept: all earlier patches are read again for each. For the test and the benchmark."""
        target = self.cut(harden(h) if self.last else h)
        tokens, weights = target[:, :0], self.inner.weights()
        for t in range(target.shape[1]):
            g = self.read(tokens)[:, t]
            tokens = torch.cat([tokens, self.inner.inverse(target[:, t], g, self.own[t], weights)[:, None]], 1)
        return self.paste(tokens)

    def cut(self, h: Tensor) -> Tensor:
        """(N, C, H, W) → patches (N, T, C·p²) in the order this block reads them."""
        tokens = F.pixel_unshuffle(h, self.patch).flatten(2).transpose(1, 2)
        return tokens.flip(1) if self.backwards else tokens

    def paste(self, tokens: Tensor) -> Tensor:
        """The inverse of `cut`."""
        tokens = tokens.flip(1) if self.backwards else tokens
        grid = tokens.transpose(1, 2).unflatten(2, (self.shape[1] // self.patch, -1))
        return F.pixel_shuffle(grid, self.patch)


class TarFlow(PictureFlow):
    """Transformer blocks, every second one against the reading order.

    Args:
        shape: (C, H, W). patch: its side. width, depth, heads: of each block's transformer. blocks: how many.
        hidden: units per pixel of the network inside a patch.
    """

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        patch: int = 4,
        width: int = 192,
        depth: int = 2,
        heads: int = 4,
        blocks: int = 4,
        hidden: int = 16,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        turns = [
            TransformerBlock(shape, patch, width, depth, heads, hidden, i % 2 == 1, last=i == blocks - 1)
            for i in range(blocks)
        ]
        self.layers = nn.ModuleList([Chain(Levels(self.bits), Equalise(self.bits), Logit(1e-5)), *turns])
