import numpy as np
import pytest
from synthetic_head import CONTRASTS, axis_affine, brain_of, head, world_points

from stratacam.errors import InputError
from stratacam.scans.intensity import (
    normalise,
    percentile_scale,
    tissue_peak,
    white_matter,
    white_matter_contrast,
    z_score_scale,
)

SIZE = (90, 108, 84)
AFFINE = axis_affine((2.0, 2.0, 2.0), SIZE)
POINTS = world_points(AFFINE, SIZE)
BRAIN = brain_of(POINTS)
VOXEL = (2.0, 2.0, 2.0)


@pytest.fixture(scope="module")
def images():
    return {name: head(name, AFFINE, SIZE, noise=0.03, seed=n) for n, name in enumerate(CONTRASTS)}


def test_white_matter_is_the_bright_tissue_of_the_t1w_and_its_peak_is_its_intensity(images):
    white = white_matter(images["T1w"], BRAIN, VOXEL)
    for name, image in images.items():
        assert tissue_peak(image[white]) == pytest.approx(CONTRASTS[name][4], rel=0.01)


def test_fifty_millilitres_of_lesions_do_not_darken_the_rest(images):
    lesions = np.zeros(SIZE, bool)
    for centre in ((25, 20, 15), (-25, 20, 15), (25, -35, 12), (-28, -38, 0), (0, 30, 25), (30, -8, 20)):
        lesions |= np.linalg.norm(POINTS - centre, axis=-1) < 12.7
    assert 45 < lesions.sum() * 8 / 1000 < 55  # ml
    healthy = white_matter(images["T1w"], BRAIN, VOXEL) & ~lesions
    brightness = {"T1w": 0.7, "T2w": 2.4, "FLAIR": 1.9}
    ill = {name: np.where(lesions, image * brightness[name], image) for name, image in images.items()}
    before, after = (white_matter(white_matter_contrast(scan), BRAIN, VOXEL) for scan in (images, ill))
    for name in images:
        medians = [
            np.median(normalise(volumes[name] / (3 * tissue_peak(volumes[name][white])), BRAIN)[healthy])
            for volumes, white in ((images, before), (ill, after))
        ]
        assert medians[1] == pytest.approx(medians[0], rel=0.01)


def test_grey_and_white_matter_that_the_t1w_hardly_separates_are_told_apart_with_the_t2w(images):
    """A spin-echo T1w: 8 per cent of contrast under 6 per cent of noise. The T1w alone mixes the two."""
    t1w_of, t2w_of = ((20, 92, 100), (400, 147, 100))  # fluid, grey, white
    noise = np.random.default_rng(3).normal(0, 6, (2, *SIZE))
    grey = np.abs(images["T1w"] - CONTRASTS["T1w"][3]) < np.abs(images["T1w"] - CONTRASTS["T1w"][4])
    fluid = images["T1w"] < (CONTRASTS["T1w"][2] + CONTRASTS["T1w"][3]) / 2
    tissue = np.where(fluid, 0, np.where(grey, 1, 2))
    scan = {
        name: (np.take(values, tissue) + noise[number]).astype(np.float32)
        for number, (name, values) in enumerate((("T1w", t1w_of), ("T2w", t2w_of)))
    }
    with_t2w = white_matter(white_matter_contrast(scan), BRAIN, VOXEL)
    alone = white_matter(white_matter_contrast({"T1w": scan["T1w"]}), BRAIN, VOXEL)
    assert (tissue[with_t2w] == 2).mean() > 0.98
    assert (tissue[alone] == 2).mean() < 0.9
    assert tissue_peak(scan["T2w"][with_t2w]) == pytest.approx(100, rel=0.01)


def test_black_holes_and_large_ventricles_do_not_move_the_peak(images):
    ventricles = np.linalg.norm((POINTS - (0, -8, 8)) / (1, 1.8, 1), axis=-1) < 22
    atrophied = np.where(ventricles, CONTRASTS["T1w"][2], images["T1w"]).astype(np.float32)
    peak = tissue_peak(atrophied[white_matter(atrophied, BRAIN, VOXEL)])
    assert peak == pytest.approx(CONTRASTS["T1w"][4], rel=0.01)


def test_the_scale_of_the_scanner_does_not_matter(images):
    for factor in (1e-3, 37.0):
        image = images["T1w"] * np.float32(factor)
        peak = tissue_peak(image[white_matter(image, BRAIN, VOXEL)])
        assert peak / factor == pytest.approx(CONTRASTS["T1w"][4], rel=0.01)


def test_normalised_intensities_lie_between_zero_and_one_and_are_zero_outside():
    scaled = np.array([[[-0.5, 0.25, 1.7, 0.5]]], np.float32)
    mask = np.array([[[True, True, True, False]]])
    np.testing.assert_array_equal(normalise(scaled, mask), [[[0.0, 0.25, 1.0, 0.0]]])


def test_a_mask_with_no_inside_is_refused(images):
    sliver = np.zeros(SIZE, bool)
    sliver[40:42, 40:42, 40:42] = True
    with pytest.raises(InputError, match="deeper than 3 mm"):
        white_matter(images["T1w"], sliver, VOXEL)


def test_percentiles_and_z_scores_follow_their_definitions():
    values = np.random.default_rng(0).normal(300, 50, 100_000).astype(np.float32)
    scaled = percentile_scale(values).apply(values)
    assert np.percentile(scaled, 0.5) == pytest.approx(0, abs=1e-3)
    assert np.percentile(scaled, 99.5) == pytest.approx(1, abs=1e-3)
    scaled = z_score_scale(values).apply(values)
    assert scaled.mean() == pytest.approx(0.5, abs=1e-4)
    assert scaled.std() == pytest.approx(1 / 6, abs=1e-4)


def test_a_brain_of_one_intensity_cannot_be_scaled():
    for scale in (percentile_scale, z_score_scale):
        with pytest.raises(InputError, match="one intensity"):
            scale(np.full(100, 7.0, np.float32))
