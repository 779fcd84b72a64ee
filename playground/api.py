"""The whole contract between the engine, the models and whoever shows their pictures.

Three ideas carry everything:

* A *card* (`ModelCard`) says what a checkpoint is. It is read from the folder's `README.md`.
* A *frame* (`Frame`) is a picture in the making. A sampler is a generator of frames; the last one is the result.
* A *capability* is a protocol a model may implement. Nobody asks for a model's name or class, only
  `isinstance(model, Decoder)`.

Conventions: pictures are float32 tensors of shape (N, C, H, W) in [0, 1]; latents are float32 of shape (N, *latent);
seeds are integers in [0, 2³²); noise is always drawn on the CPU, one generator per sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

MAX_SEED = 2**32 - 1
ANY = "any"  # value of an attribute's control: nothing is asked for, the seed decides


class PlaygroundError(ValueError):
    """Something a visitor can mend. The message says what was given, what is allowed and what to do."""


@dataclass(frozen=True)
class Field:
    """One declared value: a model's control or an entry of a tab's state.

    The same declaration makes the slider, checks a request, restores an address and writes `--set name=value`.

    Args:
        name: key in the flat, JSON-able state.
        kind: "int", "float", "choice", "bool" or "text".
        default: the value at rest; what "reset" goes back to.
        low, high: inclusive range of a number.
        step: grid of a slider; a value between grid points is allowed.
        choices: allowed values of a "choice", in the order shown.
        length: longest allowed "text".
        label, info: what the visitor reads beside the control.
    """

    name: str
    kind: str
    default: Any
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    length: int = 200
    label: str = ""
    info: str = ""

    def check(self, value: Any) -> Any:
        """The value in its declared type, or a `PlaygroundError` that says what is allowed."""
        if self.kind == "bool":
            return self._bool(value)
        if self.kind == "choice":
            if value in self.choices:
                return value
            raise self._error(value, "one of " + ", ".join(self.choices))
        if self.kind == "text":
            if isinstance(value, str) and len(value) <= self.length:
                return value
            raise self._error(value, f"text of at most {self.length} characters")
        return self._number(value)

    def restore(self, value: Any) -> Any:
        """Like `check`, but an unusable value becomes the default: for addresses and saved files."""
        try:
            return self.check(value)
        except PlaygroundError:
            return self.default

    def _bool(self, value: Any) -> bool:
        if isinstance(value, str) and value.lower() in ("true", "false", "1", "0"):
            return value.lower() in ("true", "1")
        if isinstance(value, bool):
            return value
        raise self._error(value, "true or false")

    def _number(self, value: Any) -> int | float:
        allowed = f"{'a whole number' if self.kind == 'int' else 'a number'} from {self.low:g} to {self.high:g}"
        if isinstance(value, bool) or value is None:
            raise self._error(value, allowed)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise self._error(value, allowed) from None
        if not math.isfinite(number) or not self.low <= number <= self.high:
            raise self._error(value, allowed)
        if self.kind == "float":
            return number
        if number != int(number):
            raise self._error(value, allowed)
        return int(number)

    def _error(self, value: Any, allowed: str) -> PlaygroundError:
        return PlaygroundError(
            f"{self.label or self.name} was {str(value)[:60]!r}. It must be {allowed}. "
            f"Try {self.default!r}, its usual value."
        )


@dataclass(frozen=True)
class ModelCard:
    """What a checkpoint folder says of itself (front matter of its `README.md`).

    Attributes:
        name: folder name, e.g. "vae-mnist-2d"; family: module in `playground.models`.
        data: name of the data set; shape: (C, H, W) of a picture.
        labels: names of the classes the model can be asked for; empty where it cannot.
        year, paper: place of the idea in the field's history and where to read it.
        parameters: number of weights; recipe, minutes, hardware: how it was trained.
        digests: file name → sha256 of every weight file.
        scores: measured by `python -m playground evaluate`, never typed in.
    """

    name: str
    family: str
    title: str
    data: str
    shape: tuple[int, int, int]
    folder: Path
    labels: tuple[str, ...] = ()
    year: int = 0
    paper: str = ""
    license: str = "apache-2.0"
    credit: str = ""
    summary: str = ""
    parameters: int = 0
    recipe: str = ""
    minutes: float = 0.0
    hardware: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """A picture as it stands after `step` of `total` steps.

    Attributes:
        images: (N, C, H, W) in [0, 1], the best present guess at the result.
        views: further lanes of the same shape, e.g. {"x_t": …, "x0": …, "eps": …} of a diffusion step.
        state: what is needed to go on from here, (N, *latent); a diffusion step's raw x_t.
        info: small facts of this step (t, σ, network calls, a loss …).
    """

    images: Tensor
    step: int = 1
    total: int = 1
    views: Mapping[str, Tensor] = field(default_factory=dict)
    state: Tensor | None = None
    info: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Posterior:
    """A diagonal Gaussian over latents, (N, d) each. A plain autoencoder has std 0."""

    mean: Tensor
    std: Tensor


@runtime_checkable
class Model(Protocol):
    """Every checkpoint: it knows its card (set by the registry) and keeps nothing of a request."""

    card: ModelCard


@runtime_checkable
class Sampler(Protocol):
    """Makes pictures from seeds.

    `controls` declares every keyword that `sample` takes beside the common ones, so that a command line, a page and
    a check can be made from it. `latents` replaces the seeds' own noise (for interpolation); the seeds then still
    drive whatever later randomness the sampler has. `labels` are class indices, for a model whose card has labels.
    """

    controls: tuple[Field, ...]

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """Starting noise of each seed, float32 (N, *latent) on the CPU."""

    def sample(
        self, seeds: Sequence[int], *, latents: Tensor | None = None, labels: Tensor | None = None, **controls: Any
    ) -> Iterator[Frame]:
        """Frames up to the result."""


@runtime_checkable
class Askable(Protocol):
    """Can be asked for attributes: each is a control ("any" leaves it to the seed) and has its place in the latents."""

    def asked(self, latents: Tensor) -> Tensor:
        """(N, *latent) → (N, A), the values the latents stand for, as positions in the data's attributes."""

    def wish(self, latents: Tensor, wishes: Mapping[str, str]) -> Tensor:
        """The latents with the attributes written over for which a value is given."""


