"""The HTML of the train tab's stage, and its explanation."""

from __future__ import annotations

from tabs.train.modes import NAMES


def body() -> str:
    """One section per mode; the first stands open."""
    sections = [
        f'<div class="tr-mode" data-mode="{name}"{" hidden" * (i > 0)}>{module.BODY}</div>'
        for i, (name, module) in enumerate(NAMES.items())
    ]
    return "\n".join(sections)


def about() -> str:
    """The explanations of all modes that have one, in their order."""
    return "\n".join(module.ABOUT for module in NAMES.values() if hasattr(module, "ABOUT"))
