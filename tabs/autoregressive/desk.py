"""The autoregressive networks of one engine: what each can do, and the pictures of late."""

from __future__ import annotations

import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from playground.api import ModelCard, PlaygroundError, Repairer, Sampler, fields_by_name
from playground.engine import Engine
from playground.models.autoregressive.base import ORDERS, turn
from tabs import _ui as ui
from tabs._ui.examples import digits
from tabs.autoregressive.lanes import Recipe, class_of
from tabs.autoregressive.state import FAMILY

KEPT = 64  # results
Values = Mapping[str, Any]
CAN: dict[str, Callable[[nn.Module], bool]] = {  # mode → whether a network is able to
    "watch": lambda m: isinstance(m, Sampler),
    "branch": lambda m: hasattr(m, "continue_from"),
    "complete": lambda m: isinstance(m, Repairer),
    "surprise": lambda m: hasattr(m, "surprise") or hasattr(m, "token_log_prob"),
    "what it sees": lambda m: hasattr(m, "receptive_field"),
}


@dataclass(frozen=True)
class Lane:
    """A finished picture and what the network expected at each place of it.

    Attributes:
        x: (1, C, H, W). logits: (D,) of white for pixels, (D, V) for codes, at temperature 1, in raster order.
        codes: (D,) int64 for a network of codes, else None.
    """

    x: Tensor
    logits: Tensor
    codes: Tensor | None = None


@lru_cache(maxsize=8)
def desk_of(engine: Engine) -> Desk:
    """The one desk of an engine."""
    return Desk(engine)


