"""Where a brain lies in MNI152 space: an affine transform to the template that nilearn carries."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import SimpleITK

from stratacam.errors import InputError
from stratacam.scans.mni152 import Part, load_mni152
from stratacam.scans.register import Level, descend, isotropic
from stratacam.scans.volume import from_itk, one_itk_thread, to_itk

LEVELS = (Level(8.0, 20_000, 2.0), Level(4.0, 70_000, 1.0), Level(2.0, 120_000, 0.25))
MINIMUM_OVERLAP = 0.85  # Dice of the brain's mask and the template's; below it the fit is doubted


@dataclass(frozen=True)
class TemplateFit:
    """An affine fit to the template.

    Attributes:
        transform: LPS mm, from points of the template to points of the T1w.
        overlap: Dice of the brain mask, carried to the template, and the template's own.
    """

    transform: SimpleITK.AffineTransform
    overlap: float

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is implausible about the fit, as sentences."""
        if self.overlap >= MINIMUM_OVERLAP:
            return ()
        return (
            (
                f"laid over the MNI152 template, the brain overlaps it by {self.overlap:.2f} (Dice); expected at least "
                f"{MINIMUM_OVERLAP:.2f}: do not trust statistics over regions of this scan"
            ),
        )


@one_itk_thread()
def fit_template(t1w: SimpleITK.Image, brain: SimpleITK.Image, *, seed: int = 0) -> TemplateFit:
    """Find the affine transform that lays a brain over the MNI152 template.

    From the centres of mass, first moved and scaled by the second moments' sizes, then all twelve parameters by
    Mattes mutual information at 8, 4 and 2 mm, inside the brain.

    Args:
        t1w: bias-corrected or as delivered, float32.
        brain: uint8 on its grid.
        seed: of the sampled points.

    Raises:
        InputError: if brain and template do not overlap.
    """
    template_brain = SimpleITK.Cast(load_template("brain_mask") > 0, SimpleITK.sitkUInt8)
    template = SimpleITK.Mask(load_template("template"), template_brain)
    head = SimpleITK.Multiply(t1w, SimpleITK.Cast(brain, SimpleITK.sitkFloat32))
    transform = _first_guess(template_brain, brain)
    try:
        for level in LEVELS:
            descend(
                isotropic(template, level.spacing), isotropic(head, level.spacing), transform, level, seed
            )
    except RuntimeError as fault:
        raise InputError(
            "the brain and the MNI152 template do not overlap; expected the T1w of a whole head: check the brain mask."
        ) from fault
    carried = from_itk(
        SimpleITK.Resample(brain, template_brain, transform, SimpleITK.sitkNearestNeighbor, 0.0)
    )
    inside = from_itk(template_brain) > 0
    both = float((inside & (carried > 0)).sum())
    return TemplateFit(transform, 2 * both / float(inside.sum() + (carried > 0).sum()))


@cache
def load_template(part: Part) -> SimpleITK.Image:
    """One image of the MNI152 template, at 2 mm, float32."""
    image = load_mni152(part, voxel_mm=2)
    return to_itk(np.asarray(image.dataobj, dtype=np.float32), image.affine)


def _first_guess(fixed: SimpleITK.Image, moving: SimpleITK.Image) -> SimpleITK.AffineTransform:
    """Centre on centre, and each axis of the head scaled by the spread of the brain along it."""
    centres, spreads = zip(*(_moments(mask) for mask in (fixed, moving)), strict=True)
    transform = SimpleITK.AffineTransform(3)
    transform.SetCenter(centres[0].tolist())
    transform.SetTranslation((centres[1] - centres[0]).tolist())
    transform.SetMatrix(np.diag(spreads[1] / spreads[0]).ravel().tolist())
    return transform


def _moments(mask: SimpleITK.Image) -> tuple[np.ndarray, np.ndarray]:
    """Centre (LPS mm) and standard deviation along each world axis of a mask's voxels."""
    voxels = np.argwhere(from_itk(mask) > 0)
    axes = np.reshape(mask.GetDirection(), (3, 3)) * np.asarray(mask.GetSpacing())
    points = voxels @ axes.T + np.asarray(mask.GetOrigin())
    return points.mean(axis=0), points.std(axis=0)
