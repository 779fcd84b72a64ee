"""Attributes as a part of the latent: what a network can be asked for, and what a seed asks for by itself.

A picture's attributes (hair: curly, hat: none, …) are written as one block of numbers each, as many as the attribute
has values, that say how much of each value is meant. A one and zeros name a value; a mixture lies between values, so
that a walk from one picture to another melts from curly to straight hair; a block of zeros leaves the attribute open
and stands for the data's own shares. So a network that takes such blocks still has one latent in which one can walk,
add and mix, and a wish is no more than a block that was written over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from playground.api import ANY, Field
from playground.data import faces

HINT = "Ask for it, or leave it to the seed."


class Attributes:
    """Which attributes there are, what values they have, and how frequent each is.

    Args:
        heads: (attribute, its values) in label order. shares: of each attribute's values in the data, adding up to 1.
    """

    def __init__(self, heads: Sequence[tuple[str, Sequence[str]]], shares: Sequence[Sequence[float]]) -> None:
        self.heads = {name: tuple(values) for name, values in heads}
        self.sizes = [len(values) for values in self.heads.values()]
        self.size = sum(self.sizes)
        self.shares = torch.tensor([share for block in shares for share in block])

    @property
    def config(self) -> dict[str, Any]:
        """The arguments that make it again, as a checkpoint's config holds them."""
        shares = [block.tolist() for block in self.shares.split(self.sizes)]
        return {"heads": [[name, list(values)] for name, values in self.heads.items()], "shares": shares}

    @property
    def fields(self) -> tuple[Field, ...]:
        """One control per attribute, at rest left to the seed."""
        return tuple(
            Field(name, "choice", ANY, choices=(ANY, *values), label=name.replace("_", " ").capitalize(), info=HINT)
            for name, values in self.heads.items()
        )

    def draw(self, streams: Sequence[torch.Generator]) -> Tensor:
        """Every attribute on its own, by its shares, from each sample's stream: (N, A) positions of values."""
        chances = torch.stack([torch.rand(len(self.sizes), generator=stream) for stream in streams])
        blocks = [block.cumsum(0)[:-1] for block in self.shares.split(self.sizes)]
        return torch.stack([torch.searchsorted(b, c, right=True) for b, c in zip(blocks, chances.T.contiguous())], 1)

    def write(self, codes: Tensor) -> Tensor:
        """(N, A) positions of values → (N, size), a one per block."""
        parts = [torch.nn.functional.one_hot(c, k) for c, k in zip(codes.unbind(1), self.sizes)]
        return torch.cat(parts, 1).float()

    def read(self, y: Tensor) -> Tensor:
        """(N, size) → (N, A), the foremost value of each block."""
        return torch.stack([block.argmax(1) for block in y.split(self.sizes, 1)], 1)

    def visible(self, codes: Tensor) -> Tensor:
        """Which of the values (N, A) a picture shows at all, bool (N, A): dark glasses hide the eyes."""
        return torch.from_numpy(faces.visible(codes.cpu().numpy(), tuple(self.heads))).to(codes.device)

    def settle(self, y: Tensor) -> Tensor:
        """Any (N, size) → blocks that are not negative and add up to 1; an empty block becomes the shares."""
        y, shares = y.clamp(min=0), self.shares.to(y)
        blocks = zip(y.split(self.sizes, 1), shares.split(self.sizes))
        settled = []
        for block, share in blocks:
            total = block.sum(1, keepdim=True)
            settled.append(torch.where(total > 1e-4, block / total.clamp(min=1e-4), share))
        return torch.cat(settled, 1)

    def wish(self, y: Tensor, wishes: Mapping[str, str]) -> Tensor:
        """(N, size) with the blocks written over for which a value is asked."""
        blocks = list(y.split(self.sizes, 1))
        for k, (name, values) in enumerate(self.heads.items()):
            if wishes.get(name, ANY) != ANY:
                blocks[k] = torch.zeros_like(blocks[k])
                blocks[k][:, values.index(wishes[name])] = 1
        return torch.cat(blocks, 1)


def of_faces() -> Attributes:
    """Those of the drawn faces."""
    return Attributes(tuple(faces.ATTRIBUTES.items()), [faces.shares(name) for name in faces.ATTRIBUTES])