class Desk:
    """Short calls on the networks. What is kept follows from its key alone: it only saves time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, key: Any) -> Any:
        """The value for `key` if it is among the latest, else None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: Any, make: Callable[[], Any]) -> Any:
        """The value for `key`; made if it is not among the latest."""
        if (kept := self.known(key)) is not None:
            return kept
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    # ------------------------------------------------------------------ networks

    def model(self, name: str) -> nn.Module:
        """The network of a checkpoint."""
        return self.engine.model(name)

    def card(self, name: str) -> ModelCard:
        """Its card."""
        return self.engine.card(name)

    def names(self, able: Callable[[nn.Module], bool], also: Sequence[str] = ()) -> list[str]:
        """Checkpoints of the family that can do something; one that cannot be opened is passed over."""
        names = [card.name for card in self.engine.cards(also=also) if card.family == FAMILY]
        return [name for name in names if self._opens(name, able)]

    def _opens(self, name: str, able: Callable[[nn.Module], bool]) -> bool:
        try:
            return able(self.model(name))
        except PlaygroundError:
            return False

    def fitting(self, values: Values) -> str:
        """The chosen network if it suits the mode, else the first that does."""
        names = self.names(CAN[values["mode"]], also=[values["model"]])
        if values["model"] in names:
            return values["model"]
        self.model(values["model"])  # raises with the reason if it cannot be opened at all
        if not names:
            raise PlaygroundError("No network for this mode is here yet. Train one: python -m playground train "
                                  "pixelcnn-mnist.")  # fmt: skip
        return "pixelcnn-mnist" if "pixelcnn-mnist" in names else names[0]

    def coded(self, name: str) -> bool:
        """Whether it draws codes of patches instead of pixels."""
        return hasattr(self.model(name), "token_logits")

    def classes(self, name: str) -> int:
        """How many classes it can be asked for."""
        return len(self.card(name).labels)

    def places(self, name: str) -> tuple[int, int]:
        """(rows, columns) of what is drawn one after the other."""
        model = self.model(name)
        return tuple(model.grid) if self.coded(name) else tuple(model.shape[1:])

    def kinds(self, name: str) -> int:
        """Values each place can have."""
        return self.model(name).words if self.coded(name) else 2

    def settings(self, values: Values) -> dict[str, Any]:
        """Those of the state's values that the network's sampler takes."""
        known = fields_by_name(self.model(values["model"]).controls)
        given = {name: values[name] for name in ("temperature", "top_k", "top_p", "order") if name in known}
        if "top_k" in given:
            given["top_k"] = min(given["top_k"], known["top_k"].high)
        return given

    def label(self, name: str, said: str) -> int | None:
        """Index of a class by its name; the first where the network does not know it, None where it knows none."""
        labels = self.card(name).labels
        return labels.index(class_of(said, self.card(name))) if labels else None

    def labels(self, name: str, label: int | None, count: int = 1) -> Tensor | None:
        """int64 (count,), None for a network without classes or if none is told."""
        return torch.full((count,), label) if self.classes(name) and label is not None else None

    # ------------------------------------------------------------------ lanes

    def lane(self, recipe: Recipe) -> Lane:
        """The picture of a recipe."""
        return self.keep(recipe, lambda: self._coded_lane(recipe) if self.coded(recipe.model) else self._lane(recipe))

    def _lane(self, recipe: Recipe) -> Lane:
        model, labels = self.model(recipe.model), self.labels(recipe.model, recipe.label)
        settings = dict(recipe.settings)
        if recipe.parent is None:
            run = self.engine.stream(recipe.model, [recipe.seed], labels=recipe.label, **settings)
        else:
            x = self.lane(recipe.parent).x.clone()
            x.view(-1)[recipe.place] = recipe.value
            start = self.start(recipe.model, recipe.place, settings.get("order", "rows"))
            run = self.engine.steps(lambda: model.continue_from(x, start, [recipe.seed], labels, **settings))
        x = last(run).images.float().cpu()
        order = {"order": settings["order"]} if "order" in settings else {}
        logits = self.engine.call(lambda: model.logits(x, labels, **order))
        return Lane(x, logits.float().cpu().flatten())

    def _coded_lane(self, recipe: Recipe) -> Lane:
        model, settings = self.model(recipe.model), dict(recipe.settings)
        if recipe.parent is None:
            run = self.engine.stream(recipe.model, [recipe.seed], **settings)
        else:
            codes = self.lane(recipe.parent).codes.clone()[None]
            codes[0, recipe.place] = recipe.value
            run = self.engine.steps(lambda: model.continue_from(codes, recipe.place + 1, [recipe.seed], **settings))
        frame = last(run)
        codes = frame.state.round().long()
        logits = self.engine.call(lambda: model.token_logits(codes))
        return Lane(frame.images.float().cpu(), logits.float().cpu()[0], codes.cpu()[0])

    def path(self, name: str, order: str = "rows") -> list[int]:
        """Raster indices of the places in the order in which they are drawn."""
        height, width = self.places(name)
        index = torch.arange(height * width).view(1, 1, height, width)
        return (index if order == "rows" else turn(index, ORDERS.index(order))).flatten().tolist()

    def start(self, name: str, place: int, order: str = "rows") -> int:
        """How many places have been drawn once this one has."""
        return self.path(name, order).index(place) + 1

    # ------------------------------------------------------------------ pictures to begin with

    def picture(self, values: Values) -> Tensor:
        """(1, C, H, W): a test picture, the visitor's own, or the network's work; black and white for pixels."""
        card = self.card(values["model"])
        if values["source"] == "sample":
            settings = tuple(sorted(self.settings(values).items()))
            return self.lane(Recipe(card.name, values["seed"], self.label(card.name, values["label"]), settings)).x
        x = self.own(values, card) if values["source"] == "own" else self.example(card, values["test"])
        return x if self.coded(values["model"]) else (x > 0.5).float()

    def own(self, values: Values, card: ModelCard) -> Tensor:
        """The drawing or upload."""
        if not values["drawing"]:
            raise PlaygroundError("There is no picture of yours yet. Draw or upload one, or take a test picture.")
        return ui.read_picture(values["drawing"], card.shape, card.data)

    def example(self, card: ModelCard, number: int) -> Tensor:
        """A picture that no network has trained on."""
        if card.data == "mnist":
            return digits()[0][[number]]
        from playground.data import faces

        images, _ = faces.dataset([faces.TEST_SEEDS[0] + number])
        return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255

    def read_as(self, name: str, x: Tensor) -> list[str]:
        """The digit a frozen judge sees in each picture; empty strings where there is no judge."""
        judges = [c.name for c in self.engine.cards(data="mnist") if c.family == "classifier"]
        if self.card(name).data != "mnist" or not judges:
            return [""] * len(x)
        judge = self.model(judges[0])
        return [str(int(k)) for k in self.engine.call(lambda: judge.classify(x))[0].argmax(1)]


def last(run: Iterator[Any]) -> Any:
    """The last item of a run."""
    for item in run:
        final = item
    return final


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has an argument of this name."""
    return name in inspect.signature(function).parameters


def spread(seed: int, count: int) -> Sequence[int]:
    """`count` seeds from this one on."""
    return [(seed + i) % 2**32 for i in range(count)]
