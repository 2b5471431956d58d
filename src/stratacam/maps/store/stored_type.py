"""Maps as float16: half the bytes, with an error that is known.

A float16 has eleven bits, so that a value is stored within 2^-11 (0.05 %) of itself, but nothing above 65,504 and
little below 0.00006. Each array is therefore divided by a power of two that brings its maximum to between 1 and 2: the
division is exact, nothing overflows, and what is smaller than 2^-24 of the maximum becomes 0.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

StoredType = Literal["float32", "float16"]

BELOW_TWO = float(np.nextafter(np.float16(2), np.float16(0)))
"""The highest value that is stored: 2, to which a maximum could round, may be too much to be read as float32."""


@dataclass(frozen=True)
class Packed:
    """Values as they are stored.

    Attributes:
        values: as float32 or float16.
        scale_factor: by which they are multiplied when they are read, as the CF conventions have it; a power of two.
        error: the largest difference from what was packed, of any map (h, w), as a share of the map's maximum.
    """

    values: NDArray[Any]
    scale_factor: float = 1.0
    error: float = 0.0


def pack(raw: NDArray[np.float32], dtype: StoredType) -> Packed:
    """Raw maps (..., h, w) as they are stored; NaN and infinity stay what they are."""
    if dtype == "float32":
        return Packed(raw)
    finite = np.isfinite(raw)
    highest = float(np.max(np.abs(raw), where=finite, initial=0))
    exponent = int(np.frexp(highest)[1]) - 1 if highest else 0
    scaled = np.ldexp(raw, -exponent)
    scaled = np.where(finite, np.clip(scaled, -BELOW_TWO, BELOW_TWO), scaled)
    stored = scaled.astype(np.float16)
    packed = Packed(stored, 2.0**exponent)
    differences = np.zeros_like(raw)
    np.subtract(unpack(stored, packed.scale_factor), raw, out=differences, where=finite)
    largest = np.abs(differences).max(axis=(-2, -1))
    maxima = np.max(np.abs(raw), axis=(-2, -1), where=finite, initial=0)
    shares = np.divide(largest, maxima, out=np.zeros_like(largest), where=maxima > 0)
    return Packed(stored, packed.scale_factor, float(shares.max(initial=0)))


def unpack(stored: NDArray[Any], scale_factor: float) -> NDArray[np.float32]:
    """Stored values as they were packed, within the error."""
    values = np.asarray(stored, dtype=np.float32)
    return values if scale_factor == 1 else values * np.float32(scale_factor)
