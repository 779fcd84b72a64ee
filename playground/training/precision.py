"""Which arithmetic a training uses. Master weights and optimisers are float32 whatever is chosen.

    auto    the recipe's own: bfloat16 where a learner asks for it with `mixed`, float32 elsewhere
    fp32    float32 everywhere
    bf16    bfloat16 wherever torch's autocast thinks it safe

Learners write `with mixed(x.device):` around what bears few digits, as they would write torch's own autocast; one that
multiplies by hand asks `few_digits()` for the type.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

PRECISIONS = ("auto", "fp32", "bf16")
_CHOSEN: ContextVar[str] = ContextVar("precision", default="auto")  # like autocast itself: per thread, set by a `with`


@contextmanager
def computing(precision: str, device: torch.device) -> Iterator[None]:
    """Everything inside computes with this precision (one of `PRECISIONS`).

    Autocast remembers the bfloat16 copy of a weight until its outermost `with` is left. Inside a whole step, which may
    change a weight and use it again, that copy would be out of date: around a step nothing may be remembered.
    """
    token = _CHOSEN.set(precision)
    try:
        if precision == "bf16":
            with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
                yield
        else:
            yield
    finally:
        _CHOSEN.reset(token)


def mixed(device: torch.device) -> torch.autocast:
    """bfloat16 where autocast thinks it safe, unless float32 was chosen around."""
    chosen = _CHOSEN.get()
    return torch.autocast(device.type, torch.bfloat16, enabled=chosen != "fp32", cache_enabled=chosen == "auto")


def few_digits() -> torch.dtype:
    """The type of products that bear few digits: bfloat16, unless float32 was chosen around."""
    return torch.float32 if _CHOSEN.get() == "fp32" else torch.bfloat16
