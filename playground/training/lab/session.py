"""One learner on one target, with a clock that can be stopped, slowed and turned back.

The clock counts updates. Points and noise of update k are drawn from generators made of (seed, k, part) alone, so

* learners with the same seed see the same points at the same time, whatever else each of them draws;
* an update done in slow motion, part by part, gives the same bits as one done at once;
* a run gone back and run again gives the same bits, and two sessions can be stepped in any order.

A session belongs to whoever made it; nothing of it is kept in a module.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from playground.api import Field, PlaygroundError, check_seeds, fields_by_name
from playground.data.densities import EXTENT
from playground.training.lab.history import Change, History, Keeping, Moment
from playground.training.lab.learner import Field2D
from playground.training.lab.learners import learner as make_learner
from playground.training.lab.measures import Ruler
from playground.training.lab.targets import Target
from playground.training.lab.targets import target as make_target

SIDE = 48  # of the field's grid
ARROWS = 64  # 8 × 8 where they are drawn on a grid
SMOOTHED = 0.2  # width of the kernel that makes a field of samples, plane units
HUGE_LOSS = 1e7
HUGE_WEIGHT = 1e5
HUGE_KL = 1e3  # nats; an untrained learner is two or three away
FAR = 1e3  # plane units
UPDATES = Field("updates", "int", 10, 1, 10_000, label="Updates per moment")
BATCH = Field("batch", "int", 256, 2, 2048, label="Points per update")
SAMPLES = Field("samples", "int", 512, ARROWS, 4096, label="Samples")

Result = TypeVar("Result")


class Diverged(PlaygroundError):
    """Learning blew up and the session went back to the last good moment.

    Attributes:
        update: where the numbers went wrong. back_to: the moment the session stands at now.
    """

    def __init__(self, what: str, update: int, back_to: int, lr: float) -> None:
        super().__init__(
            f"At update {update} {what}. A learning rate of {lr:g} may be too high. The laboratory went back to the "
            f"last good moment, update {back_to}. Lower the learning rate (1e-3 is usual) and go on, or rewind further."
        )
        self.update, self.back_to = update, back_to


def stream(seed: int, *what: Any) -> torch.Generator:
    """A generator that depends on the seed and on what it is for, and on nothing else."""
    digest = hashlib.blake2b("/".join(map(str, (seed, *what))).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


class Session:
    """A learner, a target and a clock.

    Args:
        learner: a name in `LEARNERS`. target: a name of a density, or a `Target` (see `sprayed`).
        settings: of the learner, defaults where missing. seed: of weights, points and noise.
        batch: points of one update. samples: how many a moment shows and measures.

    Attributes:
        clock: finished updates; stage: parts done of the update under way, 0 between updates.
        losses: of the last update. history: moments, kept weights and journal.
        trouble: why the session stands still, empty while it may go on; a changed setting or a rewind clears it.
        arrows_on: "samples" or "grid"; may be changed at any time.
    """

    def __init__(
        self,
        learner: str,
        target: str | Target = "eight gaussians",
        settings: Mapping[str, Any] | None = None,
        seed: int = 0,
        *,
        batch: int = BATCH.default,
        samples: int = SAMPLES.default,
    ) -> None:
        self.seed = check_seeds([seed])[0]
        self.target = make_target(target) if isinstance(target, str) else target
        self.batch, count = BATCH.check(batch), SAMPLES.check(samples)
        self.learner = make_learner(learner, settings, self.seed)
        self.ruler = Ruler(self.target, count, stream(self.seed, "ruler"))
        self.arrows_on = self.learner.arrows_on
        self.clock, self.stage, self.trouble = 0, 0, ""
        self.losses: dict[str, float] = {}
        self.history = History()
        self._record()

    # ---------------------------------------------------------------------------------------------- going forward

    def advance(self, updates: int = UPDATES.default, only: str | None = None) -> Moment:
        """Learns for some updates and records the moment reached. An update begun in slow motion is finished first.

        Args:
            updates: 1 to 10,000. only: a part ("generator"); the others stand still while the clock goes on.

        Raises:
            Diverged: the numbers went wrong; the session has gone back to the last good moment.
            PlaygroundError: no such part, or not a number of updates.
        """
        updates = self._checked(updates, only)

        def learn() -> Moment:
            self._train(updates, only)
            return self._record()

        return self._guarded(learn)

    def train(self, updates: int = UPDATES.default, only: str | None = None) -> None:
        """As `advance`, but shows, measures and records nothing: for getting ahead fast."""
        updates = self._checked(updates, only)
        self._guarded(lambda: self._train(updates, only))

    def substep(self) -> Moment:
        """Slow motion: does the next part of the update and shows it, with what it is in words.

        The moment is recorded once the update is whole; until then its `update` is that of the last whole one.
        """

        def learn() -> Moment:
            part = self._part(watched=True)
            return self._record(part) if self.stage == 0 else self.look(part)

        return self._guarded(learn)

    def next_part(self) -> str:
        """The part that `substep` would do next."""
        return self.learner.parts[self.stage]

    # ---------------------------------------------------------------------------------------------- turning knobs

    @property
    def settings(self) -> dict[str, Any]:
        """The learner's settings as they stand."""
        return dict(self.learner.values)

    def set(self, name: str, value: Any) -> bool:
        """Changes a setting, at once and on the record; True if it made new networks (the clock goes on).

        Between updates the moment is recorded anew, so `moments[-1]` shows what the change has done.

        Raises:
            PlaygroundError: no such setting, or a value that is not allowed.
        """
        return self.change({name: value})

    def change(self, settings: Mapping[str, Any]) -> bool:
        """As `set` for several settings, such as a cure; all are checked before any is changed."""
        known = fields_by_name(self.learner.settings)
        for name, value in settings.items():
            if name not in known:
                raise PlaygroundError(f"{self.learner.title} has no setting {name!r}. Known: {', '.join(known)}.")
            known[name].check(value)
        new = False
        for name, value in settings.items():
            new |= self.learner.set(name, value)
            self.history.changes.append(Change(self.clock, self.stage, name, self.learner.values[name]))
        self.trouble = ""
        if self.stage == 0:
            self._guarded(self._record)
        return new

    # ------------------------------------------------------------------------------------------------ looking back

    @property
    def moments(self) -> list[Moment]:
        """What was recorded, oldest first; at most 400, evenly thinned."""
        return self.history.moments

    def rewind(self, to: Moment | int) -> Moment:
        """Goes back to a moment or an update: weights, optimisers and settings, bit for bit; what came later goes.

        Instant where the weights were kept, else the updates since the last kept ones are done again.

        Raises:
            PlaygroundError: the clock has not been there.
        """
        update = to.update if isinstance(to, Moment) else to
        if isinstance(update, bool) or not isinstance(update, int) or not 0 <= update <= self.clock:
            raise PlaygroundError(
                f"Rewinding to {str(update)[:60]!r} is not possible. The clock has been at 0 to {self.clock}; choose "
                "one of these."
            )
        self._restore(self.history.before(update))
        while self.clock < update:
            self._changes()
            self._part()
        self._changes()
        self.history.cut(update, self._done)
        self.trouble = ""
        return self._record()

    def curves(self) -> dict[str, list[float | None]]:
        """Losses, distances and force of the recorded moments by name, beside "update"; None where one was missing."""
        rows = [{**m.losses, **m.distances, "force": m.force} for m in self.moments]
        names = dict.fromkeys(name for row in rows for name in row)
        columns: dict[str, list[float | None]] = {"update": [m.update for m in self.moments]}
        return columns | {name: [row.get(name) for row in rows] for name in names}

    # -------------------------------------------------------------------------------------------------- being seen

    def look(self, part: str = "") -> Moment:
        """What there is to see now; learns nothing and records nothing.

        Raises:
            Diverged: there are no finite numbers to be shown.
        """
        learner, grid = self.learner, self.grid()
        samples = learner.sample(self._noise(learner.noise_size))
        self._check_samples(samples)
        field = learner.field(grid) or _smoothed(samples, grid)
        from_ = samples[:ARROWS] if self.arrows_on == "samples" else _lattice(int(math.sqrt(ARROWS)))
        arrows = learner.arrows(from_)
        if not bool(torch.isfinite(arrows).all()):
            raise self._diverged("the force on a sample was no number")
        return Moment(
            update=self.clock,
            part=part,
            says=learner.says.get(part, ""),
            losses=dict(self.losses),
            samples=samples,
            field=field,
            side=SIDE,
            arrows_from=from_,
            arrows=arrows,
            force=arrows.norm(dim=1).median().item(),
            distances=self.ruler.measure(samples, learner.log_density(self.ruler.reference)),
            clouds=dict(learner.scene),
            settings=self.settings,
        )

    def points(self) -> Tensor:
        """(batch, 2) points that the update under way, or the next one, learns from."""
        return self.target.draw(self.batch, stream(self.seed, self.clock, "points"))

    def grid(self) -> Tensor:
        """(48², 2) places of a moment's field, middles of cells over the plane: x outside, y inside."""
        return _lattice(SIDE)

    def exact(self) -> dict[str, float]:
        """What the distances would be for perfect samples; `floor` is the distance that counts as 1 `times_floor`."""
        best = {"floor": self.ruler.floor, "times_floor": 1.0, "mmd": 0.0, "kl": 0.0}
        if self.ruler.heaps is not None:
            best |= {"modes": float(self.ruler.heaps), "near": float(self.ruler.near)}
        return best

    # ------------------------------------------------------------------------------------------------------ inside

    def _checked(self, updates: int, only: str | None) -> int:
        if only is not None and only not in self.learner.parts:
            raise PlaygroundError(f"{self.learner.title} has no part {only!r}. Known: {', '.join(self.learner.parts)}.")
        return UPDATES.check(updates)

    def _train(self, updates: int, only: str | None) -> None:
        while self.stage:  # what slow motion began
            self._part()
        for _ in range(updates):
            if only is not None:
                self.history.only[self.clock] = only
            self._part()
            while self.stage:
                self._part()

    def _part(self, watched: bool = False) -> str:
        """Does the next part of the update, unless another one alone is wanted, and moves the clock after the last."""
        learner, part = self.learner, self.learner.parts[self.stage]
        if self.stage == 0:
            learner.forget()
            self._points = self.points()
        if self.history.only.get(self.clock, part) == part and (watched or part not in learner.shows):
            self.losses |= learner.step(self._points, stream(self.seed, self.clock, part), part)
            self._check_losses()
        self.stage = (self.stage + 1) % len(learner.parts)
        self.clock += self.stage == 0
        return part

    def _changes(self) -> None:
        """Applies the journal's entries that belong here."""
        changes = self.history.changes
        while self._done < len(changes) and (changes[self._done].update, changes[self._done].stage) == (
            self.clock,
            self.stage,
        ):
            self.learner.set(changes[self._done].name, changes[self._done].value)
            self._done += 1

    def _record(self, part: str = "") -> Moment:
        weight = self.learner.largest_weight()
        if not weight < HUGE_WEIGHT:
            raise self._diverged(f"a weight was {weight:.3g}")
        moment = self.look(part)
        if not moment.distances.get("kl", 0.0) < HUGE_KL:  # finite, yet nothing to come back to
            raise self._diverged(f"the density was {moment.distances['kl']:.3g} nats off")
        keeping = Keeping(self.clock, len(self.history.changes), dict(self.losses), self.learner.state())
        self.history.record(moment, keeping)
        return moment

    def _restore(self, keeping: Keeping) -> None:
        self.learner.restore(keeping.state)
        self.clock, self.stage, self._done = keeping.update, 0, keeping.changes
        self.losses = dict(keeping.losses)

    def _guarded(self, task: Callable[[], Result]) -> Result:
        """If the numbers go wrong: back to the newest kept weights, and the reason on the door."""
        try:
            return task()
        except Diverged as error:
            self._restore(self.history.keepings[-1])
            self.history.cut(self.clock, self._done)
            self.trouble = str(error)
            raise

    def _noise(self, size: int) -> Tensor:
        return self.learner.noise(len(self.ruler.reference), stream(self.seed, "samples"))

    def _check_losses(self) -> None:
        for name, value in self.losses.items():
            if not abs(value) < HUGE_LOSS:  # NaN is not
                raise self._diverged(f"the loss {name!r} was {value:.3g}")

    def _check_samples(self, samples: Tensor) -> None:
        farthest = samples.abs().max().item()
        if not farthest < FAR:
            raise self._diverged(f"a sample lay at {farthest:.3g}")

    def _diverged(self, what: str) -> Diverged:
        back_to = self.history.keepings[-1].update if self.history.keepings else 0
        return Diverged(what, self.clock, back_to, max(v for k, v in self.settings.items() if k.startswith("lr")))


