"""What a CPU is fast at: few pictures at once, and bfloat16 where it has instructions for it."""

from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import Tensor

PIXELS = 4 * 128 * 128
"""Of the pictures that go through a network at once on a CPU, where it is not trained.

Their feature maps stay in the cache. Memory of more than 32 MB, which 64 channels of twice as many pixels need, is
handed back to the system after every layer, and got again for the next.
"""


def parts_that_fit(batch: Sequence[Tensor], device: torch.device | str) -> Iterator[tuple[Tensor, ...]]:
    """A batch in parts of `PIXELS` at most, or of one picture; for a graphics card the whole.

    Args:
        batch: tensors (B, channels, *spatial) that go by picture; the first decides.
        device: where they will be computed.

    Example:
        >>> [len(part) for (part,) in parts_that_fit([torch.zeros(6, 3, 128, 128)], "cpu")]
        [4, 2]
    """
    fit = PIXELS // max(batch[0].shape[2:].numel(), 1)
    size = max(fit, 1) if torch.device(device).type == "cpu" else len(batch[0])
    yield from zip(*(torch.split(values, size) for values in batch), strict=True)


def rounded() -> torch.autocast:
    """A context in which networks compute in bfloat16 on a CPU that has instructions for it, which takes half the time.

    Probabilities are off by 0.0005 (standard deviation); maps would be off too far. While it lasts, weights are rounded
    once.
    """
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=_has_bfloat16())


@cache
def _has_bfloat16() -> bool:
    """Whether there is AVX512-BF16, as on all CPUs with AMX: others imitate bfloat16, slowly."""
    found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch does not say
    return bool(found.get("avx512_bf16"))
