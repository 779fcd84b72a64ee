"""One training: a learner, its data, its random stream and its clock, and the folder its state is kept in.

A run takes one step at a time; whoever holds it decides when to step, when to save and when to stop. Everything later
steps depend on is in the state (networks, optimisers, random stream, clock), so a run that was saved, killed and
resumed goes on bit for bit as if nothing had happened.

A run that learns nonsense stops by itself: a loss that is no longer a number raises `Diverged`, and such a state is
never written over a good one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from playground import data as datasets
from playground.api import PlaygroundError, check_seeds
from playground.engine import pick_device
from playground.training.curve import Curve
from playground.training.export import export, hardware
from playground.training.parallel import LEVEL, Team, check_share
from playground.training.precision import PRECISIONS, computing
from playground.training.recipe import Augment, Batch, Learner, Recipe
from playground.training.state import Folder

EPOCH_SEEDS = 100_003  # epochs of one seed are this far from those of the next


class Diverged(PlaygroundError):
    """A loss or a weight is no longer a number.

    Attributes:
        seen: pictures seen when it was noticed; saved: pictures seen by the state on disk, or None if there is none.
    """

    def __init__(self, message: str, seen: int, saved: int | None) -> None:
        super().__init__(message)
        self.seen, self.saved = seen, saved


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        images: pictures seen; done: fraction of the run in [0, 1]; seconds: of training so far, all sessions.
        left_seconds: estimate; losses: of the last step.
    """

    images: int
    done: float
    seconds: float
    left_seconds: float
    losses: dict[str, float]


