"""Precisions in which a card computes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

PRECISIONS = ("float32", "TF32", "bf16")
"""Exact; products of tensor cores with 10 bits; and autocast to bfloat16, which has 7."""


def use_exact(*, exact: bool = True) -> None:
    """Switch TF32 off, or on."""
    torch.backends.cudnn.allow_tf32 = not exact
    torch.backends.cuda.matmul.allow_tf32 = not exact


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """What runs while this lasts is computed in a precision; afterwards it is exact float32 again."""
    use_exact(exact=precision == "float32")
    try:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            yield
    finally:
        use_exact()