@dataclass(frozen=True)
class Turn:
    """One learner's turn in a `run`.

    Attributes:
        index: of the session. moment: what it reached; None if it came to grief. trouble: why, empty otherwise.
    """

    index: int
    moment: Moment | None
    trouble: str = ""


def run(sessions: Sequence[Session], updates_per_moment: int | Callable[[], int] = UPDATES.default) -> Iterator[Turn]:
    """Steps several learners on the same points and clock, one turn each: the one furthest behind is next.

    Whoever iterates sets the pace and may change settings or rewind in between. A session in trouble is left out until
    it is mended; the run ends when none is left.

    Args:
        updates_per_moment: updates per turn, or a function that is asked before each turn (a live speed).

    Raises:
        PlaygroundError: no sessions, or they would not see the same points.
    """
    if not sessions:
        raise PlaygroundError("There is no learner to run. Choose at least one.")
    if len({(s.seed, s.target.name, s.batch) for s in sessions}) > 1:
        raise PlaygroundError(
            "Learners side by side must see the same points: give all of them the same seed, target and batch."
        )
    while ready := [s for s in sessions if not s.trouble]:
        session = min(ready, key=lambda s: s.clock)
        ahead = min((s.clock for s in ready if s.clock > session.clock), default=math.inf)
        updates = updates_per_moment() if callable(updates_per_moment) else updates_per_moment
        index = next(i for i, s in enumerate(sessions) if s is session)
        try:
            yield Turn(index, session.advance(min(UPDATES.check(updates), ahead - session.clock)))
        except Diverged as error:
            yield Turn(index, None, str(error))


def _lattice(side: int) -> Tensor:
    line = (torch.arange(side) + 0.5) * (2 * EXTENT / side) - EXTENT
    return torch.cartesian_prod(line, line)


def _smoothed(samples: Tensor, grid: Tensor) -> Field2D:
    """log of the samples, each blurred to a small Gaussian: for families that have no density at hand."""
    each = torch.cdist(grid, samples).square() / (-2 * SMOOTHED**2)
    log = torch.logsumexp(each, 1) - math.log(2 * math.pi * SMOOTHED**2 * len(samples))
    return Field2D(log, "smoothed samples")