class Run:
    """The state of one training.

    Args:
        recipe: what is trained. state: folder of its state; nobody else may train there until `close`.
        dataset: pictures to learn from instead of the recipe's own.
        device: "auto", "cpu", "cuda" or "mps". seed: of the first weights and of everything drawn later.
        minutes: budget of training time instead of a number of pictures; images: another length than the recipe's.
        augment: (x (N, C, H, W) in [0, 1], y, the run's stream) → changed x and y, on the CPU, instead of the
            recipe's own; it must depend on these three alone, or a resumed run would differ.
        precision: one of `precision.PRECISIONS`. team: the processes that train together, if there are several.

    Attributes:
        learner, dataset, noise: networks and optimisers, the pictures, the run's random stream (on the CPU).
        seen: pictures so far; seconds: of training so far; total: pictures of the whole run.
        saved: pictures seen by the state on disk, None if there is none yet.
        curve: the losses so far, thinned.

    Raises:
        PlaygroundError: a length that is not above 0, a seed out of range, an unknown precision, no pictures, a batch
            that the processes cannot share evenly, or a folder that is in use or cannot be written.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        state: Path,
        dataset: datasets.Dataset | None = None,
        device: str = "auto",
        seed: int = 0,
        minutes: float | None = None,
        images: int | None = None,
        augment: Augment | None = None,
        precision: str = "auto",
        team: Team | None = None,
    ) -> None:
        check_length(minutes, images)
        check_seeds([seed])
        if precision not in PRECISIONS:
            raise PlaygroundError(f"The precision was {precision!r}. Choose one of {', '.join(PRECISIONS)}.")
        self.team = team or Team()
        check_share(recipe.batch, self.team.size)
        self.recipe, self.seed, self.minutes, self.augment = recipe, seed, minutes, augment or recipe.augment
        self.precision = precision
        self.device = self.team.device or pick_device(device)
        self.dataset = datasets.load(recipe.learns_from or recipe.data) if dataset is None else dataset
        if not len(self.dataset):
            raise PlaygroundError(f"There are no pictures for {recipe.name} to learn from. Give it one at least.")
        with _drawing(seed, self.device):  # first weights; everything later comes from the run's own stream
            self.learner: Learner = recipe.learner(self.device)
        self.noise = torch.Generator().manual_seed(seed)
        self.seen, self.seconds, self.total = 0, 0.0, images or recipe.images
        self.saved: int | None = None
        self.curve = Curve()
        self._began = (0, 0.0)  # pictures and seconds when this session began
        self._epoch: tuple[int, Tensor] = (-1, torch.empty(0))  # number of an epoch and its order
        self._broken = ""  # why the learner's weights are of no use any more
        self.folder = Folder(state, lock=self.team.main)  # after all else that may fail: it is held until `close`
        self.team.link(self.learner)

    @property
    def done(self) -> float:
        """Fraction of the run behind it, in [0, 1]."""
        return min(1.0, self.seconds / (self.minutes * 60) if self.minutes else self.seen / self.total)

    @property
    def updates(self) -> int:
        """Steps taken so far."""
        return self.seen // self.recipe.batch

    @property
    def left_seconds(self) -> float:
        """Estimate of the training time that is left."""
        if self.minutes:
            return max(0.0, self.minutes * 60 - self.seconds)
        seen, seconds = self.seen - self._began[0], self.seconds - self._began[1]
        return max(0.0, (self.total - self.seen) * seconds / seen) if seen else 0.0

    def step(self) -> Progress:
        """One update.

        Raises:
            Diverged: a loss is not finite. The run cannot go on; the state on disk is still good.
        """
        if self._broken:
            raise self._diverged(self._broken)
        started, done = time.perf_counter(), self.done
        _set_rates(self.learner, self.recipe.rate(done))
        # A layer that draws from torch's own stream (dropout) draws what belongs to this step, resumed or not.
        drawing = _drawing(self.seed * EPOCH_SEEDS + self.seen, self.device)
        with drawing, computing(self.precision, self.device), torch.enable_grad():
            losses = self.team.mean(self.learner.step(self._batch(done)))
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            self._broken = f"the loss {bad[0]!r} is not a finite number"
            raise self._diverged(self._broken)
        self.seen += self.recipe.batch
        if self.updates % LEVEL == 1:
            self.team.level(self.learner)
        self.curve.add(self.seen, losses)
        self.seconds += time.perf_counter() - started
        if self.minutes:  # all processes must stop at the same step
            self.seconds = self.team.agreed(self.seconds)
        return Progress(self.seen, self.done, self.seconds, self.left_seconds, losses)

    def save(self) -> None:
        """Writes the state; the one that was there is kept as the previous one.

        Raises:
            Diverged: a weight is not finite; nothing is written.
            PlaygroundError: it cannot be written (the disk is full); what was there is still there.
        """
        if not self._broken and not _finite(self.learner):
            self._broken = "a weight is not a finite number"
        if self._broken:
            raise self._diverged(self._broken)
        if not self.team.main:
            self.saved = self.seen
            return
        try:
            self.folder.write(self._state())
        except OSError as error:
            kept = f"The state after {self.saved:,} pictures is still there. " if self.saved is not None else ""
            raise PlaygroundError(
                f"The state of {self.recipe.name} after {self.seen:,} pictures could not be written to "
                f"{self.folder.path} ({error.strerror or error}). {kept}Make room, and start the training again: it "
                "goes on from the last state."
            ) from error
        self.saved = self.seen

    def start_anew(self) -> None:
        """Moves an old state aside, so that there is nothing to resume."""
        if self.team.main:
            self.folder.set_aside()
        self.team.agreed(0.0)  # the others look for a state only afterwards

    def resume(self, previous: bool = False) -> bool:
        """Goes on from the state on disk; False if there is none.

        Args:
            previous: from the one before it.

        Raises:
            PlaygroundError: the file is damaged, or belongs to another recipe or seed.
        """
        state = self.folder.read(previous)
        if state is None:
            return False
        self._check(state, previous)
        try:
            for name, module in self.learner.modules.items():
                module.load_state_dict(state["modules"][name])
            for name, optimizer in self.learner.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            self.noise.set_state(state["noise"])
            self.seen, self.seconds = int(state["seen"]), float(state["seconds"])
            self.curve = Curve(state.get("curve"))
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise self.folder.useless(self.folder.chosen(previous), error) from error
        if self.team.agreed(self.seen) != self.seen:
            raise PlaygroundError(
                f"The processes do not see the same training state in {self.folder.path}. Use a folder they all share."
            )
        self._began, self.saved, self._broken = (self.seen, self.seconds), self.seen, ""
        return True

    def export(self, folder: Path) -> None:
        """Writes the checkpoint folder: weights, the picture of the losses, and the card.

        Raises:
            PlaygroundError: it cannot be written, or a weight file is too large.
        """
        if not self.team.main:
            return
        more: dict[str, Any] = {"seed": self.seed, "precision": self.precision}
        if self.team.size > 1:
            more["hardware"] = f"{self.team.size} × {hardware(self.device)}"
        minutes, losses = self.seconds / 60, self.curve.points()
        export(self.recipe, self.learner, self.dataset, folder, minutes, self.device, losses=losses, **more)

    def close(self) -> None:
        """Lets go of the state folder. Nothing is saved."""
        self.folder.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _batch(self, done: float) -> Batch:
        """The next pictures of an endless sequence of shuffled epochs: a function of (seed, seen) alone."""
        index, team = self._index(), self.team
        x, y = self.dataset.pictures(index), self.dataset.labels[index]
        if self.augment:  # before the batch is shared, so that all processes draw the same
            x, y = self.augment(x, y, self.noise)
        mine = slice(team.rank * len(x) // team.size, (team.rank + 1) * len(x) // team.size)
        x, y = x[mine].to(self.device), y[mine].to(self.device)
        return Batch(x, y, self.noise, self.seen, done, team.rank, team.size)

    def _index(self) -> Tensor:
        n = len(self.dataset)
        positions = torch.arange(self.seen, self.seen + self.recipe.batch)
        index = torch.empty_like(positions)
        for epoch in range(self.seen // n, int(positions[-1]) // n + 1):
            here = positions // n == epoch
            index[here] = self._order(epoch)[positions[here] % n]
        return index

    def _order(self, epoch: int) -> Tensor:
        if self._epoch[0] != epoch:
            stream = torch.Generator().manual_seed(self.seed * EPOCH_SEEDS + epoch)
            self._epoch = (epoch, torch.randperm(len(self.dataset), generator=stream))
        return self._epoch[1]

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.name,
            "seed": self.seed,
            "modules": {k: m.state_dict() for k, m in self.learner.modules.items()},
            "optimizers": {k: o.state_dict() for k, o in self.learner.optimizers.items()},
            "noise": self.noise.get_state(),
            "seen": self.seen,
            "seconds": self.seconds,
            "curve": self.curve.state(),
        }

    def _check(self, state: Any, previous: bool) -> None:
        if not isinstance(state, dict):
            raise self.folder.useless(self.folder.chosen(previous), "it holds something else")
        for key, mine in (("recipe", self.recipe.name), ("seed", self.seed)):
            if state.get(key, mine) != mine:  # states of earlier versions say neither
                raise PlaygroundError(
                    f"The training state in {self.folder.path} is of {key} {state[key]}, not {mine}. Go on with {key} "
                    f"{state[key]}, choose another folder for the state, or start anew."
                )

    def _diverged(self, why: str) -> Diverged:
        kept = f"The state after {self.saved:,} pictures is kept in {self.folder.path}. " if self.saved else ""
        return Diverged(
            f"{self.recipe.name} stopped after {self.seen:,} pictures: {why}. {kept}"
            "Try again with a lower learning rate or another seed.",
            self.seen,
            self.saved,
        )


def check_length(minutes: float | None, images: int | None) -> None:
    """Raises a `PlaygroundError` unless each that is given is a number above 0."""
    if minutes is not None and not 0 < minutes < math.inf:
        raise PlaygroundError(f"The minutes were {minutes}. They must be above 0; leave them out for the full run.")
    if images is not None and images < 1:
        raise PlaygroundError(f"The number of pictures was {images}. It must be at least 1.")


@contextmanager
def _drawing(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's own random streams start from the seed; afterwards they are as the caller left them."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _set_rates(learner: Learner, factor: float) -> None:
    for optimizer in learner.optimizers.values():
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor


def _finite(learner: Learner) -> bool:
    """Whether every weight that is learned, and every moment its optimiser keeps, is a number."""
    weights = [p for o in learner.optimizers.values() for group in o.param_groups for p in group["params"]]
    moments = [v for o in learner.optimizers.values() for of in o.state.values() for v in of.values()]
    tensors = [t for t in (*weights, *moments) if isinstance(t, Tensor) and t.is_floating_point()]
    return all(bool(torch.isfinite(t.detach()).all()) for t in tensors)
