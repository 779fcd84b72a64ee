"""What a visitor's training is: one flat set of checked values from which everything else follows.

Two trainings of the same plan end in the same weights, bit for bit, on the same kind of device: the pictures, their
order, the initial weights and all noise come from the plan's seed. So a plan is also what a job keeps on disk, what the
card of the result carries, and what "copy as Python" writes.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from playground.api import MAX_SEED, Field, PlaygroundError, check_settings
from playground.metrics.neighbours import pack, unpack

WHATS = ("vae", "gan", "diffusion", "pixelcnn", "rbm")
DATA = ("mnist", "faces", "drawings")
COURSES = {  # classes of each part of the training; "all" is one part
    "all": ("0123456789",),
    "two halves": ("01234", "56789"),
    "two more": ("01234567", "89"),
    "in pairs": ("01", "23", "45", "67", "89"),
}
SHIPPED = {  # what a training may start from, besides noise
    ("vae", "mnist"): "vae-mnist", ("vae", "drawings"): "vae-mnist", ("vae", "faces"): "vae-faces",
    ("gan", "mnist"): "gan-mnist", ("gan", "drawings"): "gan-mnist", ("gan", "faces"): "gan-faces",
    ("diffusion", "mnist"): "diffusion-mnist", ("diffusion", "drawings"): "diffusion-mnist",
    ("pixelcnn", "mnist"): "pixelcnn-mnist", ("pixelcnn", "drawings"): "pixelcnn-mnist",
    ("rbm", "mnist"): "rbm-mnist", ("rbm", "drawings"): "rbm-mnist",
}  # fmt: skip
MOST_DRAWINGS, FEWEST_DRAWINGS = 200, 3
MOST_FACES = 2_000
SIDE, PACKED = 28, 392  # pixels of a drawing's side; bytes of it with 16 grey levels

FIELDS = (
    Field("what", "choice", "vae", choices=WHATS, label="Network"),
    Field("data", "choice", "mnist", choices=DATA, label="Learns from"),
    Field("start", "choice", "scratch", choices=("scratch", "checkpoint"), label="Starts as",
          info="A blank network, or one that already knows digits or faces."),
    Field("freeze", "bool", False, label="Keep the early layers",
          info="What a trained network knows of strokes stays as it is; only later layers learn."),
    Field("updates", "int", 2000, 20, 30_000, 10, label="Updates"),
    Field("pictures", "int", 5000, 4, 20_000, label="Pictures to learn from",
          info="Fewer are soon known by heart. Of faces at most 2,000 are drawn."),
    Field("rate", "float", 1.0, 0.0, 1e9, label="Learning rate, × the usual",
          info="1 is what suits this network. Far more, and it explodes."),
    Field("dropout", "float", 0.0, 0.0, 0.7, 0.05, label="Dropout",
          info="Share of the units that are switched off by chance at each update."),
    Field("decay", "float", 0.0, 0.0, 1.0, 0.01, label="Weight decay",
          info="At each update every weight shrinks by this times the learning rate."),
    Field("augment", "bool", False, label="Shift and turn the pictures",
          info="Every picture is moved a little each time it is seen, so that no two looks are alike."),
    Field("ema", "bool", True, label="Average the weights (EMA)", info="The average of the last updates is shown."),
    Field("course", "choice", "all", choices=tuple(COURSES), label="Classes come"),
    Field("replay", "float", 0.0, 0.0, 1.0, 0.05, label="Replay",
          info="Share of old classes among the pictures while new ones are learned."),
    Field("grow", "bool", False, label="Grow from 8 to 64 pixels",
          info="Begins with tiny pictures; finer layers are faded in one after another."),
    Field("held", "float", 0.2, 0.0, 0.5, 0.05, label="Drawings kept aside",
          info="They are never learned from; they show whether it learned or only memorised."),
    Field("seed", "int", 0, 0, MAX_SEED, label="Seed"),
    Field("drawings", "text", "", length=MOST_DRAWINGS * 525, label="Drawings"),
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """All that determines a training; every value is declared in `FIELDS`.

    Raises:
        PlaygroundError: a value outside its range, or values that do not go together.
    """

    what: str = "vae"
    data: str = "mnist"
    start: str = "scratch"
    freeze: bool = False
    updates: int = 2000
    pictures: int = 5000
    rate: float = 1.0
    dropout: float = 0.0
    decay: float = 0.0
    augment: bool = False
    ema: bool = True
    course: str = "all"
    replay: float = 0.0
    grow: bool = False
    held: float = 0.2
    seed: int = 0
    drawings: str = ""

    def __post_init__(self) -> None:
        checked = check_settings(FIELDS, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self._check_together()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Plan:
        """A plan from a mapping; missing values are at their usual ones, an unknown name is a `PlaygroundError`."""
        return cls(**check_settings(FIELDS, given))

    def told(self) -> dict[str, Any]:
        """The plan as JSON-able values, without what stands at its default."""
        return {f.name: getattr(self, f.name) for f in FIELDS if getattr(self, f.name) != f.default}

    @property
    def phases(self) -> tuple[tuple[int, ...], ...]:
        """Classes of each part of the training, in order."""
        return tuple(tuple(int(c) for c in part) for part in COURSES[self.course])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of a picture."""
        return (3, 64, 64) if self.data == "faces" else (1, SIDE, SIDE)

    @property
    def checkpoint(self) -> str:
        """The shipped checkpoint it starts from, or ""."""
        return SHIPPED[self.what, self.data] if self.start == "checkpoint" else ""

    def why_not(self, name: str) -> str:
        """Why a value has no effect in this plan, or ""."""
        reasons = {
            "freeze": "" if self.start == "checkpoint" else "A blank network knows nothing worth keeping.",
            "course": "Only digits have classes to come one after another." if self.data != "mnist" else "",
            "replay": "All classes come together here; there is nothing old to replay." if self.course == "all" else "",
            "grow": "Only a VAE or GAN of faces grows." if not self._can_grow() else "",
            "held": "Digits and faces have test pictures of their own." if self.data != "drawings" else "",
            "pictures": "It learns from your drawings." if self.data == "drawings" else "",
            "dropout": "A Boltzmann machine throws its units by chance anyway." if self.what == "rbm" else "",
        }
        if self.what == "rbm" and name == "freeze":
            return "A Boltzmann machine has one layer only."
        return reasons.get(name, "")

    def _can_grow(self) -> bool:
        return self.data == "faces" and self.what in ("vae", "gan") and self.start == "scratch"

    def _check_together(self) -> None:
        if (self.what, self.data) not in SHIPPED:
            raise PlaygroundError(
                f"Colour faces of 64 × 64 pixels are too much here for a {NAMES[self.what]}. Choose a VAE or a GAN, or "
                "let it learn digits."
            )
        if self.grow and not self._can_grow():
            raise PlaygroundError("Only a blank VAE or GAN of faces can grow from 8 to 64 pixels. Switch growing off.")
        if self.course != "all" and self.data != "mnist":
            raise PlaygroundError("Classes can come one after another only with digits. Let all come together.")
        if self.data == "drawings":
            check_drawings(self.drawings, self.held)


