"""The precision in which networks compute: one setting, and the one place where it takes effect."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Literal

import torch

Precision = Literal["exact", "fast"]
"""See `computing`."""

_CURRENT: ContextVar[Precision] = ContextVar("precision", default="exact")


@contextmanager
def computing(precision: Precision, device: torch.device | str) -> Iterator[None]:
    """While this lasts, networks compute in a precision.

    "exact" is single precision everywhere. With "fast" a graphics card multiplies in TF32, whose factors have 10 bits,
    and what is trained, predicted and cached is made in bfloat16, which has 7 bits (`half`); maps never are, as their
    errors would be too large. On a CPU "fast" is bfloat16 throughout: studies refuse it.

    Args:
        precision: "exact" or "fast".
        device: where networks are, as torch names it.
    """
    fast, kind = precision == "fast", torch.device(device).type
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    token = _CURRENT.set(precision)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = fast
    try:
        with ExitStack() as stack:
            if kind == "cpu":
                stack.enter_context(torch.autocast(kind, dtype=torch.bfloat16, enabled=fast))
            yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
        _CURRENT.reset(token)


def current_precision() -> Precision:
    """The precision that is in effect."""
    return _CURRENT.get()


def half(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 on a device, if networks compute fast; else single precision."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=current_precision() == "fast")
