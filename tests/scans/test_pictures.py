"""Pictures of slices, and maps back in the volume."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratacam.errors import InputError
from stratacam.scans.frame import Frame, around, describe_frame, square
from stratacam.scans.pictures import PictureSettings, brain_mm, cut_pictures, geometry_of
from stratacam.scans.prepared import PreparedVolume


def volume_of(images, spacing=(1.0, 1.0, 1.0)):
    mask = np.ones(images.shape[1:], dtype=bool)
    return PreparedVolume(images, mask, np.diag([*spacing, 1.0]), np.arange(images.shape[3]))


def test_picture_has_anterior_on_top_and_the_patients_right_at_the_left():
    images = np.zeros((1, 40, 40, 1), dtype=np.float32)
    images[0, 35, 20, 0] = 1  # right (large x), middle
    images[0, 20, 37, 0] = 0.5  # middle, anterior (large y)
    picture = cut_pictures(volume_of(images), PictureSettings(size=64, width_mm=64)).images[0, 0]
    np.testing.assert_allclose(picture[31, 16], 1, atol=1e-4)  # 12 mm of margin on every side
    np.testing.assert_allclose(picture[14, 31], 0.5, atol=1e-4)


def test_pictures_show_the_same_millimetres_whatever_the_voxels():
    fine = np.zeros((1, 80, 40, 1), dtype=np.float32)
    fine[0, 60:64, 10:12] = 1  # x 30 to 32 mm, y 10 to 12 mm of 40 mm
    coarse = np.zeros((1, 40, 40, 1), dtype=np.float32)
    coarse[0, 30:32, 10:12] = 1
    settings = PictureSettings(size=64, width_mm=64)
    from_fine = cut_pictures(volume_of(fine, (0.5, 1, 1)), settings).images[:, :1]
    np.testing.assert_allclose(from_fine.sum(), 4, atol=0.05)
    found = [np.average(np.arange(64), weights=from_fine[0, 0].sum(axis=axis)) for axis in (1, 0)]
    expected = cut_pictures(volume_of(coarse), settings).images[0, 0]
    wanted = [np.average(np.arange(64), weights=expected.sum(axis=axis)) for axis in (1, 0)]
    np.testing.assert_allclose(found, wanted, atol=0.02)


def test_a_map_returns_to_the_voxel_it_came_from():
    rng = np.random.default_rng(0)
    images = np.zeros((1, 50, 61, 4), dtype=np.float32)
    volume = volume_of(images, (1.3, 0.9, 2.0))
    for _ in range(20):
        x, y, z = rng.integers(6, 44), rng.integers(6, 55), rng.integers(0, 4)
        images[:] = 0
        images[0, x, y, z] = 1
        pictures = cut_pictures(volume, PictureSettings(size=96, width_mm=70))
        back = pictures.geometry.to_volume(pictures.images[:, 0])
        assert np.unravel_index(back.argmax(), back.shape) == (x, y, z)


def test_a_coarse_map_is_upsampled_linearly_over_the_whole_picture():
    volume = volume_of(np.zeros((1, 8, 8, 1), dtype=np.float32))
    geometry = geometry_of(volume, square(32, 8), volume.kept)
    ramp = np.array([[[0.0, 4.0], [0.0, 4.0]]], dtype=np.float32)  # grows from the patient's right to left
    profile = geometry.to_volume(ramp)[:, 3, 0]
    np.testing.assert_allclose(profile[::-1], [0, 0, 0.5, 1.5, 2.5, 3.5, 4, 4], atol=1e-5)


def test_every_nth_kept_slice_is_cut_and_maps_between_are_interpolated():
    volume = volume_of(np.ones((2, 8, 8, 9), dtype=np.float32))
    pictures = cut_pictures(volume, PictureSettings(size=32, width_mm=8, every=4))
    assert pictures.geometry.slices == (0, 4, 8)
    assert pictures.images.shape == (3, 3, 32, 32)
    maps = np.array([0.0, 4.0, 8.0], dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), dtype=np.float32)
    laid = pictures.geometry.to_volume(maps)
    np.testing.assert_allclose(laid[4, 4], np.arange(9), atol=1e-5)


def test_a_part_of_the_kept_slices_is_counted_from_the_lowest():
    volume = volume_of(np.ones((1, 8, 8, 20), dtype=np.float32))
    settings = PictureSettings(size=32, width_mm=8, part=(0.35, 0.85), every=3)
    assert cut_pictures(volume, settings).geometry.slices == (7, 10, 13, 16)
    with pytest.raises(ValueError, match="from a lower to a higher number"):
        PictureSettings(part=(0.6, 0.4))


def test_slices_outside_the_pictures_stay_empty():
    volume = volume_of(np.ones((1, 8, 8, 9), dtype=np.float32))
    volume = PreparedVolume(volume.images, volume.brain_mask, volume.affine, np.array([3, 4, 5]))
    pictures = cut_pictures(volume, PictureSettings(size=32, width_mm=8))
    laid = pictures.geometry.to_volume(np.ones((3, 2, 2), dtype=np.float32))
    assert np.flatnonzero(laid.any(axis=(0, 1))).tolist() == [3, 4, 5]


def test_pictures_cut_to_the_brain_hold_every_brain_at_one_resolution():
    settings = PictureSettings(size=64, margin_mm=3)
    narrow, long = np.ones((1, 40, 50, 3), dtype=np.float32), np.ones((1, 30, 90, 3), dtype=np.float32)
    brains = [brain_mm(volume.brain_mask, volume.affine) for volume in map(volume_of, (narrow, long))]
    assert brains == [(40.0, 50.0), (30.0, 90.0)]
    frame = settings.frame_for(brains)
    assert frame == Frame((64, 32), 96 / 64)  # 46 mm are 31 pixels
    cut = cut_pictures(volume_of(narrow), settings, frame)
    assert cut.geometry.size_mm == pytest.approx((96, 48))
    whole = cut_pictures(volume_of(narrow), PictureSettings(size=64, width_mm=96))
    np.testing.assert_allclose(cut.images, whole.images[..., 16:48], atol=1e-6)


def test_squares_show_the_width_that_is_given_whatever_the_brains():
    settings = PictureSettings(size=64, width_mm=128)
    assert settings.frame_for([(40, 50)]) == settings.frame_for([(30, 90)]) == Frame((64, 64), 2)


@given(
    brains=st.lists(st.tuples(st.floats(60, 160), st.floats(60, 200)), min_size=1, max_size=9),
    size=st.sampled_from([32, 96, 128, 224]),
    margin=st.floats(0, 12),
)
def test_the_frame_is_as_small_as_the_brains_and_halving_allow(brains, size, margin):
    frame = around(brains, size, margin)
    longest = max(map(max, brains))
    assert max(frame.shape) == size
    assert frame.pixel_mm * size == pytest.approx(longest + 2 * margin)
    assert all(frame.holds((width + 2 * margin, height + 2 * margin)) for width, height in brains)
    assert all(frame.enlarged(brain, margin) == frame for brain in brains)
    for side, lengths in zip(frame.shape, reversed(list(zip(*brains, strict=True))), strict=True):
        assert side % 32 == 0
        assert (side - 32) * frame.pixel_mm < max(lengths) + 2 * margin  # 32 pixels fewer would not do


def test_a_larger_brain_gets_more_pixels_of_the_same_size():
    frame = around([(140, 172)], 128, 4)
    assert frame.pixel_mm == 180 / 128
    assert frame.enlarged((150, 200), 4) == Frame((160, 128), 180 / 128)
    assert not frame.holds((150, 200))


def test_a_brain_much_longer_than_others_is_told_of_as_it_decides_the_resolution():
    brains = {f"sub-{number}": (140.0, 170.0 + number) for number in range(5)}
    said, warning = describe_frame(around(list(brains.values()), 128, 4), brains)
    assert said == "128 x 128 pixels of 1.42 mm, cut to the brain; the longest, of sub-4, is 174 mm"
    assert not warning
    brains["sub-9"] = (150.0, 260.0)  # with the neck
    _, warning = describe_frame(around(list(brains.values()), 128, 4), brains)
    assert "the brain of sub-9 is 260 mm long; expected about 172 mm" in warning


def test_a_map_of_a_picture_cut_to_the_brain_returns_to_the_voxel_it_came_from():
    rng = np.random.default_rng(1)
    images = np.zeros((1, 50, 80, 2), dtype=np.float32)
    volume = volume_of(images, (1.0, 0.9, 2.0))
    settings = PictureSettings(size=128, margin_mm=2)
    for _ in range(20):
        x, y, z = rng.integers(6, 44), rng.integers(6, 74), rng.integers(0, 2)
        images[:] = 0
        images[0, x, y, z] = 1
        pictures = cut_pictures(volume, settings)
        assert pictures.geometry.size == (128, 96)
        back = pictures.geometry.to_volume(pictures.images[:, 0])
        assert np.unravel_index(back.argmax(), back.shape) == (x, y, z)


def test_a_size_that_pools_would_cut_off_is_refused():
    with pytest.raises(ValueError, match="multiple of 32"):
        PictureSettings(size=150)


def test_a_brain_wider_than_the_picture_is_refused_with_both_lengths():
    with pytest.raises(
        InputError, match=r"width_mm: found pictures of 30 x 30 mm; expected at least the brain's 40 x 20 mm"
    ):
        cut_pictures(volume_of(np.ones((1, 40, 20, 2), dtype=np.float32)), PictureSettings(width_mm=30))


def test_the_brain_is_measured_as_the_slices_show_it():
    mask = np.zeros((20, 30, 40), dtype=bool)
    mask[5:9, 10:20, 3:23] = True  # 4, 10 and 20 voxels
    affine = np.diag([2.0, 1.0, 3.0, 1.0])
    assert brain_mm(mask, affine) == (8, 10)
    assert brain_mm(mask, affine, "coronal") == (8, 60)
    assert brain_mm(mask, affine, "sagittal") == (10, 60)


def test_a_scan_without_kept_slices_is_refused():
    volume = volume_of(np.ones((1, 8, 8, 4), dtype=np.float32))
    volume = PreparedVolume(volume.images, volume.brain_mask, volume.affine, np.zeros(0, dtype=np.intp))
    with pytest.raises(InputError, match="no kept slices"):
        cut_pictures(volume, PictureSettings(size=32, width_mm=8))
