"""What is measured while a network learns, within a share of the time.

* *Samples* of the same sixteen seeds, for the film.
* *Losses* of pictures that were learned from and of pictures kept aside: when the two part, it memorises.
* *FD* of a few hundred samples in the judge's feature space, beside that of as many real pictures (the floor).
* *Old classes*, where classes come one after another: loss of each class, and share of samples the judge takes for it.
* *Nearest neighbours* of the last samples among both kinds of pictures.

Measuring never takes more than its share: samples that cost much (diffusion) are taken rarely, and the film has fewer
pictures then. What is learned does not depend on what is measured.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from playground import metrics
from playground.data import Dataset
from playground.engine import Engine
from playground.metrics import Index
from playground.metrics.distances import nearest
from playground.training.run import Run
from playground.training.studio.data import Material, Store
from playground.training.studio.plan import Plan
from playground.training.studio.record import SAMPLES, Record, due

SEEDS = tuple(range(SAMPLES))
LOOKED = 128  # pictures of each kind whose loss is measured
FD_SAMPLES, FD_BATCH, FD_REAL = 200, 50, 5_000
FEWEST_FD = 100  # real pictures below which an FD says nothing
VOTES = 60  # samples whose class the judge names
SHARE = {"film": 0.25, "fd": 0.15}  # of the training time
JUDGES = {"mnist": "classifier-mnist", "drawings": "classifier-mnist", "faces": "classifier-faces"}


class Watcher:
    """Looks on at one training.

    Args:
        engine: has the judge. store: has the real pictures' features. record: where everything goes.
    """

    def __init__(self, engine: Engine, store: Store, plan: Plan, run: Run, material: Material, record: Record) -> None:
        self.engine, self.store, self.plan, self.run, self.material, self.record = (
            engine, store, plan, run, material, record,
        )  # fmt: skip
        self.judge = engine.model(JUDGES[plan.data])
        self._due = deque(due(plan.updates))
        taken = record.pictures()
        self._last = taken[-1][0] if taken else None  # update of the film's last picture
        self._images: Tensor | None = None  # its samples
        self._spent = dict.fromkeys(SHARE, 0.0)
        self._cost = dict.fromkeys(SHARE, 0.0)
        self._real: Tensor | None = None
        self._made: tuple[int, Tensor] = (-1, torch.empty(0))  # update and features of the samples last measured
        stream = torch.Generator().manual_seed(1)
        some = torch.randperm(len(material.train), generator=stream)[:LOOKED].sort().values
        self._train = _picked(material.train, some)
        order = torch.randperm(len(material.held), generator=stream)[:LOOKED]
        self._held = _picked(material.held, order.sort().values) if len(order) else None

    def ready(self) -> bool:
        """Whether a picture is due after the present update, and may be afforded."""
        update = self.run.updates
        if self._last is None:
            return True
        while self._due and self._due[0] <= self._last:
            self._due.popleft()
        return bool(self._due) and self._due[0] <= update and self._affords("film")

    def look(self) -> Iterator[None]:
        """What is due now; yields between pieces of work, so that others get their turn."""
        yield from self._timed("film", self._film())
        if self._affords("fd"):
            yield from self._timed("fd", self._fd())

    def finish(self, measured: bool) -> Iterator[None]:
        """The film's last picture and its neighbours; with `measured` the last FD too, which takes longer."""
        if self._last != self.run.updates or self._images is None:
            yield from self._timed("film", self._film())
        if measured:
            yield from self._timed("fd", self._fd())
        yield from self._neighbours()

    # ------------------------------------------------------------------ samples and losses

    def _film(self) -> Iterator[None]:
        update = self.run.updates
        images = yield from self._samples(SEEDS, self._labels(SAMPLES))
        self.record.picture(update, images.cpu())
        self._last, self._images = update, images
        yield from self._losses(update)
        if self.plan.course != "all":
            yield from self._classes(update)

    def _samples(self, seeds: Sequence[int], labels: Tensor) -> Generator[None, None, Tensor]:
        """Pictures of the present network, one turn per step of its sampler."""
        result = torch.empty(0)
        for images in self.run.learner.sample(seeds, labels):
            result = images
            yield
        return result

    def _losses(self, update: int) -> Iterator[None]:
        values = []
        for data in (self._train, self._held):
            if data is None:
                values.append(None)
                continue
            values.append(_number(self._loss(*data).mean()))
            yield
        self.record.add("losses", update, *values)

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        device = self.engine.device
        return self.run.learner.losses(x.to(device), y.to(device)).float().cpu()

    def _classes(self, update: int) -> Iterator[None]:
        """Loss of kept-aside pictures by class, and how often the judge sees each class in samples."""
        x, y = self._held
        each = self._loss(x, y)
        self.record.add("class losses", update, *[_number(each[y == k].mean()) for k in range(10)])
        yield
        asked = self._labels(VOTES)
        images = yield from self._samples(range(VOTES), asked)
        named = self.judge.classify(images)[0].argmax(1).cpu()
        if self.run.learner.classes:
            shares = [float((named[asked == k] == k).float().mean()) for k in range(10)]
        else:
            shares = [10 * float((named == k).float().mean()) for k in range(10)]
        self.record.add("classes", update, *shares)
        yield

    def _labels(self, count: int) -> Tensor:
        """A class for each seed: those of the first part of a course among them from the beginning."""
        return torch.arange(count) % 10

    # ------------------------------------------------------------------ FD

    def _fd(self) -> Iterator[None]:
        real = self._references()
        if real is None:
            return
        made = []
        for start in range(0, FD_SAMPLES, FD_BATCH):
            seeds = range(1000 + start, 1000 + min(start + FD_BATCH, FD_SAMPLES))
            images = yield from self._samples(seeds, self._labels(len(seeds)))
            made.append(self.judge.features(images).cpu())
            yield
        features = torch.cat(made)
        self._made = (self.run.updates, features)
        if torch.isfinite(features).all():
            self.record.add("fd", self.run.updates, _number(metrics.frechet_distance(features, real)))
        if "floor" not in self.record.facts:
            some = torch.randperm(len(self.material.held), generator=torch.Generator().manual_seed(1))[:FD_SAMPLES]
            held = self.judge.features(self.material.held.pictures(some).to(self.engine.device)).cpu()
            self.record.facts["floor"] = _number(metrics.frechet_distance(held, real))
        yield

    def _references(self) -> Tensor | None:
        """Features of real pictures, (N, F), or None where there are too few for an FD."""
        if self._real is None:
            if self.plan.data == "mnist":
                self._real = self.store.digits()[1][:FD_REAL]
            elif self.plan.data == "faces":
                self._real = Index.load(self.judge.card.folder).embeddings[:FD_REAL].float()
            elif min(len(self.material.train), len(self.material.held)) >= FEWEST_FD:
                self._real = self.judge.features(_all(self.material.train).to(self.engine.device)).cpu()
        return self._real

    # ------------------------------------------------------------------ memorisation

    def _neighbours(self) -> Iterator[None]:
        """The nearest learned and the nearest kept-aside picture of each of the first samples."""
        if not torch.isfinite(self._images).all():
            return
        features = self.judge.features(self._images).cpu()
        train = self.material.features if self.material.features is not None else self._features(self.material.train)
        yield
        train = train.float()
        index, distance = nearest(features, train, 1)
        found: dict[str, Any] = {"train": index[:, 0].tolist(), "distance": _rounded(distance[:, 0])}
        if len(self.material.held):
            held = self._features(self.material.held)
            yield
            index, apart = nearest(features, held, 1)
            found |= {"held": index[:, 0].tolist(), "held distance": _rounded(apart[:, 0])}
            measured, more = self._made
            asked = torch.cat([features, more]) if measured == self.run.updates else features
            found |= {"nearer": metrics.nearest_is_train(asked, train, held), "asked": len(asked)}
        self.record.facts["neighbours"] = found

    def _features(self, data: Dataset) -> Tensor:
        parts = _all(data).split(256)
        return torch.cat([self.judge.features(part.to(self.engine.device)).cpu() for part in parts])

    # ------------------------------------------------------------------ the budget

    def _affords(self, kind: str) -> bool:
        """Whether one more measurement of a kind keeps within its share of the training time."""
        return self._spent[kind] <= SHARE[kind] * self.run.seconds

    def _timed(self, kind: str, work: Iterator[None]) -> Iterator[None]:
        """Counts the time of the pieces of work, not that of waiting for a turn between them."""
        cost, began = 0.0, time.perf_counter()
        for _ in work:
            cost += time.perf_counter() - began
            yield
            began = time.perf_counter()
        first, cost = not self._cost[kind], cost + time.perf_counter() - began
        self._cost[kind] = cost
        self._spent[kind] += 0.0 if first else cost  # the first one also opens and warms up what the others use


def _picked(data: Dataset, index: Tensor) -> tuple[Tensor, Tensor]:
    return data.pictures(index), data.labels[index]


def _all(data: Dataset) -> Tensor:
    return data.pictures(slice(None))


def _number(value: Tensor | float) -> float | None:
    """Rounded to what a chart shows; None if it is no number."""
    value = float(value)
    return float(f"{value:.5g}") if abs(value) < 1e12 else None


def _rounded(values: Tensor) -> list[float]:
    return [round(float(v), 3) for v in values]
