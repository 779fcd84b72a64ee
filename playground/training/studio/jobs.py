"""The trainings of all visitors of one engine: who may train, who waits, what is found again.

A training is found by its id alone, which nobody can guess; whoever knows it may look, stop it and go on. A visitor has
one training at a time, the device as many as its limit; others wait in a queue. Closing the page changes nothing.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from playground.api import PlaygroundError
from playground.engine import Engine
from playground.training.studio.data import Store
from playground.training.studio.job import OVER, Job, sign
from playground.training.studio.plan import Plan

ID, OWNER = re.compile(r"[A-Za-z0-9_-]{16}"), re.compile(r"[A-Za-z0-9_-]{8,64}")
KEEP_DAYS, KEEP_MOST, LONGEST_QUEUE = 14, 100, 20
DAY = 86_400.0


class Jobs:
    """Trainings of visitors.

    Args:
        engine: whose device they share. root: folder of their folders; `jobs_folder()` if not given.
        limit: how many learn at a time. keep_days, keep_most: finished ones older than this, or more than so many,
            are removed when a new one is started.
    """

    def __init__(
        self,
        engine: Engine,
        root: Path | str | None = None,
        limit: int = 1,
        keep_days: float = KEEP_DAYS,
        keep_most: int = KEEP_MOST,
    ) -> None:
        self.engine, self.root, self.limit = engine, Path(root) if root else jobs_folder(), limit
        self.keep_days, self.keep_most = keep_days, keep_most
        self.store = Store(engine)
        self._lock = threading.RLock()
        self._open: dict[str, Job] = {}  # those that run or wait
        self._threads: dict[str, threading.Thread] = {}
        self._queue: deque[str] = deque()

    # ------------------------------------------------------------------ what a visitor does

    def start(self, plan: Plan, owner: str) -> str:
        """Begins a training; its id.

        Raises:
            PlaygroundError: the visitor has one already, too many wait, or the disk is full.
        """
        owner = _owner(owner)
        with self._lock:
            self._check_free(owner)
            self.tidy()
            name = secrets.token_urlsafe(12)
            try:
                job = Job.create(self.engine, self.store, self.root / name, plan, owner)
            except OSError as error:
                shutil.rmtree(self.root / name, ignore_errors=True)
                raise PlaygroundError(
                    f"The training cannot be kept on the server's disk ({error.strerror}), so it was not begun. "
                    "Let whoever runs this page make room."
                ) from error
            self._enqueue(job)
            return name

    def go_on(self, name: str, owner: str, rate: float | None = None) -> None:
        """Goes on with a training that stands still, if asked with another learning rate (× the usual)."""
        owner = _owner(owner)
        with self._lock:
            job = self.find(name)
            if job.status not in OVER or name in self._open:
                raise PlaygroundError("This training is already under way. Stop it first, or let it go on.")
            if job.status == "done":
                raise PlaygroundError("This training has reached its end. Start another one, with more updates.")
            self._check_free(owner)
            if rate is not None:
                job.slower(rate)
            self._enqueue(job)

    def stop(self, name: str) -> None:
        """Stops a training within one step; one that waits leaves the queue."""
        with self._lock:
            job = self.find(name)
            if name in self._queue:
                self._queue.remove(name)
                self._open.pop(name, None)
                job.rest("stopped", "It had not begun yet; it was taken out of the queue.")
            job.halt()

    def find(self, name: Any) -> Job:
        """The training with this id, running or on disk.

        Raises:
            PlaygroundError: not an id, or none here.
        """
        if not isinstance(name, str) or not ID.fullmatch(name):
            raise PlaygroundError("That is not the link of a training. Copy it whole, or start a new one.")
        with self._lock:
            if name in self._open:
                return self._open[name]
            if not (self.root / name / "plan.json").is_file():
                raise PlaygroundError(
                    f"This training is no longer here: finished ones are kept for {self.keep_days:g} days. "
                    "Start a new one."
                )
            return Job(self.engine, self.store, self.root / name)

    def place(self, name: str) -> int:
        """How many trainings come before this one, 0 if it does not wait."""
        with self._lock:
            return list(self._queue).index(name) + 1 if name in self._queue else 0

    # ------------------------------------------------------------------ the queue

    def wait(self, name: str, seconds: float = 60.0) -> None:
        """Waits until a training's thread has ended (for programs and tests)."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self._lock:
                thread = self._threads.get(name)
                if name not in self._open:
                    return
            if thread is None:
                time.sleep(0.02)
            else:
                thread.join(max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Stops everything and waits for it; states are on disk."""
        with self._lock:
            for name in list(self._queue):
                self.stop(name)
            running = list(self._threads.values())
            for job in self._open.values():
                job.halt()
        for thread in running:
            thread.join()

    def tidy(self) -> None:
        """Removes finished trainings that are too old or too many; those under way are left alone."""
        with self._lock:
            folders = [p for p in self.root.glob("*") if ID.fullmatch(p.name) and p.name not in self._open]
            aged = sorted(folders, key=_touched, reverse=True)
            old = [p for p in aged if time.time() - _touched(p) > self.keep_days * DAY]
            for folder in {*aged[self.keep_most :], *old}:
                shutil.rmtree(folder, ignore_errors=True)

    def _check_free(self, owner: str) -> None:
        if any(job.owner == sign(owner) for job in self._open.values()):
            raise PlaygroundError(
                "You have a training under way already, and everyone has one at a time. Stop it, or wait for its end."
            )
        if len(self._queue) >= LONGEST_QUEUE:
            raise PlaygroundError(f"{LONGEST_QUEUE} trainings are waiting already. Try again in a few minutes.")

    def _enqueue(self, job: Job) -> None:
        self._open[job.id] = job
        self._queue.append(job.id)
        job.rest("waiting", "Others are training; yours begins when it is its turn.")
        self._advance()

    def _advance(self) -> None:
        with self._lock:
            while self._queue and len(self._threads) < self.limit:
                name = self._queue.popleft()
                thread = threading.Thread(target=self._work, args=(name,), name=f"training {name[:4]}", daemon=True)
                self._threads[name] = thread
                thread.start()

    def _work(self, name: str) -> None:
        try:
            self._open[name].work()
        finally:
            with self._lock:
                self._open.pop(name, None)
                self._threads.pop(name, None)
            self._advance()


def jobs_folder() -> Path:
    """Where trainings are kept: `PLAYGROUND_JOBS`, else in the user's cache."""
    given, cache = os.environ.get("PLAYGROUND_JOBS"), os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(given) if given else Path(cache) / "playground" / "jobs"


def _owner(owner: Any) -> str:
    if not isinstance(owner, str) or not OWNER.fullmatch(owner):
        raise PlaygroundError("The page has not said whose training this is. Reload it and try again.")
    return owner


def _touched(folder: Path) -> float:
    try:
        return (folder / "job.json").stat().st_mtime
    except OSError:
        return 0.0
