"""What a registered scan shows of its contrast: whether fluid, grey and white matter look as its sequence has them."""

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from stratacam.scans.intensity import tissue_peak
from stratacam.scans.masks import bounding_box, depth_mm
from stratacam.scans.sequences import SEQUENCES, MRSequence, find_sequence
from stratacam.scans.template import load_template
from stratacam.scans.volume import from_itk

WHITE, GREY, FLUID = 0.95, 0.8, 0.8  # least probability of a voxel of the template
DEEP = 10.0  # mm off the surface of the brain: fluid there is that of the ventricles
MINIMUM_VOXELS = 50
BRIGHT_FLUID, DARK_FLUID = 1.25, 0.85  # over white matter
BRIGHT_GREY, DARK_GREY = 1.02, 0.97  # over white matter
LOWEST = 1.0  # percentile of the brain: fluid
SUPPRESSED = (
    0.65  # over white matter: where fluid should be dark and is brighter, intensities do not start at 0
)
BRIGHT_VESSELS = 1.3  # over white matter, where white matter is the brightest tissue
NOISE = 4.0  # standard deviations of white matter that vessels are brighter by, too
MAXIMUM_VESSELS = 3.0  # ml
MAD_TO_SD = 1.4826
MAXIMUM_NEGATIVE = 0.01  # of the brain
MAXIMUM_ZERO = 0.1  # of the brain
LOWERED = 0.8  # of the contrast before correction: less is a loss


@dataclass(frozen=True)
class Tissues:
    """Where the template has white matter, grey matter and the fluid of the ventricles: (X, Y, Z)."""

    white: NDArray[np.bool_]
    grey: NDArray[np.bool_]
    fluid: NDArray[np.bool_]


def find_tissues(
    template_to_t1w: SimpleITK.Transform, grid: SimpleITK.Image, brain: NDArray[np.bool_]
) -> Tissues:
    """Carry the tissues of the MNI152 template to a scan: where each is sure, not all of it.

    Args:
        template_to_t1w: affine, LPS mm.
        grid: where the prepared voxels lie.
        brain: (X, Y, Z) on it, not empty.
    """
    inverse = template_to_t1w.GetInverse()
    templates = load_template("wm_template"), load_template("gm_template"), load_template("brain_mask")
    box = bounding_box(brain)
    part = SimpleITK.RegionOfInterest(
        grid, [side.stop - side.start for side in box], [side.start for side in box]
    )
    white, grey, inside = (
        from_itk(SimpleITK.Resample(template, part, inverse, SimpleITK.sitkLinear, 0.0))
        for template in templates
    )
    fluid = (inside - white - grey > FLUID) & (depth_mm(brain[box], grid.GetSpacing()) > DEEP)
    found = Tissues(*(np.zeros_like(brain) for _ in range(3)))
    found.white[box], found.grey[box], found.fluid[box] = white > WHITE, grey > GREY, fluid
    found.white[~brain] = found.grey[~brain] = False
    return found


