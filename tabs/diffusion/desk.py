"""Runs lanes on the engine and keeps the latest, so that a branch need not repeat what came before it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from playground import render
from playground.api import Frame, PlaygroundError
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import examples
from tabs.diffusion.lanes import Lane, class_of

KEPT = 64  # lanes and races
KEPT_BYTES = 96_000_000
VIEWS = ("x_t", "x0", "eps")


@dataclass(frozen=True)
class Path:
    """What a lane went through.

    Attributes:
        views: "x_t", "x0", "eps" → uint8 (T, C, H, W). states: (T, *latent), the raw x_t.
        info: t, alpha, sigma and calls of each of the T frames. ms: what it took, shown beside the picture.
    """

    views: Mapping[str, Tensor]
    states: Tensor
    info: tuple[Mapping[str, float], ...]
    ms: float

    def __len__(self) -> int:
        return len(self.states)

    def view(self, name: str) -> Tensor:
        """(T, C, H, W) in [0, 1]."""
        return self.views[name].float() / 255

    @property
    def result(self) -> Tensor:
        """(1, C, H, W)."""
        return self.view("x0")[-1:]

    @property
    def size(self) -> int:
        """Bytes it holds."""
        return sum(t.nbytes for t in (*self.views.values(), self.states))

    def film(self) -> dict[str, Any]:
        """The three lanes as one sprite for scrubbing."""
        return film({name: self.view(name) for name in VIEWS})


def film(lanes: Mapping[str, Tensor]) -> dict[str, Any]:
    """A sprite for `pg.filmstrip`. JPEG works in blocks of 8 pixels: where frames do not fill them, noise would seep
    from one frame into the next, so small pictures are kept without loss."""
    h, w = next(iter(lanes.values())).shape[-2:]
    if h % 8 == 0 and w % 8 == 0:
        return render.sprite(lanes)
    frames = torch.cat(list(lanes.values()))
    columns = max(1, round((len(frames) * h / w) ** 0.5))
    count = len(frames) // len(lanes)
    return {"src": sheet(frames, columns), "names": list(lanes), "frames": count, "columns": columns, "w": w, "h": h}


def sheet(images: Tensor, columns: int) -> str:
    """Pictures in rows as a data URI: a lossless one where JPEG's blocks would mix neighbours."""
    if images.shape[-1] % 8 == 0 and images.shape[-2] % 8 == 0:
        return render.picture_uri(images, columns)
    page = torch.from_numpy(render.sheet(images, columns)).permute(2, 0, 1)[None, : images.shape[1]]
    return render.png_uri(page.float() / 255)


@dataclass
class Roll:
    """Frames of one picture as they come, and the path they make."""

    frames: list[Frame] = field(default_factory=list)
    views: list[dict[str, Tensor]] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)

    def add(self, frame: Frame) -> None:
        """Keeps a frame, pictures as bytes."""
        self.frames.append(frame)
        self.views.append({k: v.mul(255).round().to(torch.uint8).cpu() for k, v in frame.views.items()})

    def path(self) -> Path:
        """What has been kept, joined."""
        return Path(
            {name: torch.cat([v[name] for v in self.views]) for name in VIEWS},
            torch.cat([f.state.float().cpu() for f in self.frames]),
            tuple(f.info for f in self.frames),
            1000 * (time.perf_counter() - self.start),
        )


class Desk:
    """The diffusion models of one engine, and the lanes of late. A lane is a pure function of its recipe, so what is
    kept only saves time and belongs to nobody."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def model(self, name: str) -> nn.Module:
        """The network of a checkpoint."""
        return self.engine.model(name)

    # ------------------------------------------------------------------ lanes

    def known(self, recipe: Hashable) -> Any:
        """What a recipe led to, if it is still kept: the path of a lane, the rows of a race; else None."""
        with self._lock:
            if recipe in self._kept:
                self._kept.move_to_end(recipe)
            return self._kept.get(recipe, (None, 0))[0]

    def path(self, lane: Lane) -> Path:
        """The path of a lane, made if it is not kept."""
        for _ in self.follow(lane):
            pass
        return self.known(lane) or self._again(lane)

    def follow(self, lane: Lane) -> Iterator[Frame]:
        """The frames of a lane as they are made; none at all if it is kept."""
        if self.known(lane) is not None:
            return
        roll = Roll()
        for frame in self._run(lane):
            roll.add(frame)
            yield frame
        path = roll.path()
        self.keep(lane, path, path.size)

    def _again(self, lane: Lane) -> Path:
        """The path of a lane that others have pushed out in the meantime."""
        roll = Roll()
        for frame in self._run(lane):
            roll.add(frame)
        return roll.path()

    def _run(self, lane: Lane) -> Iterator[Frame]:
        from playground.models.diffusion import Settings

        model = self.model(lane.model)
        labels = None if lane.label is None else torch.tensor([lane.label])
        settings = Settings(lane.scheduler, lane.steps, lane.guidance, lane.eta)
        if lane.parent is None:
            return self.engine.steps(lambda: model.sample([lane.seed], labels=labels, **vars(settings)))
        left = self.path(lane.parent)
        step = min(lane.step, len(left) - 1)  # the last frame is the result: nothing goes on from there
        state, t = left.states[step - 1 : step], int(left.info[step - 1]["t"])
        return self.engine.steps(lambda: model.branch(state, [lane.seed], labels, t, step, settings))

    def keep(self, recipe: Hashable, result: Any, size: int) -> None:
        """Keeps what a recipe led to, `size` bytes; what was not asked for the longest goes."""
        with self._lock:
            self._kept[recipe] = (result, size)
            while len(self._kept) > KEPT or (
                len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > KEPT_BYTES
            ):
                self._kept.popitem(last=False)

    # ------------------------------------------------------------------ pictures to begin with

    def picture(self, values: Mapping[str, Any]) -> Tensor:
        """(1, C, H, W): the visitor's own, or one the network never trained on."""
        card = self.engine.card(values["model"])
        if values["source"] == "own":
            if not values["drawing"]:
                raise PlaygroundError("There is no picture of yours yet. Draw or upload one, or take a test picture.")
            return ui.read_picture(values["drawing"], card.shape, card.data)
        return examples(card.data, [values["test"]])

    def labels(self, values: Mapping[str, Any], count: int = 1) -> Tensor | None:
        """The class asked for, once per picture; None for a model without classes."""
        label = class_of(values["label"], self.engine.card(values["model"]))
        return None if label is None else torch.full((count,), label)

    def pixels(self, name: str, x: Tensor) -> Tensor:
        """(N, *latent) → (N, C, H, W) on the CPU."""
        model = self.model(name)
        return self.engine.call(lambda: model.to_pixels(x.to(model.device))).float().cpu()
