"""Checkpoint folder → card → network.

A checkpoint is a folder that could be pushed to the Hugging Face Hub as it is: weights in safetensors, a config, and
a `README.md` whose YAML front matter is the only metadata. The registry knows no family by name: the card's `family`
is a module of `playground.models` with a function `load(folder) -> nn.Module`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from torch import nn

import playground.models
from playground.api import ModelCard, PlaygroundError

CHECKPOINTS = Path(__file__).resolve().parent.parent / "assets" / "checkpoints"
REQUIRED = ("family", "title", "data", "shape")
HUB_KEYS = ("license",)  # keys of the Hub's own vocabulary, at the top level of the front matter


def families() -> list[str]:
    """Modules in `playground.models` that define a family (they have a `load`)."""
    names = [m.name for m in pkgutil.iter_modules(playground.models.__path__)]
    return sorted(n for n in names if hasattr(importlib.import_module(f"playground.models.{n}"), "load"))


def discover(root: Path = CHECKPOINTS) -> dict[str, ModelCard]:
    """Name → card of every folder in `root` that has a readable card. A folder without one is passed over."""
    folders = sorted(p.parent for p in root.glob("*/README.md")) if root.is_dir() else []
    cards = {}
    for folder in folders:
        try:
            cards[folder.name] = read_card(folder)
        except PlaygroundError:
            continue  # `read_card` on the folder says why; one broken folder must not hide the others
    return cards


def read_card(folder: Path) -> ModelCard:
    """The card of one checkpoint folder.

    Raises:
        PlaygroundError: no `README.md`, no front matter, not YAML, or a required key is missing or of the wrong type.
    """
    path = folder / "README.md"
    if not path.is_file():
        raise PlaygroundError(f"{folder.name} has no README.md. A checkpoint folder needs one with a model card.")
    try:
        front, _, body = path.read_text(encoding="utf-8").removeprefix("---\n").partition("\n---\n")
        data = yaml.safe_load(front)
        own = data["playground"]
        missing = [k for k in REQUIRED if k not in own]
    except (yaml.YAMLError, TypeError, KeyError, UnicodeDecodeError):
        raise PlaygroundError(
            f"The card of {folder.name} cannot be read: its README.md must open with YAML front matter "
            "(between two lines of ---) that has a section 'playground'."
        ) from None
    if missing:
        raise PlaygroundError(f"The card of {folder.name} lacks {', '.join(missing)} in its 'playground' section.")
    return _card(folder, data, own, body)


def _card(folder: Path, data: dict[str, Any], own: dict[str, Any], body: str) -> ModelCard:
    known = {f.name for f in dataclasses.fields(ModelCard)}
    values = {k: v for k, v in own.items() if k in known}
    values |= {k: data[k] for k in HUB_KEYS if k in data}
    try:
        channels, height, width = (int(n) for n in own["shape"])
        values |= {"shape": (channels, height, width), "labels": tuple(str(x) for x in own.get("labels") or ())}
    except (TypeError, ValueError):
        raise PlaygroundError(f"The card of {folder.name}: shape must be [channels, height, width].") from None
    values.setdefault("summary", body.strip().split("\n\n")[0])
    return ModelCard(**values | {"name": folder.name, "folder": folder})


def write_card(folder: Path, front: dict[str, Any], body: str) -> None:
    """Writes `README.md`, adding the digest of every weight file in the folder."""
    front["playground"]["digests"] = {
        str(p.relative_to(folder)): sha256(p) for p in sorted(folder.rglob("*.safetensors"))
    }
    text = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=110)
    (folder / "README.md").write_text(f"---\n{text}---\n\n{body.strip()}\n", encoding="utf-8")


def read_front(folder: Path) -> tuple[dict[str, Any], str]:
    """Raw front matter and body, for those who add a section to a card (scores)."""
    front, _, body = (folder / "README.md").read_text(encoding="utf-8").removeprefix("---\n").partition("\n---\n")
    return yaml.safe_load(front), body


def load(card: ModelCard) -> nn.Module:
    """The network of a card, on the CPU, in evaluation mode, with `.card` set.

    Raises:
        PlaygroundError: unknown family, a digest that does not match, or weights that do not fit the network.
    """
    if card.family not in families():
        raise PlaygroundError(f"{card.name} is of family {card.family!r}. Known: {', '.join(families())}.")
    check_digests(card)
    module = importlib.import_module(f"playground.models.{card.family}")
    try:
        model = module.load(card.folder)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise PlaygroundError(
            f"The weights of {card.name} do not fit its network ({reason}). Fetch the folder again, or train it: "
            f"python -m playground train {card.recipe or card.name}."
        ) from error
    model.card = card
    return model.eval().requires_grad_(False)


def check_digests(card: ModelCard) -> None:
    """Compares every weight file with the digest on the card.

    Raises:
        PlaygroundError: a file is missing, has no digest, or differs.
    """
    files = {str(p.relative_to(card.folder)): p for p in card.folder.rglob("*.safetensors")}
    for name in sorted(set(files) | set(card.digests)):
        if name not in files:
            raise PlaygroundError(f"{card.name} lacks its weight file {name}. Fetch the folder again.")
        if card.digests.get(name) != sha256(files[name]):
            raise PlaygroundError(
                f"The digest of {card.name}/{name} is not the one on its card: the file is damaged or was changed. "
                "Fetch the folder again."
            )


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
