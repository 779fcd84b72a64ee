"""One tab, one module. A module of this package that defines `TITLE`, `ORDER` and `build(engine)` is a tab."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def discover() -> list[ModuleType]:
    """The tabs in the order shown; modules whose name opens with an underscore are shared helpers."""
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return sorted((m for m in modules if hasattr(m, "build")), key=lambda m: m.ORDER)


def name_of(module: ModuleType) -> str:
    """The tab's short name, as it stands in an address: `tabs.vae` → "vae"."""
    return module.__name__.rpartition(".")[2]
