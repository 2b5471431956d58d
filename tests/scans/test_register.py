import sys

import numpy as np
import pytest
import SimpleITK
from synthetic_head import axis_affine, brain_of, head, rotation, world_points

from stratacam.errors import InputError
from stratacam.scans.register import register, write_transform
from stratacam.scans.volume import LPS, to_itk

SIZE = (60, 72, 56)
MOVED = rotation(4, -3, 5)
MOVED[:3, 3] = (6, -4, 5)  # from points of the T1w to points of the head where the other scan sees it


def _worst_error(transform, truth, affine):
    """Largest distance (mm) over the brain between a transform and the true matrix (RAS)."""
    points = world_points(affine, SIZE)
    points = points[brain_of(points)][::97]
    found = np.array([transform.TransformPoint(point) for point in (points * [-1, -1, 1]).tolist()]) * [
        -1,
        -1,
        1,
    ]
    return np.linalg.norm(found - (points @ truth[:3, :3].T + truth[:3, 3]), axis=1).max()


@pytest.fixture(scope="module")
def t1w():
    return to_itk(head("T1w", axis_affine()), axis_affine())


def test_a_known_displacement_is_found_across_contrasts_and_survives_the_file(t1w, tmp_path):
    moving = to_itk(head("T2w", axis_affine(), moved=np.linalg.inv(MOVED), seed=1), axis_affine())
    found = register(t1w, moving)
    assert _worst_error(found.transform, MOVED, axis_affine()) < 0.5
    assert found.metric_after < found.metric_before
    write_transform(tmp_path / "xfm.txt", found.transform)
    read = SimpleITK.ReadTransform(str(tmp_path / "xfm.txt"))
    assert _worst_error(read, MOVED, axis_affine()) < 0.5
    # as ITK's resampling takes it: the moving scan is laid over the T1w
    laid = SimpleITK.GetArrayFromImage(SimpleITK.Resample(moving, t1w, read)).T
    still = head("T2w", axis_affine(), seed=1)
    assert (
        np.corrcoef(laid[10:-10, 10:-10, 10:-10].ravel(), still[10:-10, 10:-10, 10:-10].ravel())[0, 1] > 0.98
    )


def test_an_oblique_flipped_and_anisotropic_scan_gives_the_same_answer(t1w):
    oblique = rotation(12, 0, -8) @ np.diag([-2.0, 3.0, 4.5, 1.0])
    size = (90, 72, 40)
    oblique[:3, 3] = -(oblique[:3, :3] @ ((np.array(size) - 1) / 2))
    moving = to_itk(head("FLAIR", oblique, size, moved=np.linalg.inv(MOVED), seed=2), oblique)
    assert _worst_error(register(t1w, moving).transform, MOVED, axis_affine()) < 0.6


def test_headers_far_apart_do_not_matter(t1w):
    far = axis_affine()
    far[:3, 3] += 400
    shift = np.eye(4)
    shift[:3, 3] = 400
    moving = to_itk(head("T2w", axis_affine(), seed=3), far)
    assert _worst_error(register(t1w, moving).transform, shift, axis_affine()) < 0.5


def test_the_same_pair_gives_the_same_transform(t1w):
    moving = to_itk(head("T2w", axis_affine(), moved=np.linalg.inv(MOVED), seed=1), axis_affine())
    first, second = (register(t1w, moving).transform.GetParameters() for _ in range(2))
    assert first == second


def test_scans_that_share_nothing_are_refused(t1w, monkeypatch):
    def nothing_in_common(*_):
        raise RuntimeError("ITK: All samples map outside moving image buffer")

    monkeypatch.setattr(sys.modules[register.__module__], "descend", nothing_in_common)
    with pytest.raises(InputError, match="share too little"):
        register(t1w, t1w)


def test_lps_and_ras_differ_in_the_sign_of_two_axes():
    np.testing.assert_array_equal(LPS @ [1, 2, 3, 1], [-1, -2, 3, 1])
