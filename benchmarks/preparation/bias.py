"""How much of a known bias field on a real scan N4 removes."""

import numpy as np

from benchmarks.preparation.data import Session, read_image
from stratacam.scans.bias_field import correct_bias
from stratacam.scans.brain_mask import extract_brain
from stratacam.scans.volume import from_itk, itk_affine, to_itk

STRENGTH = 0.3


def planted_field(session: Session) -> str:
    """Plant a smooth field of 30 per cent; the share of its spread (of the logarithm, in the brain) that N4 removes.

    The scan's own field is divided out first, so that what remains is the planted one's.
    """
    t1w = read_image(session.scan.images["T1w"])
    affine, data = itk_affine(t1w), from_itk(t1w)
    brain = extract_brain(data, affine, session.scan.images["T1w"])
    mask = to_itk(brain.astype(np.uint8), affine)
    mask.CopyInformation(t1w)
    places = np.indices(data.shape, dtype=np.float32)
    x, y, z = (2 * place / (size - 1) - 1 for place, size in zip(places, data.shape, strict=True))
    shape = 0.6 * x + 0.5 * y**2 - 0.4 * z + 0.3 * x * y
    shape = (shape - shape[brain].min()) / (shape[brain].max() - shape[brain].min())
    field = 1 + STRENGTH * (2 * shape - 1)

    def corrected(image: np.ndarray) -> np.ndarray:
        one = to_itk(image.astype(np.float32), affine)
        one.CopyInformation(t1w)
        return from_itk(correct_bias(one, mask)[0])

    clean = corrected(data)
    inside = brain & (clean > 0.05 * np.median(clean[brain]))
    left = np.log(corrected(clean * field)[inside] / corrected(clean)[inside])
    planted = np.log(field[inside])
    return (
        f"{session.scan.name} T1w, planted field of {STRENGTH:.0%}: spread {planted.std():.3f}, left "
        f"{left.std():.4f}: {1 - left.std() / planted.std():.1%} removed"
    )
