"""One training of a visitor: its folder, its thread, and what it says of itself.

    plan.json      the plan, and the learning rates it was gone on with
    job.json       how it stands
    state/         what it goes on from, see `playground.training.state`
    film/ record.json      what it shows, see `record`
    result/        the checkpoint folder, written when it stops

A step takes one turn on the device, like anybody's slider, so a page stays live while networks learn. The state is
written every few seconds and at the end: a killed server loses those seconds and nothing else, and what is learned
after a resume is bit for bit what would have been learned without the kill.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from playground import registry
from playground.api import PlaygroundError
from playground.data.mnist import DataError
from playground.engine import Engine
from playground.training.export import export
from playground.training.run import Diverged, Run
from playground.training.state import PREVIOUS, STATE
from playground.training.studio.data import Course, Store, augmented
from playground.training.studio.nets import recipe_of
from playground.training.studio.plan import NAMES, Plan
from playground.training.studio.record import Record, write
from playground.training.studio.watch import Watcher

log = logging.getLogger("playground")
SAVE_EVERY = 5.0  # seconds between two states
SLICE = 0.03  # seconds of steps in one turn: longer than a step of small networks, shorter than a hand notices
HUGE = 1e7  # a loss beyond this is one that has run away, though it is still a number
OVER = ("done", "stopped", "failed", "diverged", "interrupted")
ENDED = "The training is over."


class Lesson(Run):
    """A run whose pictures may come class after class."""

    course: Course | None = None

    def _index(self) -> Any:
        return self.course.index(self.recipe.batch, self.seen, self.done) if self.course else super()._index()


class Job:
    """A training in its folder.

    Args:
        engine: takes the turns. store: has the pictures. folder: of this job, with a plan in it.

    Attributes:
        id: the folder's name, which nobody can guess. plan: what is trained.
        status: "waiting", "running", or one of `OVER`. message: one plain sentence on it.
        update: updates so far; seconds: of training; left: estimate, in seconds.
        model: name of the model in the pickers, "" until there is one.
    """

    def __init__(self, engine: Engine, store: Store, folder: Path) -> None:
        self.engine, self.store, self.folder, self.id = engine, store, folder, folder.name
        kept = _read(folder / "plan.json")
        self.plan = Plan.of(kept["plan"])
        self.rates: list[tuple[int, float]] = [(int(u), float(r)) for u, r in kept.get("rates", [])]
        now = _read(folder / "job.json")
        self.owner: str = now["owner"]
        self.status, self.message = now["status"], now["message"]
        self.update, self.seconds, self.model = int(now["update"]), float(now["seconds"]), now["model"]
        self.left = 0.0
        self.record = Record(folder)
        self._halt = threading.Event()
        self._lock = threading.Lock()
        if self.status not in OVER:  # it says that it runs, but nobody runs it: the server was stopped
            self.status, self.message = "interrupted", INTERRUPTED

    @classmethod
    def create(cls, engine: Engine, store: Store, folder: Path, plan: Plan, owner: str) -> Job:
        """A new job in a new folder."""
        folder.mkdir(parents=True)
        write(folder / "plan.json", json.dumps({"plan": plan.told(), "rates": []}).encode())
        fresh = {"owner": sign(owner), "status": "stopped", "message": "", "update": 0, "seconds": 0.0, "model": ""}
        write(folder / "job.json", json.dumps(fresh).encode())
        return cls(engine, store, folder)

    # ------------------------------------------------------------------ from outside

    def halt(self) -> None:
        """Asks it to stop; it does so after the present step."""
        self._halt.set()

    def rest(self, status: str, message: str) -> None:
        """Sets how it stands, also on disk where that can be written."""
        with self._lock:
            self.status, self.message = status, message
            now = {"owner": self.owner, "status": status, "message": message, "update": self.update,
                   "seconds": round(self.seconds, 2), "model": self.model}  # fmt: skip
            try:
                write(self.folder / "job.json", json.dumps(now).encode())
            except OSError as error:
                log.warning("job %s: its standing could not be written (%s)", self.id, error)

    def slower(self, rate: float) -> None:
        """From here on another learning rate, × the usual; noted with the plan, so that a resume knows it."""
        rate = Plan.of({"rate": rate}).rate
        self.rates.append((self.update, rate))
        write(self.folder / "plan.json", json.dumps({"plan": self.plan.told(), "rates": self.rates}).encode())

    @property
    def resumable(self) -> bool:
        """Whether it stands still and can go on."""
        states = [self.folder / "state" / name for name in (STATE, PREVIOUS)]
        lost = self.status == "done" or self.message == DAMAGED
        return self.status in OVER and not lost and any(path.is_file() for path in states)

    def adopted(self) -> str:
        """Name of the model in every picker; the result is taken over at the first asking.

        Raises:
            PlaygroundError: there is no result yet.
        """
        with self._lock:
            result = self.folder / "result"
            if not (result / "README.md").is_file():
                raise PlaygroundError("There is no checkpoint yet. Let the training go on, then stop it or wait.")
            if self.model and self.engine.own_card(self.model):
                return self.model
            self.model = self.engine.adopt(result).name
        self.rest(self.status, self.message)
        return self.model

    # ------------------------------------------------------------------ the thread's work

    def work(self) -> None:
        """Trains to the end or until halted. Whatever goes wrong becomes the job's message."""
        self._halt.clear()
        self.rest("running", "Getting the pictures ready.")
        status, message = "failed", UNEXPECTED  # stays so where an error is nobody's fault; the log then has it
        try:
            status, message = self._train()
        except Diverged:
            status, message = "diverged", self._exploded()
        except (PlaygroundError, DataError) as error:
            message = self._plain(error)
        except OSError as error:
            message = self._no_room(error)
        finally:
            self.rest(status, message)

    def _train(self) -> tuple[str, str]:
        plan = self.plan
        for so_far in self.store.prepare(plan):
            self.message = so_far
            if self._halt.is_set():
                return "stopped", "Stopped before it began."
        material = self.store.material(plan)
        recipe = recipe_of(plan, self.engine.root, len(material.train))
        options = {"device": self.engine.device.type, "seed": plan.seed, "augment": augmented if plan.augment else None}
        with Lesson(recipe, state=self.folder / "state", dataset=material.train, **options) as run:
            if plan.course != "all":
                run.course = Course(material.train, plan)
            note = self._resume(run)
            shutil.rmtree(self.folder / "result", ignore_errors=True)  # of an earlier stop
            watcher = Watcher(self.engine, self.store, plan, run, material, self.record)
            self.rest("running", note or f"The {NAMES[plan.what]} learns.")
            if run.saved is None:
                run.save()  # so that there is a good state from the very beginning
            self._loop(run, watcher)
            finished = run.done >= 1
            if run.saved != run.seen:
                run.save()
            for _ in self.engine.steps(lambda: watcher.finish(finished)):
                pass
            self.record.save()
            kept = self._export(run)
        if finished and not kept:
            self.adopted()
        stopped = f"Stopped after {self.update} of {plan.updates} updates; nothing is lost."
        return ("done", ENDED) if finished else ("stopped", f"{stopped} {kept}".strip())

    def _resume(self, run: Lesson) -> str:
        """Goes on from the last good state; returns what is worth saying about it."""
        fresh = [[group["lr"] for group in o.param_groups] for o in run.learner.optimizers.values()]
        note = ""
        try:
            found = run.resume()
        except PlaygroundError:
            if not run.folder.exists(previous=True):
                raise PlaygroundError(DAMAGED) from None
            try:
                found = run.resume(previous=True)
            except PlaygroundError:
                raise PlaygroundError(DAMAGED) from None
            note = "The last state was damaged; it goes on from the one before."
        if self.rates:
            factor = self.rates[-1][1] / self.plan.rate if self.plan.rate else 1.0
            for optimizer, rates in zip(run.learner.optimizers.values(), fresh):
                for group, rate in zip(optimizer.param_groups, rates):
                    group["lr"] = group["initial_lr"] = rate * factor
        if found:
            self.record.cut(run.updates)
        self._publish(run)
        return note

    def _loop(self, run: Lesson, watcher: Watcher) -> None:
        saved = time.monotonic()
        while True:
            if watcher.ready():
                for _ in self.engine.steps(watcher.look):
                    if self._halt.is_set():
                        break
                self.record.save()
            if run.done >= 1 or self._halt.is_set():
                return
            self._steps(run, watcher)
            self._publish(run)
            if time.monotonic() - saved > SAVE_EVERY:
                run.save()
                self.rest(self.status, self.message)
                saved = time.monotonic()

    def _steps(self, run: Lesson, watcher: Watcher) -> None:
        """A few updates in one turn."""
        with self.engine.turn():
            until = time.perf_counter() + SLICE
            while run.done < 1 and not self._halt.is_set():
                losses = run.step().losses
                if any(abs(value) > HUGE for value in losses.values()):
                    raise Diverged("a loss has run away", run.seen, run.saved)
                if time.perf_counter() > until or watcher.ready():
                    return

    def _publish(self, run: Lesson) -> None:
        self.update, self.seconds, self.left = run.updates, run.seconds, run.left_seconds

    def _export(self, run: Lesson) -> str:
        """Writes the checkpoint folder; returns why there is none, or ""."""
        part = self.folder / "result.part"
        shutil.rmtree(part, ignore_errors=True)
        more = {"seed": self.plan.seed, "updates": run.updates, "plan": {**self.plan.told(), "drawings": ""}}
        try:
            with self.engine.turn():
                export(run.recipe, run.learner, run.dataset, part, run.seconds / 60, run.device, **more)
            front, _ = registry.read_front(part)
            registry.write_card(part, front, run.recipe.summary)
        except PlaygroundError as error:
            shutil.rmtree(part, ignore_errors=True)
            return str(error) if not isinstance(error.__cause__, OSError) else self._no_room(error.__cause__)
        part.replace(self.folder / "result")
        return ""

    # ------------------------------------------------------------------ words

    def _exploded(self) -> str:
        rate = self.rates[-1][1] if self.rates else self.plan.rate
        return (
            f"It exploded after {self.update} updates: the loss is no longer a sensible number. The learning rate, "
            f"{rate:g} times the usual, is too large. The last good state is kept: go on from it more slowly."
        )

    def _plain(self, error: Exception) -> str:
        """What to say of a failure; places on the server's disk are no visitor's business."""
        return self._no_room(error.__cause__) if isinstance(error.__cause__, OSError) else str(error)

    def _no_room(self, error: OSError) -> str:
        reason = error.strerror or type(error).__name__
        return (
            f"Stopped after {self.update} updates: the state could not be written ({reason}). The last good state is "
            "kept. Once there is room on the server's disk, go on from it."
        )


INTERRUPTED = "The server was stopped in the middle. Nothing is lost but the last seconds: go on when you like."
UNEXPECTED = "Something went wrong here, and it was not your doing. The last state is kept: go on, or start anew."
DAMAGED = "The saved state of this training is damaged and so is the one before it. Start the training anew."


def sign(owner: str) -> str:
    """What is kept of a visitor's own id."""
    return hashlib.sha256(owner.encode("utf-8")).hexdigest()[:16]


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise PlaygroundError("The notes of this training are damaged. Start it anew.") from None
