"""One question, every model of a data set: what the comparison page, a script and a test ask alike.

A question is a method of `Comparison` that takes a model's name and yields `Answer`s as they come; `abreast` lets
several models answer side by side, a step each in turn. Nobody is asked for its family: a model takes part because
it is a `Sampler`, it can mend a picture because it is a `Repairer`, and whoever cannot answer says why. Two names of
controls are understood, if a model declares them: `steps` (how many times it looks at a picture) and `watch` (whether
the pictures in between are wanted).

The scores follow `playground.metrics`. Their real side is the index of training pictures that ships with the data
set's classifier, so that measuring needs no data set. Few pictures give noisy scores, and a Fréchet distance of few
pictures is too high: it is therefore divided by what as many *real* pictures score against each other.
"""

from __future__ import annotations

import importlib
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any, TypeVar, get_type_hints

import torch
from torch import Tensor, nn

from playground import metrics, registry
from playground.api import (
    MAX_SEED,
    Askable,
    Classifier,
    Field,
    Likelihood,
    ModelCard,
    PlaygroundError,
    Repairer,
    Sampler,
    fields_by_name,
)
from playground.engine import Engine
from playground.metrics.frechet import draws
from playground.metrics.neighbours import FILE as INDEX
from playground.sampling import lerp, slerp

T = TypeVar("T")

STEPS = Field(
    "steps", "int", 12, 1, 100, 1, label="Steps",
    info="For models that work step by step, such as diffusion. More is slower and finer; one-shot models ignore it.",
)  # fmt: skip
NEIGHBOURS = 5  # k of precision and recall, as in `playground.evaluate`
BATCH = 32  # pictures at a time while measuring
ASKED = 8  # pictures at a time that are asked for their likelihood
LEAST = 32  # pictures below which no distance is worth telling
REJECTED = 20  # draws at a time while looking for a class by rejection


@dataclass(frozen=True)
class Answer:
    """What one model says to one question, so far.

    Attributes:
        name: the model.
        images: (K, C, H, W) on the CPU, or None while there is nothing to see.
        beside: pictures that belong to the images one by one (the nearest training pictures), or None.
        note: what there is to say about it. why: why it cannot answer; the other values then mean nothing.
        step, total: progress of this model.
        milliseconds: per picture, spent on this model alone. calls: of its network, per picture, where it tells.
        facts: small numbers (scores, distances), only finite ones.
    """

    name: str
    images: Tensor | None = None
    beside: Tensor | None = None
    note: str = ""
    why: str = ""
    step: int = 1
    total: int = 1
    milliseconds: float = 0.0
    calls: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether this is the model's last word."""
        return bool(self.why) or self.step >= self.total


@dataclass(frozen=True)
class Question:
    """A riddle. If `real`, `seed` is the number of a real picture; otherwise the model `name` made it from `seed`."""

    real: bool
    seed: int
    name: str = ""


