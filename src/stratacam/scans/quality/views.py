"""What is kept of a sequence for its quality page: planes of each step and histograms, never volumes."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stratacam.scans.quality.planes import Planes

BINS = 120
WIDEST = 1.3  # times the intensity that becomes 1: the end of the histograms before normalisation
BRIGHTEST = 99.7  # percentile inside the brain
HEADROOM = 1.25  # times that percentile is shown white


@dataclass(frozen=True)
class SequenceViews:
    """One sequence as its quality page shows it: a few hundred kilobytes that can be pickled.

    Pictures have the order and shape of `Planes.cut`. Histograms count voxels of the brain, `BINS` of equal width.
    """

    name: str
    before: tuple[NDArray[np.uint8], ...] | None  # by the headers alone, as delivered; None for the T1w
    after: tuple[NDArray[np.uint8], ...]  # registered and corrected
    field: tuple[NDArray[np.float16], ...] | None  # bias field in the brain, per cent of its geometric mean
    unit: float  # the intensity that becomes 1
    zero: float  # the intensity that becomes 0
    low: float  # where the histograms before normalisation begin
    delivered: NDArray[np.int64] | None  # histogram from `low` to `high`, bias field still in
    corrected: NDArray[np.int64]  # the same, bias corrected
    normalised: NDArray[np.int64]  # histogram from 0 to 1
    share_at_one: float  # of the brain, clipped to 1

    @property
    def high(self) -> float:
        """Where the histograms before normalisation end."""
        return WIDEST * self.unit

    @classmethod
    def of(
        cls,
        planes: Planes,
        *,
        name: str,
        before: NDArray[Any] | None,
        after: NDArray[Any],
        field: NDArray[Any] | None,
        unit: float,
        brain_mask: NDArray[np.bool_],
        zero: float = 0.0,
    ) -> Self:
        """Cut the planes out of the volumes and count the histograms.

        Args:
            planes: which planes are shown.
            name: of the sequence, such as "FLAIR".
            before: (X, Y, Z) as delivered, on the prepared grid by the headers alone; None for the T1w.
            after: (X, Y, Z) registered and bias-corrected.
            field: (X, Y, Z) the bias field on the prepared grid, positive; None if none was found.
            unit: the intensity of `after` that becomes 1.
            brain_mask: (X, Y, Z).
            zero: the intensity of `after` that becomes 0.
        """
        corrected = np.asarray(after[brain_mask], dtype=np.float32)
        delivered = corrected if field is None else corrected * field[brain_mask]
        low = min(0.0, zero)
        range_ = (low, WIDEST * unit)
        scaled = np.clip((corrected - np.float32(zero)) / np.float32(unit - zero), 0, 1)
        return cls(
            name=name,
            before=None if before is None else _grey(planes, before, delivered),
            after=_grey(planes, after, corrected),
            field=None if field is None else _per_cent(planes, field, brain_mask),
            unit=float(unit),
            zero=float(zero),
            low=low,
            delivered=None if field is None else np.histogram(delivered, BINS, range_)[0],
            corrected=np.histogram(corrected, BINS, range_)[0],
            normalised=np.histogram(scaled, BINS, (0.0, 1.0))[0],
            share_at_one=float(np.mean(scaled >= 1)),
        )


def _grey(
    planes: Planes, volume: NDArray[Any], brain: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.uint8], ...]:
    """Planes of `volume` as 8-bit pictures, white a little above the brightest of the values in the brain."""
    white = max(HEADROOM * float(np.percentile(brain, BRIGHTEST)), float(np.finfo(np.float32).tiny))
    return tuple(np.clip(cut * (255.0 / white), 0, 255).astype(np.uint8) for cut in planes.cut(volume))


def _per_cent(
    planes: Planes, field: NDArray[Any], brain_mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float16], ...]:
    """Planes of the field as per cent above or below its geometric mean in the brain, NaN outside the brain."""
    inside = field[brain_mask]
    middle = float(np.exp(np.mean(np.log(inside[inside > 0]), dtype=np.float64)))
    return tuple(
        np.where(shown & (cut > 0), 100 * (cut / middle - 1), np.nan).astype(np.float16)
        for cut, shown in zip(planes.cut(field), planes.mask, strict=True)
    )
