import numpy as np
import pytest

from stratacam.scans.mni152 import load_mni152


@pytest.mark.parametrize("voxel_mm", [pytest.param(1, marks=pytest.mark.long), 2])
def test_the_template_is_nilearns(voxel_mm):
    from nilearn import datasets  # noqa: PLC0415 - only for this

    for part in ("template", "brain_mask", "gm_template", "wm_template"):
        expected = getattr(datasets, f"load_mni152_{part}")(resolution=voxel_mm)
        found = load_mni152(part, voxel_mm=voxel_mm)
        np.testing.assert_allclose(found.affine, expected.affine)
        np.testing.assert_allclose(found.get_fdata(), expected.get_fdata(), atol=1e-6)
