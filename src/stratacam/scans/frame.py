"""How much a picture shows: rows, columns and the millimetres of a pixel, the same for all scans of a cohort."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

DIVISOR = 32
"""Sides of pictures are multiples of this, so that five halvings leave no remainder and maps span the picture."""

OUTLYING = 1.25
"""A brain so many times as long as the median is rather a faulty mask: adults differ by 15 %."""

ROUNDING = 1e-6
"""Of a pixel, by which a side may be missed."""


@dataclass(frozen=True)
class Frame:
    """What pictures have in common.

    Attributes:
        shape: rows and columns.
        pixel_mm: edge of a pixel.
    """

    shape: tuple[int, int]
    pixel_mm: float

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of a picture."""
        rows, columns = self.shape
        return rows * self.pixel_mm, columns * self.pixel_mm

    def holds(self, brain_mm: Sequence[float]) -> bool:
        """Whether a brain of this width and height fits, within a hundredth of a pixel."""
        height, width = self.size_mm
        slack = self.pixel_mm / 100
        return brain_mm[0] <= width + slack and brain_mm[1] <= height + slack

    def enlarged(self, brain_mm: Sequence[float], margin_mm: float) -> "Frame":
        """The frame with more rows or columns of the same pixels, where a brain and its margin need more."""
        columns, rows = (_sides(length + 2 * margin_mm, self.pixel_mm) for length in brain_mm)
        return Frame((max(self.shape[0], rows), max(self.shape[1], columns)), self.pixel_mm)


def whole_depth(slices: int) -> int:
    """Slices of a volume that holds so many, empty ones added: a multiple of `DIVISOR`, as the other sides are.

    Example:
        >>> whole_depth(64), whole_depth(65)
        (64, 96)
    """
    return DIVISOR * math.ceil(slices / DIVISOR)


def square(size: int, width_mm: float) -> Frame:
    """A square of `size` pixels on each side that shows `width_mm`."""
    return Frame((size, size), width_mm / size)


def around(brains_mm: Sequence[tuple[float, float]], size: int, margin_mm: float) -> Frame:
    """The smallest frame that holds every brain and its margin, with `size` pixels along its longer side.

    Args:
        brains_mm: width and height of each brain, one at least.
        size: a multiple of `DIVISOR`.
        margin_mm: on each side of the brain.

    Example:
        >>> around([(130, 170), (140, 160)], size=96, margin_mm=5)
        Frame(shape=(96, 96), pixel_mm=1.875)
        >>> around([(130, 170), (140, 160)], size=160, margin_mm=5)
        Frame(shape=(160, 160), pixel_mm=1.125)
        >>> around([(130, 170), (140, 160)], size=224, margin_mm=5).shape
        (224, 192)
    """
    longest = [max(lengths) for lengths in zip(*brains_mm, strict=True)]
    pixel_mm = (max(longest) + 2 * margin_mm) / size
    columns, rows = (_sides(length + 2 * margin_mm, pixel_mm) for length in longest)
    return Frame((rows, columns), pixel_mm)


def describe_frame(frame: Frame, brains_mm: Mapping[str, tuple[float, float]]) -> tuple[str, str]:
    """Say which scan's brain decides the resolution of pictures that are cut to the brain, and what is odd about it.

    Args:
        frame: `around` the brains.
        brains_mm: by scan, the width and height of its brain.

    Returns:
        A sentence on the pictures, and a warning if that brain is much longer than others; "" if it is not.
    """
    name = max(brains_mm, key=lambda scan: max(brains_mm[scan]))
    longest, usual = max(brains_mm[name]), median(max(brain) for brain in brains_mm.values())
    said = (
        f"{frame.shape[0]} x {frame.shape[1]} pixels of {frame.pixel_mm:.2f} mm, cut to the brain; the longest, of "
        f"{name}, is {longest:.0f} mm"
    )
    if longest <= OUTLYING * usual:
        return said, ""
    return said, (
        f"pictures: the brain of {name} is {longest:.0f} mm long; expected about {usual:.0f} mm, the median: all "
        "pictures become coarser to hold it; look at its mask on the quality page, then mend the mask "
        "or leave the scan out; or give pictures.width_mm."
    )


def _sides(length_mm: float, pixel_mm: float) -> int:
    """The least pixels that span a length, a multiple of `DIVISOR`."""
    return DIVISOR * math.ceil((length_mm / pixel_mm - ROUNDING) / DIVISOR)