def contrast_doubt(
    name: str, image: NDArray[np.float32], brain: NDArray[np.bool_], tissues: Tissues, voxel_ml: float
) -> str | None:
    """Say what is implausible about the intensities of a sequence in `SEQUENCES`; of other sequences, nothing.

    Args:
        name: of the sequence.
        image: (X, Y, Z), registered and bias-corrected.
        brain: (X, Y, Z).
        tissues: see `find_tissues`.
        voxel_ml: volume of a voxel.

    Returns:
        A sentence; None if fluid, grey and white matter are ordered as the sequence has them.
    """
    seen = [image[mask & (image != 0)] for mask in (tissues.white, tissues.grey, tissues.fluid)]
    expected = find_sequence(name)
    if not (expected.fluid or expected.grey) or min(map(len, seen)) < MINIMUM_VOXELS:
        return None
    white, grey, fluid = tissue_peak(seen[0]), float(np.median(seen[1])), float(np.median(seen[2]))
    if white <= 0:
        return None
    # Order of the tissues: another sequence in its place?
    if not _fits(expected, grey / white, fluid / white):
        others = [
            one.name for one in SEQUENCES.values() if one.fluid and _fits(one, grey / white, fluid / white)
        ]
        return (
            f"looks like a {' or '.join(others)}: fluid is {fluid / white:.2f} and grey matter {grey / white:.2f} "
            f"times as bright as white matter; expected {expected.appearance}: check that the sequences are not "
            "exchanged"
        )
    # The darkest fluid: an offset?
    darkest = float(np.percentile(image[brain], LOWEST)) / white
    if expected.fluid == "dark" and darkest > SUPPRESSED:
        return (
            f"the darkest fluid has {darkest:.2f} of white matter's intensity; expected less than "
            f"{SUPPRESSED:g}: the intensities do not start at 0"
        )
    # The brightest voxels, where white matter is the brightest tissue: vessels after a contrast agent?
    spread = MAD_TO_SD * float(np.median(np.abs(seen[0] - white)))
    bright = max(BRIGHT_VESSELS * white, white + NOISE * spread)
    vessels = float((image[brain] > bright).sum() * voxel_ml)
    if expected.fluid == expected.grey == "dark" and vessels > MAXIMUM_VESSELS:
        return (
            f"{vessels:.1f} ml of the brain are more than {bright / white:.1f} times as bright as white matter; "
            f"expected less than {MAXIMUM_VESSELS:g} ml: it may have been taken after a contrast agent"
        )
    return None


def tissue_contrast(image: NDArray[np.floating], tissues: Tissues) -> float | None:
    """Return how far white matter is from grey: the difference of their medians over the spread within them.

    The spread is 1.4826 times the median absolute deviation, the root mean square of both tissues.

    Args:
        image: (X, Y, Z), of any scale; voxels that are exactly 0 do not count.
        tissues: see `find_tissues`.

    Returns:
        None where a tissue has fewer than 50 voxels, or no spread.
    """
    seen = [image[mask & (image != 0)].astype(np.float64) for mask in (tissues.white, tissues.grey)]
    if min(map(len, seen)) < MINIMUM_VOXELS:
        return None
    white, grey = (float(np.median(values)) for values in seen)
    spreads = [
        MAD_TO_SD * float(np.median(np.abs(values - middle)))
        for values, middle in zip(seen, (white, grey), strict=True)
    ]
    spread = math.sqrt((spreads[0] ** 2 + spreads[1] ** 2) / 2)
    return abs(white - grey) / spread if spread else None


def lowered_contrast(before: float, after: float) -> str | None:
    """Say if correcting the bias field took contrast out of a sequence, as `tissue_contrast` measures it."""
    if after >= LOWERED * before:
        return None
    return (
        f"correcting the bias field lowers the contrast of grey and white matter from {before:.2f} to {after:.2f} "
        "(difference over the spread within them); expected no loss: see whether the field follows the anatomy"
    )


def sign_doubt(image: NDArray[np.float32], brain: NDArray[np.bool_], covered: float) -> str | None:
    """Say if much of the brain is negative or 0, whatever the sequence.

    Args:
        image: (X, Y, Z), of any scale; 0 where the sequence does not cover the brain.
        brain: (X, Y, Z).
        covered: share of the brain that the sequence covers.
    """
    negative = float((image[brain] < 0).mean())
    zero = float((image[brain] == 0).mean()) - (1 - covered)
    if negative > MAXIMUM_NEGATIVE:
        return (
            f"{negative:.0%} of the brain is negative and becomes 0; expected magnitudes: bright values that wrapped "
            "around, or intensities that were standardised; give the scan as it was taken"
        )
    if zero > MAXIMUM_ZERO:
        return f"{zero:.0%} of the brain is exactly 0; expected next to none: check the scan and the mask"
    return None


def _fits(sequence: MRSequence, grey: float, fluid: float) -> bool:
    """Whether a sequence may have grey matter and fluid so many times as bright as white matter.

    Grey matter differs little from white, so it decides only between sequences on which fluid is dark.
    """
    if fluid >= DARK_FLUID:
        return fluid <= BRIGHT_FLUID or sequence.fluid != "dark"
    if sequence.fluid == "bright":
        return False
    return not (
        (sequence.grey == "dark" and grey > BRIGHT_GREY) or (sequence.grey == "bright" and grey < DARK_GREY)
    )
