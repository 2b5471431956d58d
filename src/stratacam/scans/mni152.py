"""The MNI152 template and its tissues, as nilearn carries them."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import nibabel
import numpy as np

Part = Literal["template", "brain_mask", "gm_template", "wm_template"]
"""The T1w, the brain mask, and the probabilities of grey and of white matter."""

FILES = {"template": "t1", "brain_mask": "t1", "gm_template": "gm", "wm_template": "wm"}
BRAIN = 0.2  # of the largest intensity


def load_mni152(part: Part, *, voxel_mm: int = 1) -> nibabel.Nifti1Image:
    """One image of the template, (X, Y, Z) in the template's world, from 0 to 1.

    It equals what `nilearn.datasets` returns, whose import takes seconds (scikit-learn and pandas come with it).

    Args:
        part: which.
        voxel_mm: edge of a voxel.
    """
    spec = find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("nilearn, which carries the MNI152 template: pip install nilearn")
    name = f"mni_icbm152_{FILES[part]}_tal_nlin_sym_09a_converted.nii.gz"
    stored = nibabel.Nifti1Image.from_filename(Path(spec.origin).parent / "datasets" / "data" / name)
    data = np.asarray(stored.dataobj).astype(np.float32)
    data = (data / data.max())[::voxel_mm, ::voxel_mm, ::voxel_mm]
    affine = stored.affine @ np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    return nibabel.Nifti1Image((data > BRAIN).astype(np.int8) if part == "brain_mask" else data, affine)
