"""Models on one device for many visitors: loading, checking, and taking turns.

The device is shared *per step*, not per run: whoever wants the next frame queues for one step, so a slider stays live
while somebody else's hundred-step run goes on. A run is a generator; dropping it stops it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from playground import registry
from playground.api import Field, Frame, ModelCard, PlaygroundError, Sampler, check_seeds, check_settings

T = TypeVar("T")

OWN = re.compile(r"own-[a-z0-9]{10}")  # name of a model that a visitor trained: nobody can guess another's
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
OPEN_AT_ONCE = 8  # visitors' networks kept in memory
KEPT = 200  # visitors' models kept on disk


class Turns:
    """A first-come, first-served lock (a `threading.Lock` lets a busy thread take it again and again)."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Waits for this thread's turn; never hold it across a `yield` of a generator."""
        ticket = object()
        try:
            with self._condition:
                self._waiting.append(ticket)
                self._condition.wait_for(lambda: self._waiting[0] is ticket)
            yield
        finally:  # also when the wait itself was interrupted: a ticket left behind would stop everybody
            with self._condition:
                self._waiting.remove(ticket)
                self._condition.notify_all()


class Engine:
    """Opens checkpoints and runs them, one step at a time, on one device.

    Args:
        device: "auto" (cuda, then mps, then cpu), or one of them.
        checkpoints: folder of checkpoint folders; the shipped ones if not given.
        own: folder of the models that visitors trained; the user's cache if not given. They are in no list: whoever
            knows the name of one can open it.
    """

    def __init__(
        self, device: str = "auto", checkpoints: Path | str | None = None, own: Path | str | None = None
    ) -> None:
        self.device = pick_device(device)
        self.root = Path(checkpoints) if checkpoints else registry.CHECKPOINTS
        self.own = Path(own) if own else own_folder()
        self.turns = Turns()
        self._models: dict[str, nn.Module] = {}  # in the order in which they were opened
        self._loading: dict[str, threading.Lock] = {}  # one per model: nobody waits behind a heavy one they don't want
        self._cards = registry.discover(self.root)

    def cards(
        self, *, data: str | None = None, capability: type | None = None, also: Sequence[str] = ()
    ) -> list[ModelCard]:
        """Cards in name order, optionally only of one data set or of models with a capability.

        Args:
            also: names which may be those of visitors' models; these join the list.
        """
        own = [card for name in also if (card := self.own_card(name))]
        cards = [c for c in (*self._cards.values(), *own) if data in (None, c.data)]
        return [c for c in cards if capability is None or isinstance(self.model(c.name), capability)]

    def card(self, name: str) -> ModelCard:
        """The card called `name`; an unknown name is a `PlaygroundError` (or the reason its card is unreadable)."""
        if name in self._cards:
            return self._cards[name]
        if own := self.own_card(name):
            return own
        if OWN.fullmatch(str(name)):
            raise PlaygroundError(f"The model {name} is no longer here. Load its file again, or train it anew.")
        if name in {p.name for p in self.root.glob("*") if p.is_dir()}:
            return registry.read_card(self.root / name)  # raises with the reason
        raise PlaygroundError(f"There is no model {str(name)[:60]!r}. Known: {', '.join(self._cards)}.")

    def own_card(self, name: Any) -> ModelCard | None:
        """The card of a visitor's model; None if this is not the name of one that is here."""
        if not (isinstance(name, str) and OWN.fullmatch(name) and (self.own / name / "README.md").is_file()):
            return None
        return registry.read_card(self.own / name)

    def adopt(self, folder: Path) -> ModelCard:
        """Copies a checkpoint folder among the visitors' models, under a new name that cannot be guessed.

        Raises:
            PlaygroundError: the card cannot be read, or the weights do not open.
        """
        registry.load(registry.read_card(folder))  # whatever is wrong with it is said now, not when it is picked
        name = "own-" + "".join(secrets.choice(ALPHABET) for _ in range(10))
        partial = self.own / f".{name}"  # a folder under its final name is whole
        try:
            shutil.copytree(folder, partial)
            partial.touch()  # the copy has the original's time; here it counts from now
            partial.replace(self.own / name)
            self._clear_out()
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise PlaygroundError(
                f"The model cannot be kept ({error.strerror}). Free some space in {self.own.name}, then try again."
            ) from error
        return registry.read_card(self.own / name)

    def _clear_out(self) -> None:
        """The oldest of too many visitors' models are removed."""
        folders = sorted(self.own.glob("own-*"), key=lambda folder: folder.stat().st_mtime)
        for folder in folders[:-KEPT]:
            shutil.rmtree(folder, ignore_errors=True)

    def refresh(self) -> None:
        """Looks for checkpoint folders again (after a training)."""
        self._cards = registry.discover(self.root)

    def model(self, name: str) -> nn.Module:
        """The network, loaded once and kept on the device."""
        found = self._models.get(name)
        if found is None:
            with self._loading.setdefault(name, threading.Lock()):
                found = self._models.get(name)
                if found is None:
                    card = self.card(name)
                    with guarded(self.device):
                        found = self._models[name] = registry.load(card).to(self.device)
                    self._forget_own(name)
        return found

    def _forget_own(self, latest: str) -> None:
        """Visitors' networks but the latest few give their memory back."""
        own = [name for name in self._models if OWN.fullmatch(name) and name != latest]
        for name in own[: max(0, len(own) + 1 - OPEN_AT_ONCE)]:
            self._models.pop(name, None)

    def stream(
        self,
        name: str,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Sequence[int] | int | None = None,
        **controls: Any,
    ) -> Iterator[Frame]:
        """Frames of a run, everything checked before the first step.

        Args:
            name: a model that is a `Sampler`.
            seeds: one picture each.
            latents: float (N, *latent) to use instead of the seeds' own noise.
            labels: class indices (or one for all); None lets the seed choose where the model is conditional.
            controls: values for the model's declared controls.
        """
        model = self.model(name)
        if not isinstance(model, Sampler):
            raise PlaygroundError(f"{name} does not make pictures. Choose one of the generative models.")
        seeds = check_seeds(seeds)
        settings = check_settings(model.controls, controls)
        if latents is not None:
            latents = check_latents(latents, model.latents([0]).shape[1:], len(seeds))
        chosen = check_labels(model.card, labels, seeds)
        return self.steps(lambda: model.sample(seeds, latents=latents, labels=chosen, **settings))

    def run(self, name: str, seeds: Sequence[int], **settings: Any) -> Frame:
        """The last frame of `stream`."""
        for frame in self.stream(name, seeds, **settings):
            last = frame
        return last

    def steps(self, start: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Draws from a generator, one turn on the device per item, without gradients around the `yield`."""
        with self.turn():
            run = start()
        try:
            while True:
                with self.turn():
                    try:
                        item = next(run)
                    except StopIteration:
                        return
                yield item
        finally:
            if hasattr(run, "close"):
                run.close()

    def call(self, task: Callable[[], T]) -> T:
        """One turn on the device for a short task (a decode, an encode)."""
        with self.turn():
            return task()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn without gradients in which running out of memory becomes a plain message."""
        with self.turns.take(), torch.no_grad(), guarded(self.device):
            yield


@contextmanager
def guarded(device: torch.device) -> Iterator[None]:
    """Turns "out of memory" into advice and gives the memory back."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_shortage(error):
            raise
        if device.type == "cuda":
            torch.cuda.empty_cache()
        raise PlaygroundError(
            f"No memory left on {device}. Ask for fewer pictures or steps at once, or start with --device cpu."
        ) from error


def _is_shortage(error: Exception) -> bool:
    """CUDA has a class for it; the CPU's allocator only has words."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def own_folder() -> Path:
    """Where visitors' models are kept: `PLAYGROUND_OWN`, else in the user's cache."""
    given, cache = os.environ.get("PLAYGROUND_OWN"), os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(given) if given else Path(cache) / "playground" / "own"


def pick_device(name: str) -> torch.device:
    """ "auto" → cuda, mps or cpu, in this order; a device that is not there is a `PlaygroundError`."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if not there.get(name, False):
        usable = ", ".join(k for k, ok in there.items() if ok)
        raise PlaygroundError(f"Device {name!r} is not here. Use auto or one of: {usable}.")
    return torch.device(name)


def check_latents(latents: Tensor, shape: Sequence[int], count: int) -> Tensor:
    """The latents as float32 on the CPU if they have the model's shape and are finite."""
    latents = torch.as_tensor(latents, dtype=torch.float32).cpu()
    if tuple(latents.shape) != (count, *shape):
        raise PlaygroundError(f"Latents have shape {tuple(latents.shape)}; this model wants {(count, *shape)}.")
    if not torch.isfinite(latents).all():
        raise PlaygroundError("Latents contain NaN or infinity. Reset the latent and try again.")
    return latents


def check_labels(card: ModelCard, labels: Sequence[int] | int | None, seeds: Sequence[int]) -> Tensor | None:
    """int64 (N,) labels; a missing one is seed mod K so that a contact sheet shows every class."""
    if not card.labels:
        if labels is None:
            return None
        raise PlaygroundError(f"{card.name} cannot be asked for a class. Leave the class out.")
    k = len(card.labels)
    if labels is None:
        return torch.tensor([seed % k for seed in seeds])
    labels = [labels] * len(seeds) if isinstance(labels, int) else list(labels)
    one = Field("class", "int", 0, 0, k - 1, label="The class")
    if len(labels) != len(seeds):
        raise PlaygroundError(
            f"There are {len(labels)} classes for {len(seeds)} pictures. Give each one "
            f"from 0 to {k - 1}, or one for all."
        )
    return torch.tensor([one.check(label) for label in labels])


def memory(device: torch.device) -> Mapping[str, float]:
    """Bytes used and available on the device, for the header; empty where it cannot be asked."""
    if device.type != "cuda":
        return {}
    free, total = torch.cuda.mem_get_info(device)
    return {"used": total - free, "total": total}
