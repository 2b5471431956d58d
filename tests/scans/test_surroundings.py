"""What is measured around the brain: scalp and air, never the brain."""

import numpy as np
import pytest
from synthetic_head import axis_affine, brain_of, head, world_points

from stratacam.scans.surroundings import around, head_ml

SIZE = (60, 72, 56)
AFFINE = axis_affine(size=SIZE)
VOXEL_MM = (3.0, 3.0, 3.0)


@pytest.fixture(scope="module")
def scan():
    """A head, its brain, and where it is neither."""
    image = head("T1w", AFFINE, SIZE)
    brain = brain_of(world_points(AFFINE, SIZE))
    return image, brain


def test_the_inside_of_the_brain_has_no_influence(scan):
    image, brain = scan
    changed = image.copy()
    values = changed[brain]
    changed[brain] = values[::-1]  # the same median, at other places
    assert around(changed, brain, VOXEL_MM) == around(image, brain, VOXEL_MM)


def test_brightness_is_relative_to_the_brain(scan):
    image, brain = scan
    found, scaled = around(image, brain, VOXEL_MM), around(3 * image, brain, VOXEL_MM)
    assert scaled == pytest.approx(found, rel=1e-4)


def test_a_brighter_scalp_shows_in_the_shells_that_hold_it(scan):
    image, brain = scan
    scalp = (image > 800) & ~brain
    brighter = np.where(scalp, 1.3 * image, image)
    before, after = around(image, brain, VOXEL_MM), around(brighter, brain, VOXEL_MM)
    assert after["mean_16mm"] > 1.05 * before["mean_16mm"]
    assert after["mean_64mm"] == pytest.approx(before["mean_64mm"], rel=1e-3)


def test_head_size_is_the_volume_of_the_head_above_the_bottom_of_the_brain(scan):
    image, brain = scan
    bottom = np.nonzero(brain)[2].min()
    points = world_points(AFFINE, SIZE)
    ellipsoid = ((points / (78, 92, 72)) ** 2).sum(-1) < 1
    expected = 27 / 1000 * ellipsoid[:, :, bottom:].sum()
    assert head_ml(image, brain, VOXEL_MM) == pytest.approx(expected, rel=0.05)


def test_without_a_skull_head_size_is_that_of_the_brain(scan):
    image, brain = scan
    stripped = np.where(brain, image, 0)
    assert head_ml(stripped, brain, VOXEL_MM) == pytest.approx(27 / 1000 * brain.sum(), rel=0.1)
