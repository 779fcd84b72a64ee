"""What the VAE page needs beside the networks: example pictures, where their codes lie, and measured directions.

Everything here follows from a checkpoint alone and is worked out once per engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from playground.api import PlaygroundError, Posterior
from playground.engine import Engine
from playground.sampling import lerp, slerp
from tabs import _ui as ui
from tabs._ui.examples import digits, examples
from tabs.vae.state import ATTRIBUTES, FRAMES, REACH

FACES_ON_MAP = 200
FACES_MEASURED = 400  # drawn and encoded to find the directions
GRID = 20  # pictures along each side of the map's second layer


@dataclass(frozen=True)
class Atlas:
    """Where pictures land.

    Attributes:
        means: (N, d) posterior means of the examples. labels: the class of each, "" where it has none.
        axes: the two latents that are drawn. limit: the map reaches from −limit to limit.
    """

    means: Tensor
    labels: tuple[str, ...]
    axes: tuple[int, int]
    limit: float


@lru_cache(maxsize=8)
def desk_of(engine: Engine) -> Desk:
    """The one desk of an engine."""
    return Desk(engine)


class Desk(ui.Keeper):
    """Short calls on the models of one engine, and what is kept of them."""

    def prepare(self) -> None:
        """Works out in advance what takes a noticeable time."""
        for card in self.engine.cards():
            if card.family == "vae":
                self.atlas(card.name)
                if card.data == "faces":
                    self.directions(card.name)

    # ------------------------------------------------------------------ networks

    def model(self, name: str) -> nn.Module:
        """The network of a checkpoint."""
        return self.engine.model(name)

    def names(
        self, *, data: str | None = None, least: int = 0, most: int = 10**6, also: Sequence[str] = ()
    ) -> list[str]:
        """Checkpoints of the family, optionally of one data set or within a number of latents."""
        names = [c.name for c in self.engine.cards(data=data, also=also) if c.family == "vae"]
        return [n for n in names if least <= self.model(n).latent_size <= most]

    def decode(self, name: str, z: Tensor) -> Tensor:
        """(N, d) → (N, C, H, W) on the CPU."""
        model = self.model(name)
        if not torch.isfinite(z).all():
            raise PlaygroundError("The latent is not a number. Reset it and try again.")
        return self.engine.call(lambda: model.decode(z)).float().cpu()

    def encode(self, name: str, x: Tensor) -> Posterior:
        """(N, C, H, W) → posterior on the CPU."""
        model = self.model(name)
        q = self.engine.call(lambda: model.encode(x))
        return Posterior(q.mean.float().cpu(), q.std.float().cpu())

    # ------------------------------------------------------------------ examples

    def examples(self, name: str, indices: Sequence[int]) -> Tensor:
        """Pictures the network has not trained on: shipped test digits, faces drawn from test seeds, held-out emoji."""
        return examples(self.engine.card(name).data, indices)

    def faces(self, seeds: Sequence[int]) -> Tensor:
        """Drawn faces, float (N, 3, 64, 64)."""
        from playground.data import faces

        images, _ = faces.dataset(seeds)
        return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255

    def atlas(self, name: str) -> Atlas:
        """The map of a model."""
        return self.keep(("atlas", name), lambda: self._atlas(name))

    def _atlas(self, name: str) -> Atlas:
        if self.engine.card(name).data == "mnist":
            pictures, classes = digits()
            labels = tuple(str(c) for c in classes)
        else:
            pictures = self.examples(name, range(FACES_ON_MAP))
            labels = ("",) * FACES_ON_MAP
        means = self.encode(name, pictures).mean
        first, second = self.strongest(name)[:2]
        limit = min(REACH, float(means[:, [first, second]].abs().max()) + 0.2)
        return Atlas(means, labels, (first, second), limit)

    def terrain(self, name: str) -> Tensor:
        """(GRID², C, H, W): what the map decodes to, row by row from the top; other latents at zero."""
        return self.keep(("terrain", name), lambda: self._terrain(name))

    def _terrain(self, name: str) -> Tensor:
        atlas = self.atlas(name)
        half = atlas.limit / GRID
        line = torch.linspace(-atlas.limit + half, atlas.limit - half, GRID)
        z = torch.zeros(GRID * GRID, self.model(name).latent_size)
        z[:, atlas.axes[0]] = line.repeat(GRID)
        z[:, atlas.axes[1]] = line.flip(0).repeat_interleave(GRID)
        return self.decode(name, z)

    def strongest(self, name: str) -> list[int]:
        """Latents in order of the information they carry (mean KL over the training pictures)."""
        return self.model(name).kl_per_latent.argsort(descending=True, stable=True).tolist()

    # ------------------------------------------------------------------ walks and directions

    def walk(self, name: str, ends: Tensor, sphere: bool) -> Tensor:
        """(T, C, H, W) from the first code to the second."""
        way = slerp if sphere else lerp
        return self.decode(name, way(ends[0], ends[1], torch.linspace(0, 1, FRAMES)))

    def directions(self, name: str) -> dict[str, Tensor]:
        """Attribute → mean code of drawn faces that have it minus mean code of those that do not."""
        return self.keep(("directions", name), lambda: self._directions(name))

    def _directions(self, name: str) -> dict[str, Tensor]:
        from playground.data import faces

        seeds = range(FACES_MEASURED)
        people = [faces.sample(seed) for seed in seeds]
        parts = [seeds[i : i + 100] for i in range(0, FACES_MEASURED, 100)]
        means = torch.cat([self.encode(name, self.faces(part)).mean for part in parts])
        found = {}
        for attribute in ATTRIBUTES:
            has = torch.tensor([shows(person, attribute) for person in people])
            found[attribute] = means[has].mean(0) - means[~has].mean(0)
        return found


def shows(person: Any, attribute: str) -> bool:
    """Whether a drawn face has the attribute."""
    seen = person.attributes
    return {
        "smile": seen["mouth"] in ("smile", "grin"),
        "glasses": seen["glasses"] != "none",
        "hat": seen["hat"] != "none",
        "beard": seen["facial_hair"] in ("beard", "goatee"),
        "long_hair": seen["hair"] in ("long", "bob", "pigtails"),
        "turn": person.factors["turn"] > 0,
    }[attribute]


def first_test_seed() -> int:
    """Where the seeds of faces begin that no network has seen."""
    from playground.data import faces

    return faces.TEST_SEEDS[0]