@runtime_checkable
class Decoder(Protocol):
    """Has a latent space in which any point can be decoded in one call."""

    def decode(self, z: Tensor) -> Tensor:
        """(N, d) latents → (N, C, H, W) pictures."""


@runtime_checkable
class Encoder(Protocol):
    """Finds a picture's place in latent space."""

    def encode(self, x: Tensor) -> Posterior:
        """(N, C, H, W) pictures → posterior over (N, d) latents."""


@runtime_checkable
class Critic(Protocol):
    """Has an opinion on how real a picture looks."""

    def criticise(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """(N, C, H, W) → (N,) logits; above zero leans towards "real"."""


@runtime_checkable
class Repairer(Protocol):
    """Fills in the damaged part of a picture."""

    def repair(self, x: Tensor, mask: Tensor, seeds: Sequence[int], labels: Tensor | None = None) -> Iterator[Frame]:
        """x: (N, C, H, W); mask: (N, 1, H, W), 1 where the picture is known, 0 where it is to be made up."""


@runtime_checkable
class Likelihood(Protocol):
    """Can say how likely a picture is under the model.

    `pixels` says of what kind of picture: "bernoulli" (black and white; grey is rounded), "dequantised" (256 levels,
    a uniform draw added within each level), "gaussian" (a density over grey values) or "plane" (a point).
    """

    pixels: str

    def log_prob(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N,) nats (a bound where the family only has a bound; the card states the protocol)."""


@runtime_checkable
class Measured(Protocol):
    """Can measure what only its own family has: a partition function, the error of an inverse, codes in use."""

    def own_scores(self, test: Any) -> dict[str, dict[str, Any]]:
        """Test data (`playground.data.Dataset`) → groups of scores, each with the "protocol" it was taken by."""


@runtime_checkable
class Classifier(Protocol):
    """A frozen judge: the feature space of the metrics and the labels of the accuracies.

    `heads` names the attributes it answers for, in the order of `classify`, with their values.
    """

    heads: Mapping[str, tuple[str, ...]]

    def features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, F)."""

    def classify(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) → one (N, K) logits tensor per attribute (a single one for digits)."""


def fields_by_name(fields: Sequence[Field]) -> dict[str, Field]:
    """The declared fields, keyed by name, in their order."""
    return {f.name: f for f in fields}


def check_settings(fields: Sequence[Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults overlaid with the given values, every one checked; an unknown name is an error."""
    known = fields_by_name(fields)
    for name in given:
        if name not in known:
            raise PlaygroundError(f"There is no control {name!r} here. Known: {', '.join(known) or 'none'}.")
    return {name: f.check(given.get(name, f.default)) for name, f in known.items()}


def check_seeds(seeds: Sequence[int]) -> list[int]:
    """The seeds as integers in [0, 2³²), or a `PlaygroundError`."""
    one = Field("seed", "int", 0, 0, MAX_SEED, label="The seed")
    if isinstance(seeds, (int, float, str)) or not 1 <= len(seeds) <= 4096:
        raise PlaygroundError(f"Seeds must be a list of 1 to 4096 whole numbers; {str(seeds)[:60]!r} was given.")
    return [one.check(s) for s in seeds]