class Comparison:
    """The models of one data set, and what they can be asked.

    Args:
        engine: opens and runs them. data: name of the data set. steps: for models with a control of this name.
        own: names of visitors' models that take part too.
    """

    def __init__(self, engine: Engine, data: str, steps: int = STEPS.default, own: Sequence[str] = ()) -> None:
        self.engine, self.data, self.steps, self.own = engine, data, STEPS.check(steps), tuple(own)
        if data not in data_sets(engine):
            raise PlaygroundError(
                f"There is no model of {str(data)[:40]!r}. Known data sets: {', '.join(data_sets(engine)) or 'none'}."
            )

    # ------------------------------------------------------------------ who takes part

    def contestants(self, *capabilities: type) -> list[ModelCard]:
        """Cards of all models with one of the capabilities (`Sampler` if none is named), by their ideas' years."""
        wanted = capabilities or (Sampler,)
        cards = [
            card
            for card in self.engine.cards(data=self.data, also=self.own)
            if any(offers(self.engine, card, capability) for capability in wanted)
        ]
        return sorted(cards, key=lambda card: (card.year, card.name))

    def champions(self) -> list[str]:
        """The model of each family that is nearest to real pictures, by the scores on the cards.

        A student jumps where its family walks, so its teacher stands for the family.
        """
        best: dict[str, ModelCard] = {}
        for card in self.contestants():
            if card.name in self.own or "distillation" in card.scores:
                continue
            if card.family not in best or stored_distance(card) < stored_distance(best[card.family]):
                best[card.family] = card
        return [card.name for card in best.values()]

    def judge(self) -> nn.Module:
        """The data set's classifier; without one, nobody can say what a picture shows."""
        name = f"classifier-{self.data}"
        found = [card.name for card in self.engine.cards(data=self.data) if offers(self.engine, card, Classifier)]
        if not found:
            raise PlaygroundError(
                f"There is no classifier of {self.data}. Train one: python -m playground train {name}."
            )
        return self.engine.model(name if name in found else found[0])  # a reader has taught some, and does not judge

    def heads(self) -> dict[str, tuple[str, ...]]:
        """What the classifier can tell apart: attribute → its values."""
        return dict(self.judge().heads)

    def index(self) -> metrics.Index:
        """The index of training pictures beside the classifier."""
        card = self.judge().card
        path = card.folder / INDEX
        if not path.is_file():
            raise PlaygroundError(
                f"The index of training pictures is not here yet. Make it: python -m playground evaluate {card.name}."
            )
        return open_index(path, path.stat().st_mtime_ns, self.data)

    # ------------------------------------------------------------------ questions

    def samples(
        self,
        name: str,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Sequence[int] | int | None = None,
        watch: bool = True,
        **wishes: str,
    ) -> Iterator[Answer]:
        """Pictures of the seeds; models that work step by step show what they have so far.

        Args:
            wishes: attribute → value, for a model that can be asked for attributes.
        """
        shape, settings = self.engine.card(name).shape, {**self.settings(name, watch), **wishes}
        run = self.engine.stream(name, list(seeds), latents=latents, labels=labels, **settings)
        for (frame, images), seconds in timed((frame, frame.images.float().cpu()) for frame in run):
            calls = frame.info.get("calls")
            yield Answer(
                name,
                images if tuple(images.shape[1:]) == tuple(shape) else None,
                step=frame.step,
                total=frame.total,
                milliseconds=1000 * seconds / len(images),
                calls=None if calls is None else int(calls),
            )

    def settings(self, name: str, watch: bool = True) -> dict[str, Any]:
        """Values for those of the model's controls that a comparison sets; the others stay at their defaults."""
        known = fields_by_name(self.engine.model(name).controls)
        chosen: dict[str, Any] = {}
        if "steps" in known:
            chosen["steps"] = int(min(max(self.steps, known["steps"].low), known["steps"].high))
        return chosen | ({"watch": watch} if "watch" in known else {})

    def of_class(self, name: str, head: str, value: str, seed: int, count: int, tries: int) -> Iterator[Answer]:
        """`count` pictures that show `value`: asked for directly, or found among at most `tries` draws."""
        values = self.heads().get(head, ())
        if value not in values:
            given = f"{str(head)[:40]} = {str(value)[:40]}"
            raise PlaygroundError(f"{given} is unknown. Choose one of: {', '.join(values or self.heads())}.")
        labels = self.engine.card(name).labels
        if set(values) <= set(labels):
            yield from self._asked(name, head, value, following(seed, count), labels=labels.index(value))
        elif offers(self.engine, self.engine.card(name), Askable):
            yield from self._asked(name, head, value, following(seed, count), **{head: value})
        else:
            yield from self._rejected(name, head, value, following(seed, tries), count)

    def _asked(self, name: str, head: str, value: str, seeds: list[int], **wish: Any) -> Iterator[Answer]:
        for answer in self.samples(name, seeds, **wish):
            if answer.done and answer.images is not None:
                right = int(self._shows(answer.images, head, value).sum())
                note = f"asked directly; the classifier agrees in {right} of {len(seeds)}"
                answer = replace(answer, note=note, facts={"kept": right, "drawn": len(seeds)})
            yield answer

    def _rejected(self, name: str, head: str, value: str, seeds: list[int], count: int) -> Iterator[Answer]:
        kept, drawn, spent = torch.empty(0, *self.engine.card(name).shape), 0, 0.0
        batches = [seeds[i : i + REJECTED] for i in range(0, len(seeds), REJECTED)]
        for turn, batch in enumerate(batches):
            for answer in self.samples(name, batch, watch=False):
                step, total = turn * answer.total + answer.step, len(batches) * answer.total
                if not answer.done:
                    yield replace(answer, images=kept if len(kept) else None, step=step, total=total)
            kept = torch.cat([kept, answer.images[self._shows(answer.images, head, value)]])[:count]
            drawn, spent = drawn + len(batch), spent + answer.milliseconds * len(batch)
            facts = {"kept": len(kept), "drawn": drawn}
            note = f"cannot be asked: kept {len(kept)} of {drawn} draws the classifier calls {spoken(head, value)}"
            enough = len(kept) >= count or turn + 1 == len(batches)
            yield Answer(name, kept if len(kept) else None, note=note, step=total if enough else step, total=total,
                         milliseconds=spent / max(1, len(kept)), calls=answer.calls, facts=facts)  # fmt: skip
            if enough:
                return

    def between(self, name: str, a: int, b: int, frames: int, sphere: bool = True) -> Iterator[Answer]:
        """The walk from one seed's noise to another's; later noise and the class are those of `a` all the way."""
        model, labels = self.engine.model(name), self.engine.card(name).labels
        ends = model.latents([a, b])
        way = (slerp if sphere else lerp)(ends[0], ends[1], torch.linspace(0, 1, frames))
        label = a % len(labels) if labels else None
        asked = f"asked for {labels[label]} all the way; " if labels else ""
        for answer in self.samples(name, [a] * frames, latents=way, labels=label):
            if answer.done and answer.images is not None:
                jump = largest_jump(answer.images)
                note = f"{asked}largest single change {jump:.0%} of the way"
                answer = replace(answer, note=note, facts={"jump": jump})
            yield answer

    def repair(self, name: str, picture: Tensor, mask: Tensor, seed: int) -> Iterator[Answer]:
        """The picture (1, C, H, W) with the part where mask (1, 1, H, W) is 0 made up anew."""
        model = self.engine.model(name)
        if not isinstance(model, Repairer):
            yield Answer(name, why="This model has no way to fill in a missing part: it only makes whole pictures.")
            return
        run = self.engine.steps(lambda: model.repair(picture, mask, [seed]))
        for (frame, images), seconds in timed((frame, frame.images.float().cpu()) for frame in run):
            answer = Answer(name, images, step=frame.step, total=frame.total, milliseconds=1000 * seconds)
            if answer.done:
                hidden = (1 - mask).expand_as(picture).bool()
                error = (images - picture)[hidden].square().mean().sqrt().item()
                answer = replace(answer, note=f"{error:.0%} away from what was hidden", facts={"error": error})
            yield answer

    def neighbours(self, name: str, seeds: Sequence[int]) -> Iterator[Answer]:
        """Samples, and beside each the training picture nearest to it in the classifier's eyes."""
        for answer in self.samples(name, seeds):
            if answer.done and answer.images is not None:
                answer = self._beside(answer)
            yield answer

    def _beside(self, answer: Answer) -> Answer:
        try:
            index = self.index()
        except PlaygroundError as missing:
            return replace(answer, note=str(missing))
        found, distance = index.nearest(self._features(answer.images))
        pictures = torch.stack([as_tensor(index.picture(int(i))) for i in found[:, 0]])
        apart = distance[:, 0].tolist()
        usual = usual_distance(index)
        note = f"on average {sum(apart) / len(apart) / usual:.2f} × as far as real pictures are from each other"
        return replace(answer, beside=pictures, note=note, facts={"distances": apart, "usual": usual})

    def nearest(self, picture: Tensor) -> tuple[Tensor, float]:
        """The training picture nearest to a (1, C, H, W) one, and how far it is."""
        index = self.index()
        found, distance = index.nearest(self._features(picture))
        return as_tensor(index.picture(int(found[0, 0])))[None], float(distance[0, 0])

    # ------------------------------------------------------------------ measuring

    def measure(self, name: str, count: int, seed: int, held_out: Tensor | None = None) -> Iterator[Answer]:
        """Scores of `count` samples, told whenever their number has doubled, by the names in `facts`.

        Always: pictures, milliseconds, parameters, and calls where the frames tell. With a conditional model: accuracy.
        With the index: fd, floor, fd_over_floor, precision, recall, diversity. With held-out pictures (M, C, H, W) and
        a model that has a likelihood: nats (black and white pixels) or bits (256 levels), see `likelihood`.
        """
        card, seeds = self.engine.card(name), following(seed, count)
        features, right, spent, facts, shown = [], 0, [], {"parameters": card.parameters}, None
        for start in range(0, count, BATCH):
            part = seeds[start : start + BATCH]
            for answer in self.samples(name, part, watch=False):
                if not answer.done:
                    yield replace(answer, images=shown, step=start, total=count, facts=facts)
            spent.append(answer.milliseconds)
            found, logits = self._look(answer.images)
            features.append(found)
            if card.labels:
                right += int((logits[0].argmax(1) == torch.tensor([s % len(card.labels) for s in part])).sum())
            done, shown = start + len(part), answer.images if shown is None else shown
            facts = facts | {"pictures": done, "milliseconds": median(spent[1:] or spent)}
            facts |= {"calls": answer.calls} if answer.calls is not None else {}
            facts |= {"accuracy": right / done} if card.labels else {}
            if done == count or (done >= LEAST and done & (done - 1) == 0):
                facts |= self._scores(torch.cat(features), seed)
            if done == count and held_out is not None:
                facts |= self.likelihood(name, held_out)
            yield replace(answer, images=shown, milliseconds=facts["milliseconds"], step=done, total=count, facts=facts)

    def likelihood(self, name: str, pictures: Tensor) -> dict[str, float]:
        """Mean −log p of (M, C, H, W) pictures: {"nats": …} a picture of black and white pixels (grey is a chance of
        white, drawn with a fixed seed), or {"bits": …} a dimension at 256 levels; nothing where a model has neither.
        """
        model = self.engine.model(name)
        kind = getattr(model, "pixels", "") if isinstance(model, Likelihood) else ""
        if kind == "bernoulli":
            stream = torch.Generator().manual_seed(0)
            pictures = (torch.rand(pictures.shape, generator=stream) < pictures).float()
        elif kind != "dequantised":
            return {}
        parts = pictures.to(self.engine.device).split(ASKED)
        found = [self.engine.call(lambda part=part: model.log_prob(part)).float().cpu() for part in parts]
        nats = -torch.cat(found).mean().item()
        if kind == "bernoulli":
            return {"nats": nats}
        return {"bits": metrics.bits_per_dimension(-nats, pictures[0].numel())}

    def _scores(self, cloud: Tensor, seed: int) -> dict[str, float]:
        """Scores against as many real pictures, drawn anew with the seed; nothing without an index."""
        try:
            real = self.index().embeddings.float()
        except PlaygroundError:
            return {}
        count = len(cloud)
        if count < LEAST or 2 * count > len(real):
            return {}
        middle = len(real) // 2
        halves, seeds = (real[:middle], real[middle:]), [seed + i for i in range(3)]
        floor = metrics.frechet_floor(*halves, count, seeds)
        clouds = [halves[1][i] for i in draws(len(halves[1]), count, seeds)]
        distance = sum(metrics.frechet_distance(cloud, other) for other in clouds) / len(clouds)
        four = metrics.prdc(clouds[0], cloud, NEIGHBOURS)
        spread = metrics.mean_pairwise_distance(cloud) / metrics.mean_pairwise_distance(clouds[0])
        return {"fd": distance, "floor": floor, "fd_over_floor": distance / floor, "precision": four.precision,
                "recall": four.recall, "diversity": spread}  # fmt: skip

    def probe(self, name: str, seeds: Sequence[int]) -> Answer:
        """A few pictures and how long one takes: what an estimate is made from. A fast model is asked twice."""
        answer = last(self.samples(name, seeds, watch=False))
        if answer.milliseconds < 20:  # the first call of a network also pays for setting it up
            answer = last(self.samples(name, seeds, watch=False))
        return answer

    # ------------------------------------------------------------------ what the classifier sees

    def read(self, images: Tensor, head: str = "") -> list[str]:
        """The value the classifier sees in each picture; of its first attribute unless one is named."""
        heads = self.heads()
        head = head or next(iter(heads))
        chosen = self._look(images)[1][list(heads).index(head)].argmax(1)
        return [heads[head][int(k)] for k in chosen]

    def _shows(self, images: Tensor, head: str, value: str) -> Tensor:
        return torch.tensor([seen == value for seen in self.read(images, head)], dtype=torch.bool)

    def _features(self, images: Tensor) -> Tensor:
        return self._look(images)[0]

    def _look(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Features and logits, in one turn, on the CPU."""
        judge = self.judge()
        features, logits = self.engine.call(lambda: (judge.features(images), judge.classify(images)))
        return features.float().cpu(), [head.float().cpu() for head in logits]


def abreast(runs: Mapping[str, Iterator[Answer]]) -> Iterator[Answer]:
    """Everybody's answers, one step each in turn. A model that fails says why; the others go on."""
    live = dict(runs)
    try:
        while live:
            for name in list(live):
                try:
                    answer = next(live[name], None)
                except PlaygroundError as error:
                    answer = Answer(name, why=str(error))
                if answer is None or answer.done:
                    live.pop(name).close()
                if answer is not None:
                    yield answer
    finally:
        for run in live.values():
            run.close()


def stored_distance(card: ModelCard) -> float:
    """FD over its floor as measured for the card; infinite where it was not."""
    return (card.scores.get("pictures") or {}).get("fd_over_floor", math.inf)


def data_sets(engine: Engine) -> list[str]:
    """Data sets of which at least one model makes pictures (not points); "mnist", the simplest, first."""
    names = {card.data for card in engine.cards() if min(card.shape[1:]) > 1 and offers(engine, card, Sampler)}
    return sorted(names, key=lambda name: (name != "mnist", name))


def offers(engine: Engine, card: ModelCard, capability: type) -> bool:
    """Whether a model has a capability; read from the class its folder will be opened as, so that no weights are.

    (Opening them would keep a page waiting for networks that it may not show.) A family of several networks tells the
    class by `kind(folder)`, one of a single network by what its `load` returns; else the network itself is asked.
    """
    if card.family not in registry.families():
        return False
    family = importlib.import_module(f"playground.models.{card.family}")
    told = get_type_hints(family.load).get("return", nn.Module)
    made = family.kind(card.folder) if hasattr(family, "kind") else told
    if made is nn.Module:
        return isinstance(engine.model(card.name), capability)
    methods = [name for name, part in vars(capability).items() if callable(part) and not name.startswith("_")]
    return all(hasattr(made, name) for name in methods)


def question(names: Sequence[str], seed: int, number: int, reals: int) -> Question:
    """Riddle `number` of a quiz with this seed: half of them real pictures, the others of a random model."""
    dice = random.Random(f"{seed}/{number}")  # a string, so that (1, 23) and (12, 3) differ
    if not names or dice.random() < 0.5:
        return Question(True, dice.randrange(reals))
    return Question(False, dice.randrange(MAX_SEED), dice.choice(list(names)))


def following(seed: int, count: int) -> list[int]:
    """`count` seeds from `seed` on, around the end of their range if need be."""
    return [(seed + i) % (MAX_SEED + 1) for i in range(count)]


def timed(run: Iterator[T]) -> Iterator[tuple[T, float]]:
    """Items of a run, each with the seconds spent inside the run so far: what lies between the items does not count."""
    spent = 0.0
    try:
        while True:
            began = time.perf_counter()
            try:
                item = next(run)
            except StopIteration:
                return
            spent += time.perf_counter() - began
            yield item, spent
    finally:
        run.close()


def last(run: Iterator[T]) -> T:
    """The last item of a run."""
    for item in run:
        found = item
    return found


def largest_jump(walk: Tensor) -> float:
    """Of a walk (T, C, H, W), T ≥ 2: the largest change between neighbours as a share of all changes."""
    changes = (walk[1:] - walk[:-1]).flatten(1).norm(dim=1)
    total = changes.sum().item()
    return changes.max().item() / total if total > 0 else 0.0


def spoken(head: str, value: str) -> str:
    """"a 3" for a digit, "glasses: round" for an attribute."""
    return f"a {value}" if head == "digit" else f"“{head.replace('_', ' ')}: {value}”"


def as_tensor(pixels: Any) -> Tensor:
    """uint8 (H, W, C) → float32 (C, H, W) in [0, 1]."""
    return torch.as_tensor(pixels).permute(2, 0, 1).float() / 255


@lru_cache(maxsize=4)  # constants, told apart by the time of the file
def open_index(path: Path, stamp: int, data: str) -> metrics.Index:
    """The index in a file, able to draw its pictures where only their seeds are kept."""
    return metrics.Index.load(path.parent, drawer(data))


def drawer(data: str) -> Any:
    """What draws a picture of this data set from its seed; None where pictures are kept themselves."""
    if data != "faces":
        return None
    from playground.data import faces

    return lambda seed: faces.draw(faces.sample(seed))


def usual_distance(index: metrics.Index, count: int = 300) -> float:
    """How far a training picture is from its nearest fellow: the median of `count` of them."""
    chosen = draws(len(index), min(count, len(index)), [0])[0]
    distance = index.nearest(index.embeddings[chosen].float(), 2)[1][:, 1]
    return max(float(distance.median()), math.ulp(1.0))
