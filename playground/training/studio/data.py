"""The pictures of a plan: what is learned from, and what is kept aside to see whether it was learned or memorised.

Nothing is downloaded. Digits are the training pictures that the judge of digits keeps in its index (16 grey levels),
named by the judge itself; digits kept aside are the 500 shipped test digits. Faces are drawn from their seeds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from playground.data import Dataset, faces, mnist
from playground.engine import Engine
from playground.metrics import Index
from playground.metrics.neighbours import unpack
from playground.training.studio.plan import MOST_FACES, Plan, join, kept_aside, pack_drawing, unpack_drawings

TEST_DIGITS = Path(__file__).resolve().parents[3] / "assets" / "examples" / "mnist-test.png"
EACH, COLUMNS, SIDE = 50, 25, 28  # digits of a class in that file, pictures in its rows, pixels of a side
HELD = 256  # pictures kept aside of digits and faces
AT_ONCE = 50  # faces drawn in one go
SHIFT, TURN, ZOOM = 2.0, 0.2, 0.1  # augmentation: pixels of 28, radians, share
LEAN = 0.7  # of the example drawings: pixels to the left for one pixel up


@dataclass(frozen=True)
class Material:
    """A plan's pictures.

    Attributes:
        train: what is learned from; held: what never is.
        features: of `train` in the judge's space, (N, F), where they are known without work; else None.
    """

    train: Dataset
    held: Dataset
    features: Tensor | None = None


class Store:
    """Pictures of one engine, read or drawn once. They belong to nobody."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._lock = threading.Lock()
        self._digits: tuple[Dataset, Tensor] | None = None
        self._faces: dict[str, tuple[Tensor, Tensor]] = {}

    def prepare(self, plan: Plan) -> Iterator[str]:
        """Draws the faces that a plan needs, a few at a time; says how far it is."""
        if plan.data != "faces":
            return
        for split, count in (("train", min(plan.pictures, MOST_FACES)), ("test", HELD)):
            for start in range(0, count, AT_ONCE):
                self.faces(split, min(count, start + AT_ONCE))
                yield f"Drawing faces to learn from: {start} of {count}."

    def material(self, plan: Plan) -> Material:
        """The pictures of a plan."""
        if plan.data == "drawings":
            return _drawn(plan)
        order = torch.randperm(20_000, generator=torch.Generator().manual_seed(plan.seed))
        if plan.data == "faces":
            count = min(plan.pictures, MOST_FACES)
            return Material(self.faces("train", count), self.faces("test", HELD))
        known, features = self.digits()
        index = order[order < len(known)][: plan.pictures].sort().values
        wanted = torch.tensor(sorted({c for part in plan.phases for c in part}))
        index = index[torch.isin(known.labels[index], wanted)]
        train = Dataset("mnist", known.images[index], known.labels[index], known.heads)
        held = test_digits()
        pick = torch.arange(len(held)).reshape(10, EACH)[:, : HELD // 10].flatten()
        held = Dataset("mnist", held.images[pick], held.labels[pick], held.heads)
        return Material(train, held, features[index])

    def digits(self) -> tuple[Dataset, Tensor]:
        """Training digits and their features in the judge's space, (N, F)."""
        with self._lock:
            if self._digits is None:
                judge = self.engine.model("classifier-mnist")
                index = Index.load(judge.card.folder)
                features = index.embeddings.float()
                labels = self.engine.call(lambda: judge.judge(features.to(self.engine.device))[0].argmax(1).cpu())
                data = Dataset("mnist", unpack(index.packed)[:, None], labels, {"digit": mnist.LABELS})
                self._digits = data, features
            return self._digits

    def faces(self, split: str, count: int) -> Dataset:
        """The first `count` faces of a split; those drawn before are not drawn again."""
        seeds = faces.TRAIN_SEEDS if split == "train" else faces.TEST_SEEDS
        none = torch.zeros(0, 3, 64, 64, dtype=torch.uint8), torch.zeros(0, len(faces.ATTRIBUTES), dtype=torch.int64)
        while len((have := self._faces.get(split, none))[0]) < count:
            start = len(have[0])
            images, codes = faces.dataset(seeds[start : min(count, start + AT_ONCE)])
            drawn = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(codes.copy())
            with self._lock:
                now = self._faces.get(split, none)
                if len(now[0]) == start:  # two may draw at once: the same faces, so either will do
                    self._faces[split] = tuple(torch.cat(pair) for pair in zip(now, drawn))
        return Dataset("faces", have[0][:count], have[1][:count], dict(faces.ATTRIBUTES))


def test_digits() -> Dataset:
    """The 500 shipped test digits, fifty of each class in class order."""
    with Image.open(TEST_DIGITS) as image:
        page = np.asarray(image.convert("L"), np.uint8)
    cells = page.reshape(-1, SIDE, COLUMNS, SIDE).transpose(0, 2, 1, 3).reshape(-1, 1, SIDE, SIDE)
    images = torch.from_numpy(np.ascontiguousarray(cells))
    return Dataset("mnist", images, torch.arange(len(images)) // EACH, {"digit": mnist.LABELS})


def example_drawings(count: int = 20) -> tuple[Tensor, Tensor]:
    """Digits in a hand unlike MNIST's: fat strokes that lean backwards; uint8 (N, 1, 28, 28) and their classes.

    They are made of shipped test digits, which no network here has ever seen.
    """
    known = test_digits()
    chosen = torch.tensor([EACH * (i % 10) + 7 + 3 * (i // 10) for i in range(count)])
    fat = F.max_pool2d(F.pad(known.images[chosen].float() / 255, (0, 1, 0, 1)), 2, 1)
    lean = torch.tensor([[1.1, -LEAN, 0.0], [0.0, 1.1, 0.0]]).expand(count, -1, -1)
    leaning = F.grid_sample(fat, F.affine_grid(lean, list(fat.shape), align_corners=False), align_corners=False)
    return (leaning * 255).round().clamp(0, 255).to(torch.uint8), known.labels[chosen]


def examples(count: int = 20) -> str:
    """The example drawings as a plan has them."""
    pictures, labels = example_drawings(count)
    return join([pack_drawing(x / 255, int(y)) for x, y in zip(pictures, labels)])


def _drawn(plan: Plan) -> Material:
    images, labels = unpack_drawings(plan.drawings)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(plan.seed))
    aside = kept_aside(len(images), plan.held)
    parts = [Dataset("drawings", images[i], labels[i], {"digit": mnist.LABELS}) for i in (order[aside:], order[:aside])]
    return Material(*parts)


def augmented(x: Tensor, y: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Every picture moved, turned and scaled a little by itself: (N, C, H, W) → the same, labels untouched."""
    n = len(x)
    angle = TURN * (2 * torch.rand(n, generator=noise) - 1)
    shift = SHIFT / 14 * (2 * torch.rand(n, 2, generator=noise) - 1)
    zoom = 1 + ZOOM * (2 * torch.rand(n, generator=noise) - 1)
    return affine(x, angle, shift, zoom), y


def affine(x: Tensor, angle: Tensor, shift: Tensor, zoom: Tensor) -> Tensor:
    """Pictures (N, C, H, W) turned by (N,) radians, moved by (N, 2) in [−1, 1] units, scaled by (N,); edges repeat."""
    c, s = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    rows = torch.stack([torch.stack([c, -s, shift[:, 0]], 1), torch.stack([s, c, shift[:, 1]], 1)], 1)
    grid = F.affine_grid(rows.to(x.device), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


class Course:
    """Which pictures an update may use: all, or those of the present part of the course and a share of old ones.

    Args:
        data: everything that is learned from. plan: says the parts and the share.
    """

    def __init__(self, data: Dataset, plan: Plan) -> None:
        self.plan = plan
        self.members = [torch.isin(data.labels, torch.tensor(part)).nonzero()[:, 0] for part in plan.phases]

    def part(self, done: float) -> int:
        """Which part of the course a fraction of the training lies in."""
        return min(len(self.members) - 1, int(done * len(self.members)))

    def index(self, count: int, seen: int, done: float) -> Tensor:
        """Indices (count,) of an update's pictures: a function of the plan and of how many were seen before."""
        part = self.part(done)
        stream = torch.Generator().manual_seed(self.plan.seed * 7_919 + seen)
        index = _some(self.members[part], count, stream)
        if not part or not self.plan.replay:
            return index
        swapped = torch.rand(count, generator=stream) < self.plan.replay
        return torch.where(swapped, _some(torch.cat(self.members[:part]), count, stream), index)


def _some(members: Tensor, count: int, stream: torch.Generator) -> Tensor:
    return members[torch.randint(len(members), (count,), generator=stream)]