NAMES = {"vae": "VAE", "gan": "GAN", "diffusion": "diffusion model", "pixelcnn": "PixelCNN",
         "rbm": "Boltzmann machine"}  # fmt: skip


def pack_drawing(picture: Tensor, label: int) -> str:
    """One drawing as text: its class and 28×28 pixels of 16 grey levels.

    Args:
        picture: (1, 28, 28) or (28, 28) in [0, 1]. label: 0…9.
    """
    pixels = (picture.reshape(SIDE, SIDE).clamp(0, 1) * 255).round().to(torch.uint8)
    text = base64.urlsafe_b64encode(pack(pixels).numpy().tobytes()).decode("ascii").rstrip("=")
    return f"{int(label)}{text}"


def unpack_drawings(text: str) -> tuple[Tensor, Tensor]:
    """Drawings (N, 1, 28, 28) uint8 and their classes int64 (N,), from packed ones joined by dots."""
    parts = [part for part in text.split(".") if part]
    if len(parts) > MOST_DRAWINGS:
        raise PlaygroundError(f"There are {len(parts)} drawings; at most {MOST_DRAWINGS} fit. Delete some.")
    pictures = [_unpacked(part, i) for i, part in enumerate(parts, 1)]
    labels = torch.tensor([int(part[0]) for part in parts], dtype=torch.int64)
    return torch.stack(pictures) if pictures else torch.zeros(0, 1, SIDE, SIDE, dtype=torch.uint8), labels


def join(drawings: Sequence[str]) -> str:
    """Packed drawings as one text."""
    return ".".join(drawings)


def check_drawings(text: str, held: float) -> None:
    """Enough drawings to learn from, or a `PlaygroundError` that says how many are needed."""
    pictures, _ = unpack_drawings(text)
    count = len(pictures)
    if count == 0:
        raise PlaygroundError("There are no drawings yet. Draw a few digits, about twenty, or take the example ones.")
    if count == 1:
        raise PlaygroundError(
            "One drawing is not enough: a network can only copy it, and nothing would be left to check against. "
            f"Draw at least {FEWEST_DRAWINGS}, better twenty."
        )
    if count < FEWEST_DRAWINGS:
        raise PlaygroundError(f"{count} drawings are too few. Draw at least {FEWEST_DRAWINGS}, better twenty.")
    if count - kept_aside(count, held) < 2:
        raise PlaygroundError("Too many drawings are kept aside: fewer than two are left to learn from. Keep fewer.")


def kept_aside(count: int, held: float) -> int:
    """How many of `count` drawings are never learned from: one at least, unless the share is 0."""
    return 0 if held == 0 else max(1, round(held * count))


def _unpacked(part: str, number: int) -> Tensor:
    try:
        raw = base64.b64decode(part[1:].encode("ascii") + b"==", altchars=b"-_", validate=False)
        if not part[0].isdecimal() or not part[0].isascii() or len(raw) != PACKED:
            raise ValueError
    except (ValueError, binascii.Error, UnicodeEncodeError):
        raise PlaygroundError(f"Drawing {number} did not arrive whole. Delete it and draw it again.") from None
    return unpack(torch.frombuffer(bytearray(raw), dtype=torch.uint8).reshape(SIDE, SIDE // 2))[None]
