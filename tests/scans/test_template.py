"""The affine transform to MNI152 space, against transforms that are known."""

import numpy as np
import pytest
import SimpleITK
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

from stratacam.scans.template import MINIMUM_OVERLAP, fit_template
from stratacam.scans.volume import LPS, to_itk


@pytest.fixture(scope="module")
def template():
    image, mask = load_mni152_template(resolution=2), load_mni152_brain_mask(resolution=2)
    return np.asarray(image.dataobj, dtype=np.float32), np.asarray(mask.dataobj) > 0, image.affine


def _matrix(transform):
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    return np.block([[np.stack(columns, 1), origin[:, None]], [0, 0, 0, 1]])


def test_a_stretched_turned_and_moved_template_is_found_again(template):
    image, mask, affine = template
    turn = np.deg2rad(9)
    known = np.eye(4)
    known[:3, :3] = np.array(
        [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    ) @ np.diag([0.9, 1.06, 0.95])
    known[:3, 3] = (14, -25, 31)
    rng = np.random.default_rng(0)
    scan = to_itk(5 * image + rng.normal(0, 0.05, image.shape).astype(np.float32), affine)
    brain = to_itk(mask.astype(np.uint8), affine)
    for one in (
        scan,
        brain,
    ):  # the same voxels, elsewhere in the world: an affine that ITK's header cannot hold
        one.SetOrigin((0.0, 0.0, 0.0))
    at_origin = np.eye(4)
    at_origin[:3, 3] = -(LPS @ affine)[:3, 3]
    spacing = SimpleITK.Image(scan)
    for one in (scan, brain, spacing):
        one.SetSpacing([2 * stretch for stretch in (0.9, 1.06, 0.95)])
    fit = fit_template(scan, brain)
    assert fit.overlap > 0.97
    assert fit.doubts == ()
    expected = np.diag([0.9, 1.06, 0.95, 1.0]) @ at_origin
    points = np.argwhere(mask)[::997] @ (LPS @ affine)[:3, :3].T + (LPS @ affine)[:3, 3]
    found, true = (points @ m[:3, :3].T + m[:3, 3] for m in (_matrix(fit.transform), expected))
    assert np.linalg.norm(found - true, axis=1).mean() < 1.0


def test_a_mask_that_is_no_brain_is_doubted(template):
    image, mask, affine = template
    half = mask.copy()
    half[: mask.shape[0] // 2] = False
    half[:, :, : mask.shape[2] // 2] = False
    fit = fit_template(to_itk(image, affine), to_itk(half.astype(np.uint8), affine))
    assert fit.overlap < MINIMUM_OVERLAP
    assert "do not trust statistics over regions" in fit.doubts[0]
