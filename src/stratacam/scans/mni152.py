"""The MNI152 template and its tissues, as nilearn carries them."""

from typing import Literal

from nibabel import Nifti1Image

Part = Literal["template", "brain_mask", "gm_template", "wm_template"]
"""The T1w, the brain mask, and the probabilities of grey and of white matter."""


def load_mni152(part: Part, *, voxel_mm: int = 1) -> Nifti1Image:
    """One image of the template, (X, Y, Z) in the template's world.

    Args:
        part: which.
        voxel_mm: edge of a voxel.
    """
    from nilearn import datasets  # noqa: PLC0415 - scikit-learn and pandas come with it: a second

    image: Nifti1Image = getattr(datasets, f"load_mni152_{part}")(resolution=voxel_mm)
    return image
