"""Short calls on the networks of one engine, and what is worked out once per checkpoint and kept.

Everything kept here follows from a checkpoint alone, except the last few projections, which are kept so that a picture
found once is not searched for again when it is saved or undone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from playground import metrics
from playground.api import PlaygroundError
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import digits, examples
from tabs.gan.traits import Looks, strokes

REFERENCE = 96  # real pictures, and as many made ones, a verdict is compared with
REFERENCE_SEEDS = 700_000  # made ones begin here: no other use is made of these seeds
CHUNK = 16  # pictures per turn on the device in work that nobody watches
FOUND = 24  # projections kept


@dataclass(frozen=True)
class Verdicts:
    """Logits the discriminator gives ordinary pictures, sorted upwards, (REFERENCE,) each."""

    real: Tensor
    made: Tensor

    @property
    def middle(self) -> float:
        """Half-way between the typical real and the typical made picture."""
        return float(self.real.median() + self.made.median()) / 2


@lru_cache(maxsize=8)
def desk_of(engine: Engine) -> Desk:
    """The one desk of an engine."""
    return Desk(engine)


class Desk(ui.Keeper):
    """The networks of the tab on one engine."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple, Any] = OrderedDict()

    # ------------------------------------------------------------------ networks

    def model(self, name: str) -> nn.Module:
        """The network of a checkpoint."""
        return self.engine.model(name)

    def labels(self, name: str, label: str, count: int) -> Tensor | None:
        """The class asked for, once per picture; None where the network has no classes."""
        known = self.engine.card(name).labels
        if not known:
            return None
        if label not in known:
            raise PlaygroundError(f"{name} has no class {label!r}. Choose one of {', '.join(known)}.")
        return torch.full((count,), known.index(label))

    def in_turn(self, name: str, count: int) -> Tensor | None:
        """Every class in turn; None where the network has no classes."""
        known = self.engine.card(name).labels
        return torch.arange(count) % len(known) if known else None

    def styles(
        self, name: str, seeds: Sequence[int], labels: Tensor | None, truncation: float,
        wanted: Mapping[str, str] | None = None,
    ) -> Tensor:  # fmt: skip
        """(N, d) styles of seeds, with the attributes wanted where the network can be asked for them."""
        model = self.model(name)
        z = model.wish(model.latents(seeds), wanted) if wanted else model.latents(seeds)
        return self.engine.call(lambda: model.styles(z, labels, truncation)).float().cpu()

    def draw(self, name: str, ws: Tensor) -> Tensor:
        """(N, d) or (N, layers, d) styles → pictures on the CPU."""
        model = self.model(name)
        return self.engine.call(lambda: model.draw(ws)).float().cpu()

    def criticise(self, name: str, x: Tensor, labels: Tensor | None) -> Tensor:
        """(N, C, H, W) → (N,) logits, a turn on the device per few pictures."""
        model = self.model(name)
        parts = []
        for start in range(0, len(x), CHUNK):
            here = slice(start, start + CHUNK)
            kinds = None if labels is None else labels[here]
            parts.append(self.engine.call(lambda here=here, kinds=kinds: model.criticise(x[here], kinds)).float().cpu())
        return torch.cat(parts)

    # ------------------------------------------------------------------ judge

    def judge(self, name: str) -> nn.Module:
        """The frozen classifier of the data a network was trained on."""
        judge = f"classifier-{self.engine.card(name).data}"
        if judge not in {card.name for card in self.engine.cards()}:
            raise PlaygroundError(f"This needs {judge}. Train it first: python -m playground train {judge}.")
        return self.engine.model(judge)

    def look(self, name: str, x: Tensor) -> tuple[Tensor, Looks]:
        """Features (N, F) of pictures, and what the classifier finds on them."""
        judge = self.judge(name)

        def task() -> list[Tensor]:
            features = judge.features(x)
            return [features, *judge.judge(features)]

        features, *logits = (part.float().cpu() for part in self.engine.call(task))
        answers = {head: found.argmax(1) for head, found in zip(judge.heads, logits)}
        return features, Looks(answers, judge.heads, strokes(x) if x.shape[1] == 1 else {})

    def index(self, name: str) -> metrics.Index | None:
        """The training pictures that can be searched; None while no index has been made."""
        self.judge(name)
        folder = self.engine.card(f"classifier-{self.engine.card(name).data}").folder
        if not (folder / metrics.neighbours.FILE).is_file():
            return None
        return self.keep(("index", name), lambda: metrics.Index.load(folder, draw_face))

    # ------------------------------------------------------------------ pictures

    def real(self, name: str, indices: Sequence[int]) -> Tensor:
        """Real pictures the network has not trained on: test digits, faces drawn from test seeds, held-out emoji."""
        return examples(self.engine.card(name).data, indices)

    def spread_out(self, name: str, count: int) -> tuple[Tensor, Tensor | None]:
        """`count` real pictures, the classes evenly, and their classes where the network has any."""
        if self.engine.card(name).data != "mnist":
            return self.real(name, range(count)), None
        every = digits()[1]
        chosen = [i * len(every) // count for i in range(count)]  # they stand in class order
        labels = torch.tensor([every[i] for i in chosen]) if self.engine.card(name).labels else None
        return self.real(name, chosen), labels

    def real_class(self, name: str, index: int) -> int | None:
        """The class of a real test picture, where the network has classes and the picture one."""
        card = self.engine.card(name)
        return digits()[1][index] if card.labels and card.data == "mnist" else None

    # ------------------------------------------------------------------ worked out once

    def verdicts(self, name: str) -> Verdicts:
        """What the discriminator says to ordinary real and made pictures."""
        return self.keep(("verdicts", name), lambda: self._verdicts(name))

    def _verdicts(self, name: str) -> Verdicts:
        real, labels = self.spread_out(name, REFERENCE)
        kinds = self.in_turn(name, REFERENCE)
        made = self.draw(name, self.styles(name, range(REFERENCE_SEEDS, REFERENCE_SEEDS + REFERENCE), kinds, 1.0))
        logits = [self.criticise(name, x, y).sort().values for x, y in ((real, labels), (made, kinds))]
        if not all(torch.isfinite(part).all() for part in logits):
            raise PlaygroundError(f"The discriminator of {name} answers with NaN. Choose another model.")
        return Verdicts(*logits)

    # ------------------------------------------------------------------ projections

    def found(self, key: tuple) -> Any | None:
        """A projection finished before."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
            return self._found.get(key)

    def remember(self, key: tuple, found: Any) -> None:
        """Keeps a finished projection; the one unused for longest is dropped."""
        with self._lock:
            self._found[key] = found
            while len(self._found) > FOUND:
                self._found.popitem(last=False)


@lru_cache(maxsize=512)
def draw_face(seed: int) -> Any:
    """uint8 (64, 64, 3): a training face, drawn again from its seed."""
    from playground.data import faces

    return faces.draw(faces.sample(seed))


def following(seed: int, count: int) -> list[int]:
    """`count` seeds from `seed` on, going round at 2³²."""
    return [(seed + i) % 2**32 for i in range(count)]
