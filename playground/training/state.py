"""The folder a training keeps its state in: one training at a time, whole files only, and the state before the last.

    state.pt             what to go on from; replaced by renaming, so a kill or a full disk never leaves half a file
    state.previous.pt    the one before it
    lock                 held by the process that trains; the kernel lets go of it however that process ends

Files are read back with `weights_only`, so a state can carry no code.
"""

from __future__ import annotations

import io
import os
import pickle
import time
from pathlib import Path
from typing import IO, Any

import torch

from playground.api import PlaygroundError

try:
    import fcntl
except ImportError:  # not on Windows, where two trainings of one folder are the visitor's own affair
    fcntl = None

STATE, PREVIOUS, LOCK = "state.pt", "state.previous.pt", "lock"


class Folder:
    """A state folder, locked for this object until `close`.

    Args:
        lock: False for one of several processes of a training, which reads but never writes.

    Raises:
        PlaygroundError: another training holds it, or it cannot be made.
    """

    def __init__(self, path: Path, lock: bool = True) -> None:
        self.path = path
        self._lock: IO[str] | None = None
        if not lock:
            return
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = (path / LOCK).open("a+", encoding="utf-8")
        except OSError as error:
            raise PlaygroundError(
                f"The folder {path} cannot be written ({error.strerror}). Choose another place for the state."
            ) from error
        self._hold(self._lock)

    def _hold(self, file: IO[str]) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read(200).strip() or "another process"
            self.close()
            raise PlaygroundError(
                f"{self.path} is in use by another training ({who}). Wait until it has ended, stop it, or choose "
                "another folder for the state."
            ) from None
        except OSError:
            return  # a file system without locks (some network drives): go on without
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M')}")
        file.flush()

    def close(self) -> None:
        """Lets go of the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def exists(self, previous: bool = False) -> bool:
        """Whether there is a state to go on from (or one before it)."""
        return (self.path / (PREVIOUS if previous else STATE)).is_file()

    def chosen(self, previous: bool = False) -> str:
        """Name of the file that `read` reads: the previous state also where there is no other."""
        return PREVIOUS if previous or not self.exists() else STATE

    def write(self, state: dict[str, Any]) -> None:
        """Makes this the state; the one there was becomes the previous one.

        Raises:
            OSError: it could not be written, for instance because the disk is full. What was there is still there.
        """
        packed = io.BytesIO()  # in memory first: the writing itself then fails cleanly, if it fails
        torch.save(state, packed)
        part = self.path / "state.part"
        try:
            with part.open("wb") as file:
                file.write(packed.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            if self.exists():
                (self.path / STATE).replace(self.path / PREVIOUS)  # killed here: `read` takes the previous one
            part.replace(self.path / STATE)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def read(self, previous: bool = False) -> dict[str, Any] | None:
        """The state, or None if there is none.

        Args:
            previous: the one before it instead.

        Raises:
            PlaygroundError: the file is damaged.
        """
        name = self.chosen(previous)
        path = self.path / name
        if not path.is_file():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, KeyError, EOFError, ValueError, OSError, pickle.UnpicklingError) as error:
            raise self.useless(name, error) from error

    def useless(self, name: str, error: Exception | str) -> PlaygroundError:
        """What to say of a state that cannot be used, and what can be done."""
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        reason = f"it has no {reason}" if isinstance(error, KeyError) else reason
        older = name == STATE and self.exists(previous=True)
        advice = f"To go on from the state before it, rename {PREVIOUS} to {STATE}. " if older else ""
        return PlaygroundError(
            f"The training state {self.path / name} cannot be resumed ({reason}). {advice}Delete it to start anew."
        )

    def set_aside(self) -> Path | None:
        """Moves the states into a folder of their own beside, so that a run can start afresh; where they went."""
        files = [self.path / name for name in (STATE, PREVIOUS) if (self.path / name).is_file()]
        if not files:
            return None
        number = 1
        while (self.path / f"aside-{number}").exists():
            number += 1
        aside = self.path / f"aside-{number}"
        aside.mkdir()
        for file in files:
            file.replace(aside / file.name)
        return aside
