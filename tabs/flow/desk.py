"""What the flow page needs beside the networks: example pictures, and directions measured on drawn faces.

Everything here follows from a checkpoint alone and is worked out once per engine.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from playground.api import ModelCard, PlaygroundError
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import digits
from tabs.flow.state import ATTRIBUTES, fits

PEOPLE = 32  # drawn twice for each attribute, with and without
PIXELS = 50_000  # numbers per turn on the device
LATEST = 24  # journeys kept
HAVE = {  # attribute → (what is changed, with it, without it); a factor's two ends for "turn"
    "smile": ("mouth", "smile", "sad"),
    "glasses": ("glasses", "square", "none"),
    "hat": ("hat", "beanie", "none"),
    "beard": ("facial_hair", "beard", "none"),
    "long_hair": ("hair", "long", "short"),
    "turn": ("turn", 0.7, -0.7),
}
TRAIN = {"plane": "realnvp-2d", "faces": "glow-faces"}  # what to train where nothing fits


@dataclass(frozen=True)
class Trip:
    """Points on their way through the layers, from data to noise.

    Attributes:
        places: (L+1, N, 2) where each point is, the data first; the plane's units at both ends.
        log_dets: (L, N) what each layer adds to log p. base: (N,) log density of the noise at the end.
    """

    places: Tensor
    log_dets: Tensor
    base: Tensor

    @property
    def log_p(self) -> Tensor:
        """(N,) exact log density of the data end, in nats and plane units."""
        return self.base + self.log_dets.sum(0)


@lru_cache(maxsize=8)
def desk_of(engine: Engine) -> Desk:
    """The one desk of an engine."""
    return Desk(engine)


class Desk(ui.Keeper):
    """Short calls on the flows of one engine, and what is kept of them."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._recent: OrderedDict[tuple, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._busy: dict[tuple, threading.Lock] = {}

    def recent(self, key: tuple, make: Callable[[], Any]) -> Any:
        """Like `keep`, for what depends on a visitor's settings: only the latest few stay."""
        with self._busy.setdefault(key, threading.Lock()):  # a page asks for a journey twice at once: made once
            with self._lock:
                found = self._recent.get(key)
            made = make() if found is None else found
            with self._lock:
                self._recent[key] = made
                self._recent.move_to_end(key)
                while len(self._recent) > LATEST:
                    self._recent.popitem(last=False)
                self._busy.pop(key, None)
        return made

    # ------------------------------------------------------------------ networks

    def cards(self, mode: str, also: Sequence[str] = ()) -> list[ModelCard]:
        """Flows that suit a mode and can be opened, the newest idea first."""
        cards = [card for card in self.engine.cards(also=also) if card.family == "flow" and fits(card, mode)]
        cards = [card for card in cards if self.opens(card.name)]
        return sorted(cards, key=lambda card: (-card.year, card.data != "mnist", card.name))

    def opens(self, name: str) -> bool:
        """Whether the weights are whole."""
        try:
            self.engine.model(name)
        except PlaygroundError:
            return False
        return True

    def fitting(self, name: str, mode: str) -> str:
        """The model if it suits the mode, else the first that does."""
        names = [card.name for card in self.cards(mode, also=[name])]
        if not names:
            recipe = TRAIN.get(mode, "nice-mnist")
            raise PlaygroundError(f"No flow for this is here yet. Train one: python -m playground train {recipe}.")
        return name if name in names else names[0]

    def model(self, name: str) -> nn.Module:
        """The network of a checkpoint."""
        return self.engine.model(name)

    def encode(self, name: str, x: Tensor) -> Tensor:
        """(N, C, H, W) → noise (N, D), on the CPU."""
        model = self.model(name)
        return self.engine.call(lambda: model.encode(x.to(self.engine.device)).mean).float().cpu()

    def decode(self, name: str, z: Tensor) -> Tensor:
        """(N, D) → (N, C, H, W), on the CPU."""
        model = self.model(name)
        return self.engine.call(lambda: model.decode(z.to(self.engine.device))).float().cpu()

    def log_prob(self, name: str, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N,) nats, a few pictures per turn."""
        model = self.model(name)
        parts = [self.engine.call(lambda p=p: model.log_prob(p.to(self.engine.device))) for p in x.split(self.chunk(x))]
        return torch.cat(parts).double().cpu()

    def bits(self, name: str, x: Tensor) -> Tensor:
        """(N,) bits per dimension."""
        return -self.log_prob(name, x) / (x[0].numel() * torch.log(torch.tensor(2.0, dtype=torch.float64)))

    def sample(self, name: str, seeds: Sequence[int], temperature: float) -> Tensor:
        """Pictures of some seeds, (N, C, H, W)."""
        return self.engine.run(name, list(seeds), temperature=temperature).images.float().cpu()

    def usual(self, name: str) -> float:
        """Average bits per dimension of some test pictures."""
        return self.keep(("usual", name), lambda: float(self.bits(name, self.examples(name, self.few(name))).mean()))

    def few(self, name: str) -> range:
        """Numbers of some test pictures, fewer where they are large."""
        return range(0, 500, 12 if self.engine.card(name).shape[1] < 64 else 50)

    def noise_of(self, name: str, x: Tensor, seed: int) -> Tensor:
        """(1, C, H, W) → its noise (1, D), with the seed's draw between the grey levels."""
        model = self.model(name)
        return self.engine.call(
            lambda: model.base_normal(model(self._spread(name, x, seed))[0].flatten(1)).float().cpu()
        )

    def back(self, name: str, x: Tensor, seed: int) -> tuple[Tensor, float]:
        """The picture that comes back from `noise_of`, (1, C, H, W), and the largest error of a pixel."""
        model = self.model(name)

        def go() -> tuple[Tensor, float]:
            y = self._spread(name, x, seed)
            back = model.inverse(model(y)[0])
            return back.float().cpu(), float((back - y).abs().max())

        return self.engine.call(go)

    def _spread(self, name: str, x: Tensor, seed: int) -> Tensor:
        u = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed(seed))
        return self.model(name).dequantise(x.to(self.engine.device), u.to(self.engine.device))

    def shell(self, name: str, x: Tensor) -> Tensor:
        """(N, C, H, W) → |z|²/D of each, (N,): 1 for noise. The same u as in `log_prob` for all."""
        model = self.model(name)

        def go(part: Tensor) -> Tensor:
            return model.base_normal(model(self._spread(name, part, 0))[0].flatten(1)).double().square().mean(1).cpu()

        return torch.cat([self.engine.call(lambda p=p: go(p)) for p in x.split(self.chunk(x))])

    @staticmethod
    def chunk(x: Tensor) -> int:
        """Pictures per turn on the device in work that somebody else should not wait for."""
        return max(1, PIXELS // x[0].numel())

    # ------------------------------------------------------------------ the plane

    def density(self, name: str, wanted: str) -> int:
        """Class of a density; a `PlaygroundError` where the model has not learned it."""
        labels = self.engine.card(name).labels
        if wanted not in labels:
            raise PlaygroundError(f"{name} has not learned {wanted!r}. It knows: {', '.join(labels) or 'none'}.")
        return labels.index(wanted)

    def trip(self, name: str, points: Tensor, label: int) -> Trip:
        """Data points (N, 2) of the plane → their way to noise."""
        model, x = self.model(name), points.to(self.engine.device)
        labels = torch.full((len(x),), label, device=x.device)

        def go() -> Trip:
            steps = model.through(x, labels)
            places = torch.stack([x, *(h for h, _ in steps)])
            log_dets = torch.stack([log_det for _, log_det in steps])
            return Trip(places.float().cpu(), log_dets.float().cpu(), model.log_base(places[-1]).float().cpu())

        return self.engine.call(go)

    def from_noise(self, name: str, z: Tensor, label: int) -> Tensor:
        """Noise (N, 2) → data points (N, 2) of the plane."""
        model, z = self.model(name), z.to(self.engine.device)
        labels = torch.full((len(z),), label, device=z.device)
        return self.engine.call(lambda: model.inverse(z, labels)).float().cpu()

    # ------------------------------------------------------------------ examples

    def examples(self, name: str, indices: Sequence[int]) -> Tensor:
        """Pictures the network has not trained on: shipped test digits, or faces drawn from test seeds."""
        if self.engine.card(name).data == "mnist":
            return digits()[0][list(indices)]
        return self.faces([first_test_seed() + i for i in indices])

    def faces(self, seeds: Sequence[int]) -> Tensor:
        """Drawn faces, float (N, 3, 64, 64)."""
        from playground.data import faces

        images, _ = faces.dataset(seeds)
        return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255

    # ------------------------------------------------------------------ directions

    def direction(self, name: str, attribute: str) -> Tensor:
        """(D,) mean noise of drawn people with the attribute minus mean noise of the same people without it."""
        return self.keep(("direction", name, attribute), lambda: self._direction(name, attribute))

    def _direction(self, name: str, attribute: str) -> Tensor:
        total = torch.zeros(())
        for seed in range(0, PEOPLE, 4):
            with_it, without = zip(*(drawn_pair(one, attribute) for one in range(seed, seed + 4)))
            total = total + (self.encode(name, torch.stack(with_it)) - self.encode(name, torch.stack(without))).sum(0)
        return total / PEOPLE

    def prepare(self) -> None:
        """Works out in advance what takes a noticeable time, the first page first."""
        for card in self.cards("pictures"):
            self.usual(card.name)
        for card in self.cards("faces"):
            for attribute in ATTRIBUTES:
                self.direction(card.name, attribute)


def drawn_pair(seed: int, attribute: str) -> tuple[Tensor, Tensor]:
    """One training face with and without an attribute, (3, 64, 64) each; all else is the same."""
    from playground.data import faces

    face, (key, *sides) = faces.sample(seed), HAVE[attribute]
    pair = []
    for value in sides:
        part = "factors" if key in face.factors else "attributes"
        changed = dataclasses.replace(face, **{part: {**getattr(face, part), key: value}})
        pair.append(torch.from_numpy(faces.draw(changed)).permute(2, 0, 1).float() / 255)
    return pair[0], pair[1]


def first_test_seed() -> int:
    """Where the seeds of faces begin that no network has seen."""
    from playground.data import faces

    return faces.TEST_SEEDS[0]
