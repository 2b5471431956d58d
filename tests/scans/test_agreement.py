"""Whether two scans are of one head, and what is done about a registration that is not to be trusted."""

import numpy as np
import pytest
import SimpleITK
from scipy import ndimage
from synthetic_head import axis_affine, brain_of, head, rotation, world_points

from stratacam.scans.agreement import SAME_HEAD, blur, read_points, shared_information
from stratacam.scans.prepare.registration import check_registration
from stratacam.scans.register import Registration, register
from stratacam.scans.volume import to_itk

SIZE = (60, 72, 56)
AFFINE = axis_affine()
STILL = SimpleITK.Euler3DTransform()
MOVED = rotation(4, -3, 5)
MOVED[:3, 3] = (6, -4, 5)


@pytest.fixture(scope="module")
def t1w():
    return to_itk(head("T1w", AFFINE), AFFINE)


@pytest.fixture(scope="module")
def brain():
    return to_itk(brain_of(world_points(AFFINE, SIZE)).astype(np.uint8), AFFINE)


def _shared(t1w, image, brain, position):
    return shared_information(read_points(t1w, brain), blur(image), position)


def _another_head():
    """A FLAIR whose brain is about as large, but shaped otherwise: every point is off by up to 14 mm."""
    points = world_points(AFFINE, SIZE)
    waves = np.stack([np.sin(points[..., (axis + 1) % 3] / 11 + axis) for axis in range(3)], axis=-1)
    places = np.moveaxis(np.indices(SIZE), 0, -1) + 14 / 3 * waves
    image = head("FLAIR", AFFINE, noise=0.02, seed=7)
    return to_itk(ndimage.map_coordinates(image, np.moveaxis(places, -1, 0), order=1, mode="nearest"), AFFINE)


def test_sequences_of_one_head_share_much_and_noise_nothing(t1w, brain):
    flair = to_itk(head("FLAIR", AFFINE, seed=3), AFFINE)
    noise = to_itk(np.random.default_rng(9).normal(size=SIZE).astype(np.float32), AFFINE)
    assert _shared(t1w, flair, brain, STILL) > 2 * SAME_HEAD
    assert _shared(t1w, noise, brain, STILL) < SAME_HEAD / 2


def test_contrast_and_scale_of_the_intensities_do_not_matter(t1w, brain):
    flair = head("FLAIR", AFFINE, seed=3)
    found = [
        _shared(t1w, to_itk(image.astype(np.float32), AFFINE), brain, STILL)
        for image in (flair, 40 * flair, flair**2 / 100)
    ]
    assert found[1] == pytest.approx(found[0], rel=1e-3)
    assert found[2] == pytest.approx(found[0], rel=0.2)


def test_what_was_cut_off_a_scan_says_nothing(t1w, brain):
    flair = head("FLAIR", AFFINE, seed=3)
    places = world_points(AFFINE, SIZE)
    half = to_itk(np.where(places[..., 1] > 0, flair, 0).astype(np.float32), AFFINE)
    whole = _shared(t1w, to_itk(flair, AFFINE), brain, STILL)
    assert _shared(t1w, half, brain, STILL) == pytest.approx(whole, rel=0.3)
    noise = np.random.default_rng(4).normal(300, 40, SIZE)
    cut = to_itk(np.where(places[..., 1] > 0, noise, 0).astype(np.float32), AFFINE)
    assert _shared(t1w, cut, brain, STILL) < SAME_HEAD


def _bias(shape):
    """A field of 33 % (standard deviation of its logarithm), brightest at one side or in the middle."""
    x, y, z = np.moveaxis(world_points(AFFINE, SIZE) / 80, -1, 0)
    field = {"side": x + 0.6 * y - 0.4 * z, "middle": -(x**2 + y**2 + z**2)}[shape]
    return np.exp(field * 0.33 / field[brain_of(world_points(AFFINE, SIZE))].std())


@pytest.mark.parametrize("shape", ["side", "middle"])
def test_coil_bias_of_a_third_does_not_count(t1w, brain, shape):
    flair = head("FLAIR", AFFINE, seed=3)
    plain = _shared(t1w, to_itk(flair, AFFINE), brain, STILL)
    biased = to_itk((flair * _bias(shape)).astype(np.float32), AFFINE)
    assert _shared(t1w, biased, brain, STILL) > 0.8 * plain


