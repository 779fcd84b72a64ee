"""ImageGPT: a picture as a sentence of 64 words, continued by a transformer.

A tokeniser turns a face into 8×8 words of a vocabulary of 1,000 (`tokens.py`). A causal transformer then learns

    p(t) = Π_i p(t_i | t_1, …, t_{i−1}),

each word attending to all words before it, just as a language model does; nothing in it knows about pictures but the
places it has learned. To draw, keys and values of earlier words are kept, so a new word costs one word's work.

A word is decided by its own noise ε ~ N(0, 1): the first word whose cumulative probability exceeds u = Φ(ε).

Chen et al., "Generative pretraining from pixels" (Image GPT), ICML 2020; words instead of pixels since van den Oord et
al., VQ-VAE, 2017, and Esser et al., 2021; RMS norm: Zhang and Sennrich, 2019; normalised queries and keys: Henry et
al., 2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.api import Field, Frame, PlaygroundError
from playground.data import Dataset
from playground.models.autoregressive.base import TEMPERATURE, WATCH
from playground.models.autoregressive.particles import Particles
from playground.models.autoregressive.tokens import Tokeniser
from playground.sampling import generators, normal

TOP_P = Field(
    "top_p", "float", 1.0, 0.05, 1.0, 0.05, label="Top p",
    info="Only the likeliest words that together have this probability may be drawn.",
)  # fmt: skip
SCORED = 2000  # test pictures that `own_scores` looks at
ROUNDS = 2  # of a repair: the second reads the words again, now that the hole is filled


def top_k(words: int) -> Field:
    """The control of how many of the likeliest words may be drawn."""
    info = "Only this many of the likeliest words may be drawn."
    return Field("top_k", "int", words, 1, words, 1, label="Top k", info=info)


class ImageGPT(nn.Module, PyTorchModelHubMixin):
    """Tokeniser and causal transformer.

    Args:
        shape: (C, H, W). widths, levels: of the tokeniser. channels, layers, heads: of the transformer.
    """

    def __init__(
        self,
        shape: Sequence[int] = (3, 64, 64),
        widths: Sequence[int] = (32, 64, 96),
        levels: Sequence[int] = (8, 5, 5, 5),
        channels: int = 192,
        layers: int = 6,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.coder = Tokeniser(shape, widths, levels)
        self.grid, self.words = self.coder.grid, self.coder.quantiser.words
        self.length = self.grid[0] * self.grid[1]
        self.controls = (TEMPERATURE, top_k(self.words), TOP_P, WATCH)
        self.transformer = Transformer(self.words, self.length, channels, layers, heads)
        self.register_buffer("mean_code", torch.zeros(*self.grid, len(levels)))  # stands where no word is yet

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean_code.device

    # ---- words ----------------------------------------------------------------------------------------------------

    def encode_tokens(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → words int64 (N, h·w), row by row."""
        return self.coder.quantiser.word(self.coder.encode(x.to(self.device))).flatten(1)

    def decode_tokens(self, tokens: Tensor) -> Tensor:
        """Words (N, h·w) → pictures (N, C, H, W); −1 stands for "none yet" and shows the average there."""
        words = tokens.to(self.device).long().unflatten(1, self.grid)
        code = self.coder.quantiser.code(words.clamp(min=0)).to(self.mean_code.dtype)
        return self.coder.decode(torch.where(words[..., None] < 0, self.mean_code, code))

    def token_logits(self, tokens: Tensor) -> Tensor:
        """(N, h·w) words → (N, h·w, words) logits of each place from the words before it."""
        return self.transformer(tokens.to(self.device))

    def token_log_prob(self, x: Tensor) -> Tensor:
        """log p(t_i | t_<i) of a picture's words, (N, h·w) nats. Of its words: not a likelihood of its pixels."""
        tokens = self.encode_tokens(x)
        return log_prob_of(self.token_logits(tokens), tokens)

    # ---- sampling -------------------------------------------------------------------------------------------------

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """One standard normal number per word, (N, h·w)."""
        return normal(seeds, (self.length,))

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        **controls: Any,
    ) -> Iterator[Frame]:
        """A frame per row of words; `Frame.state` holds the words so far, (N, h·w), −1 where there is none yet."""
        none = torch.full((len(seeds), self.length), -1)
        return self.continue_from(none, 0, seeds, labels, latents, **controls)

    def continue_from(
        self,
        tokens: Tensor,
        start: int,
        seeds: Sequence[int],
        labels: Tensor | None = None,
        latents: Tensor | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        watch: bool = True,
    ) -> Iterator[Frame]:
        """Keeps the words before place `start` (0 … h·w) of tokens (N or 1, h·w) and draws the rest."""
        if not 0 <= start <= self.length:
            raise PlaygroundError(f"A picture has {self.length} words; place {start} was asked for. Choose another.")
        noise = (self.latents(seeds) if latents is None else latents).to(self.device)
        u = torch.special.ndtr(noise.double())
        tokens = tokens.to(self.device).long().expand(len(seeds), -1).clone()
        tokens[:, start:] = -1
        cache, width = Keys(self.transformer, len(seeds)), self.grid[1]
        first = min(start // width, self.grid[0] - 1)
        total = self.grid[0] - first if watch else 1
        for place in range(self.length):
            logits = cache.logits(tokens, place)
            if place >= start:
                tokens[:, place] = choose(logits, u[:, place], temperature, top_k or self.words, top_p)
            step = place // width - first + 1 if watch else place // width - self.grid[0] + 2
            if place % width == width - 1 and step >= 1:
                yield Frame(self.decode_tokens(tokens), step, total, state=tokens.float(), info={"words": place + 1})

    def repair(
        self,
        x: Tensor,
        mask: Tensor,
        seeds: Sequence[int],
        labels: Tensor | None = None,
        particles: int = 16,
        temperature: float = 1.0,
    ) -> Iterator[Frame]:
        """Draws the words that touch the hole, the others weigh the particles (see `PixelModel.repair`).

        The encoder sees a little of the hole from the words beside it. So the picture is read twice: first with the
        average picture in the hole, then with the first repair.
        """
        x, mask = x.to(self.device), mask.to(self.device)
        inside = F.adaptive_avg_pool2d(1 - mask.float(), self.grid).flatten(1) > 0  # words that are to be made up
        crowd = Particles(generators(seeds), particles, self.device)
        guess = self.decode_tokens(torch.full((len(x), self.length), -1))
        for turn in range(ROUNDS):
            given = self.encode_tokens(torch.where(mask > 0.5, x, guess))
            for place, tokens in self._repaired(given, inside, crowd, temperature):
                guess = self.decode_tokens(tokens)
                step = turn * self.grid[0] + place // self.grid[1] + 1
                yield Frame(torch.where(mask > 0.5, x, guess), step, ROUNDS * self.grid[0], state=tokens.float())

    def _repaired(
        self, given: Tensor, inside: Tensor, crowd: Particles, temperature: float = 1.0
    ) -> Iterator[tuple[int, Tensor]]:
        """One pass of the particle filter; (place, words of the present favourites) at the end of each row."""
        u = torch.special.ndtr(crowd.noise((self.length,)).double())
        given, inside = given.repeat_interleave(crowd.size, 0), inside.repeat_interleave(crowd.size, 0)
        tokens = torch.full_like(given, -1)
        cache = Keys(self.transformer, len(given))
        crowd.log_weights.zero_()
        for place in range(self.length):
            logits = cache.logits(tokens, place)
            drawn = choose(logits, u[:, place], temperature, self.words, 1.0)
            tokens[:, place] = torch.where(inside[:, place], drawn, given[:, place])
            crowd.weigh(torch.where(inside[:, place], 0.0, log_prob_of(logits, given[:, place])))
            if (parents := crowd.resample()) is not None:
                tokens = tokens[parents]
                cache.select(parents)
            if place % self.grid[1] == self.grid[1] - 1:
                chosen = crowd.choose(final=place == self.length - 1)
                rest = torch.where(inside[chosen], -1, given[chosen])
                yield place, torch.where(torch.arange(self.length, device=self.device) <= place, tokens[chosen], rest)

    def naive_sample(
        self,
        seeds: Sequence[int],
        latents: Tensor | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
    ) -> Tensor:
        """The pictures of `sample`, by running the whole transformer for every word: the oracle of the cache."""
        u = torch.special.ndtr((self.latents(seeds) if latents is None else latents).to(self.device).double())
        tokens = torch.zeros(u.shape, dtype=torch.int64, device=self.device)
        for place in range(self.length):
            logits = self.token_logits(tokens)[:, place]
            tokens[:, place] = choose(logits, u[:, place], temperature, top_k or self.words, top_p)
        return self.decode_tokens(tokens)

    def own_scores(self, test: Dataset) -> dict[str, dict[str, Any]]:
        """How well words stand for pictures, and how well the transformer foresees them."""
        used, count = torch.zeros(self.words), min(len(test), SCORED)
        away = squared = nats = 0.0
        for start in range(0, count, 100):
            x = test.pictures(slice(start, min(start + 100, count))).to(self.device)
            tokens = self.encode_tokens(x)
            used += torch.bincount(tokens.flatten().cpu(), minlength=self.words)
            y = self.decode_tokens(tokens)
            away += float((y - x).abs().flatten(1).mean(1).sum())
            squared += float((y - x).square().flatten(1).mean(1).sum())
            nats -= float(log_prob_of(self.token_logits(tokens), tokens).sum())
        share = used / used.sum()
        return {
            "tokens": {
                "codes": self.words,
                "codes_used": int((used > 0).sum()),
                "perplexity": float(torch.exp(torch.special.entr(share).sum())),
                "absolute_error": away / count,
                "mse": squared / count,
                "nats_per_picture": nats / count,
                "protocol": (
                    f"first {count} test pictures as {self.length} words each: words that occur at all, exp of the "
                    "entropy of how often they do, error of the decoded picture per pixel value in [0, 1], and "
                    "−log p of the words under the transformer (a likelihood of words, not of pixels)."
                ),
            }
        }


def choose(logits: Tensor, u: Tensor, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Words (N,) by inverse cumulative probability at u (N,) in [0, 1], of logits (N, words)."""
    p = torch.softmax(logits.double() / max(temperature, 1e-4), 1)
    if top_k < p.shape[1] or top_p < 1:
        ranked = p.sort(1, descending=True).values
        before = ranked.cumsum(1) - ranked  # probability of all that are likelier
        allowed = (before < top_p) & (torch.arange(p.shape[1], device=p.device) < top_k)
        least = torch.where(allowed, ranked, torch.inf).amin(1, keepdim=True)
        p = torch.where(p >= least, p, 0.0)
    edges = p.cumsum(1)
    drawn = torch.searchsorted(edges, (u[:, None] * edges[:, -1:]).clamp(min=1e-300))[:, 0]
    return drawn.clamp(max=p.shape[1] - 1)


def log_prob_of(logits: Tensor, tokens: Tensor) -> Tensor:
    """log p of the given words: logits (…, words), tokens (…) → (…)."""
    return torch.log_softmax(logits.float(), -1).gather(-1, tokens[..., None])[..., 0]


class Transformer(nn.Module):
    """Causal transformer over words: (N, L) → (N, L, words), logits at each place from the words before it."""

    def __init__(self, words: int, length: int, channels: int, layers: int, heads: int) -> None:
        super().__init__()
        self.length = length
        self.words = nn.Embedding(words + 1, channels)  # the last one is "here it begins"
        self.places = nn.Embedding(length, channels)
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(channels)
        self.head = nn.Linear(channels, words)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=0.02 / (2 * layers) ** 0.5 if ".out" in name else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        begin = torch.full_like(tokens[:, :1], self.words.num_embeddings - 1)
        h = self.words(torch.cat([begin, tokens[:, :-1]], 1)) + self.places.weight
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


class Block(nn.Module):
    """Attention to earlier places, then two linear layers at each place: (N, L, C) → the same."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads, size = heads, channels // heads
        self.norm1, self.norm2 = nn.RMSNorm(channels), nn.RMSNorm(channels)
        self.norm_qk = nn.RMSNorm(size, elementwise_affine=False)
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.out = nn.Linear(channels, channels, bias=False)
        self.up = nn.Linear(channels, 4 * channels)
        self.out2 = nn.Linear(4 * channels, channels)

    def forward(self, h: Tensor, keys: Tensor | None = None, values: Tensor | None = None, at: int = 0) -> Tensor:
        """h: (N, L, C). With keys and values (N, heads, length, C / heads), h is place `at` alone: its own key and
        value are written there, and it attends to all up to it."""
        q, k, v = self.qkv(self.norm1(h)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = self.norm_qk(q), self.norm_qk(k)
        if keys is None:
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            keys[:, :, at : at + 1], values[:, :, at : at + 1] = k, v
            seen = F.scaled_dot_product_attention(q, keys[:, :, : at + 1], values[:, :, : at + 1])
        h = h + self.out(seen.transpose(1, 2).flatten(2))
        return h + self.out2(F.gelu(self.up(self.norm2(h)), approximate="tanh"))


class Keys:
    """Keys and values of the words so far, of N pictures: two tensors (layers, N, heads, L, C / heads)."""

    def __init__(self, net: Transformer, count: int) -> None:
        self.net, block = net, net.blocks[0]
        size = net.head.weight.shape[1] // block.heads
        self.keys = net.head.weight.new_zeros(len(net.blocks), count, block.heads, net.length, size)
        self.values = torch.zeros_like(self.keys)

    def logits(self, tokens: Tensor, place: int) -> Tensor:
        """(N, words) logits at `place`, once those of all places before it have been asked for."""
        last = tokens[:, place - 1] if place else torch.full_like(tokens[:, 0], self.net.words.num_embeddings - 1)
        h = (self.net.words(last) + self.net.places.weight[place])[:, None]
        for block, keys, values in zip(self.net.blocks, self.keys, self.values):
            h = block(h, keys, values, place)
        return self.net.head(self.net.norm(h))[:, 0]

    def select(self, index: Tensor) -> None:
        """Picture j becomes a copy of picture index[j]."""
        self.keys, self.values = self.keys[:, index], self.values[:, index]
