"""A checkpoint folder as one .zip, and back: what comes from outside is looked at closely before any of it is used."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import yaml
from safetensors import SafetensorError, safe_open

from playground import registry
from playground.api import ModelCard, PlaygroundError
from playground.engine import Engine

LARGEST = 64 * 2**20  # bytes of a zip, and of what is in it
MOST_FILES = 24
NAMES = {  # the files of which checkpoint folders are made
    "README.md", "config.json", "model.safetensors", "model_index.json", "scheduler_config.json",
    "diffusion_pytorch_model.safetensors", "curves.svg", "curves.png",
}  # fmt: skip
FOLDERS = {"", "unet", "vqvae", "scheduler"}
OWN_FAMILIES = ("vae", "gan", "diffusion", "autoregressive", "energy", "flow")
DAMAGED = "The file is damaged, or it is not a .zip. Download it again and load it whole."


def pack(folder: Path) -> bytes:
    """The folder as a zip; safetensors hardly shrink, so they are stored as they are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return out.getvalue()


def unpack(content: bytes, engine: Engine) -> ModelCard:
    """Checks a zip and takes the checkpoint in it over as one of the visitor's own models; its card.

    Raises:
        PlaygroundError: too large, not a zip, files that do not belong there, weights that cannot be read.
    """
    if len(content) > LARGEST:
        raise PlaygroundError(
            f"The file weighs {len(content) / 2**20:.0f} MB; at most {LARGEST // 2**20} MB are taken."
        )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "checkpoint"
        folder.mkdir()
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for entry, name in _checked(archive).items():
                    path = folder / name
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(_read(archive, entry))
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, RuntimeError):
            raise PlaygroundError(DAMAGED) from None
        _check_weights(folder)
        card = registry.read_card(folder)
        if card.family not in OWN_FAMILIES:
            raise PlaygroundError(
                f"There is no family {str(card.family)[:30]!r} here. Load a model of this playground."
            )
        return _adopted(engine, folder)


def _checked(archive: zipfile.ZipFile) -> dict[zipfile.ZipInfo, PurePosixPath]:
    """The entries to take and where each goes; a single folder around everything is left away."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > LARGEST:
        raise PlaygroundError(f"The .zip holds too much: at most {MOST_FILES} files of {LARGEST // 2**20} MB together.")
    paths = {entry: PurePosixPath(entry.filename) for entry in entries}
    for path in paths.values():
        if path.is_absolute() or ".." in path.parts or "\\" in str(path) or ":" in str(path):
            raise PlaygroundError("The .zip wants to write outside its folder, so it was not opened.")
    around = {path.parts[0] for path in paths.values()} if all(len(p.parts) > 1 for p in paths.values()) else set()
    if len(around) == 1:
        paths = {entry: PurePosixPath(*path.parts[1:]) for entry, path in paths.items()}
    for path in paths.values():
        if path.name not in NAMES or str(path.parent).removeprefix(".") not in FOLDERS:
            raise PlaygroundError(f"The .zip holds {str(path)[:60]!r}, which is no part of a checkpoint. Remove it.")
    if PurePosixPath("README.md") not in paths.values():
        raise PlaygroundError("The .zip has no README.md, the model card. Load a checkpoint downloaded from here.")
    return paths


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """An entry's bytes, never more than it says it has."""
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise PlaygroundError(DAMAGED)
    return content


def _check_weights(folder: Path) -> None:
    files = sorted(folder.rglob("*.safetensors"))
    if not files:
        raise PlaygroundError(
            "The .zip holds no weights (a .safetensors file). Load a checkpoint downloaded from here."
        )
    for path in files:
        try:
            with safe_open(path, "pt") as file:
                for key in file.keys():  # noqa: SIM118 (safe_open is no dict)
                    file.get_slice(key).get_shape()
        except (SafetensorError, OSError):
            raise PlaygroundError(f"The weights in {path.name} are damaged. Download the checkpoint again.") from None


def _adopted(engine: Engine, folder: Path) -> ModelCard:
    try:
        return engine.adopt(folder)
    except PlaygroundError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, yaml.YAMLError) as error:
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise PlaygroundError(
            f"The checkpoint does not open ({reason}). Download it again, or train it anew."
        ) from None