def test_a_position_on_the_grid_shares_no_more_than_one_off_it(brain):
    """Without anatomy, only the grid is left to tell the positions apart."""
    noise = np.random.default_rng(2).normal(500, 100, SIZE).astype(np.float32)
    same = to_itk(noise, AFFINE)
    between = SimpleITK.Euler3DTransform()
    between.SetTranslation((1.5, 1.5, 1.5))
    other = to_itk(np.random.default_rng(3).normal(500, 100, SIZE).astype(np.float32), AFFINE)
    on, off = (_shared(same, other, brain, position) for position in (STILL, between))
    assert on == pytest.approx(off, abs=0.005)


def _checked(t1w, image, brain):
    return check_registration(read_points(t1w, brain), image, register(t1w, image))


@pytest.mark.parametrize(
    ("millimetres", "kept"), [(0.3, True), (0.6, True), (5.0, False), (12.0, False), (20.0, False)]
)
def test_the_header_wins_only_where_a_registration_is_clearly_wrong(t1w, brain, millimetres, kept):
    """The headers are right, and the sequence lies on the T1w's own grid, where nothing is interpolated."""
    wrong = SimpleITK.Euler3DTransform()
    wrong.SetTranslation((np.array([0.6, -0.5, 0.62]) * millimetres).tolist())
    flair = to_itk(head("FLAIR", AFFINE, noise=0.04, seed=3), AFFINE)
    found = check_registration(
        read_points(t1w, brain), flair, Registration(wrong, "centres of mass", -0.3, -0.3)
    )
    assert found.fell_back != kept
    assert bool(found.doubts) != kept


def test_misaligned_scans_share_less(t1w, brain):
    flair = to_itk(head("FLAIR", AFFINE, seed=3), AFFINE)
    shifted = SimpleITK.Euler3DTransform()
    shifted.SetTranslation((8.0, -6.0, 5.0))
    apart = _shared(t1w, flair, brain, shifted)
    assert apart < 0.7 * _shared(t1w, flair, brain, STILL)


def test_scans_that_do_not_overlap_share_nothing(t1w, brain):
    away = SimpleITK.Euler3DTransform()
    away.SetTranslation((1000.0, 0.0, 0.0))
    assert _shared(t1w, t1w, brain, away) == 0


def test_a_sound_registration_is_kept_without_a_doubt(t1w, brain):
    moving = to_itk(head("FLAIR", AFFINE, moved=np.linalg.inv(MOVED), seed=1), AFFINE)
    found = _checked(t1w, moving, brain)
    assert not found.fell_back
    assert found.doubts == ()
    assert found.shared_after > found.shared_before
    assert found.rotation == pytest.approx(7.1, abs=0.3)  # 4, -3 and 5 degrees together


def test_headers_far_apart_are_no_reason_to_doubt(t1w, brain):
    far = AFFINE.copy()
    far[:3, 3] += 400
    found = _checked(t1w, to_itk(head("T2w", AFFINE, seed=3), far), brain)
    assert found.doubts == ()
    assert found.shift == pytest.approx(400 * 3**0.5, abs=1)


def test_another_persons_scan_is_flagged(t1w, brain):
    found = _checked(t1w, _another_head(), brain)
    assert any("another person" in doubt for doubt in found.doubts), found


@pytest.mark.parametrize("degrees", [20.0, 90.0])
def test_a_registration_that_makes_matters_worse_falls_back_to_the_header(t1w, brain, degrees):
    wrong = SimpleITK.Euler3DTransform()
    wrong.SetRotation(0.0, 0.0, np.deg2rad(degrees))
    flair = to_itk(head("FLAIR", AFFINE, seed=3), AFFINE)
    found = check_registration(
        read_points(t1w, brain), flair, Registration(wrong, "centres of mass", -0.3, -0.2)
    )
    assert found.fell_back
    assert found.transform.TransformPoint((10.0, 20.0, 30.0)) == (10.0, 20.0, 30.0)
    assert len(found.doubts) == 1
    assert "position in the header is kept" in found.doubts[0]
    assert found.rotation == pytest.approx(degrees)
