"""Measures of a prepared scan: percentiles by another route, volumes of shapes whose size is known."""

import statistics

import numpy as np
import pytest

from stratacam.errors import InputError
from stratacam.scans.measures import measure_scan
from stratacam.scans.prepared import PreparedVolume

SEQUENCES = ("T1w", "T2w", "FLAIR")
TISSUE, FLUID, BLACK_HOLE = (0.6, 0.4, 0.5), (0.25, 0.9, 0.05), (0.35, 0.8, 0.8)
SIZE_MM = np.array([150.0, 180, 140])


def ball(centre, radii, spacing=2.0):
    """An ellipsoid, mm from the middle of the volume; axes towards right, anterior, superior."""
    shape = np.rint(SIZE_MM / spacing).astype(int)
    points = np.stack(np.indices(shape), -1) * spacing - SIZE_MM / 2 + np.asarray(spacing) / 2
    return (((points - centre) / radii) ** 2).sum(-1) <= 1


def scan(*parts, spacing=2.0, noise=0.0):
    """A brain of tissue with parts of other contents: (where, the intensities of the sequences)."""
    brain = ball((0, 0, 0), (65, 80, 60), spacing)
    images = np.stack([np.where(brain, value, 0.0) for value in TISSUE])
    for where, values in parts:
        images[:, where & brain] = np.array(values)[:, None]
    images += np.random.default_rng(0).normal(0, 1, images.shape) * noise
    affine = np.diag([*np.broadcast_to(spacing, 3), 1.0])
    return PreparedVolume(np.clip(images, 0, 1).astype(np.float32) * brain, brain, affine, np.arange(5))


def ventricles(spacing=2.0, wider=0.0):
    return [
        (ball((side, 5, 12), (6 + wider, 25, 7 + wider), spacing), FLUID)
        for side in (-14 - wider, 14 + wider)
    ]


def millilitres(parts, spacing=2.0):
    return sum(np.count_nonzero(where) for where, _ in parts) * np.prod(np.broadcast_to(spacing, 3)) / 1000


def test_percentiles_are_those_of_the_brain_alone():
    volume = scan(*ventricles(), noise=0.1)
    measures = measure_scan(volume, SEQUENCES)
    values = sorted(volume.images[2][volume.brain_mask].astype(float).tolist())
    cuts = statistics.quantiles(values, n=20, method="inclusive")  # each twentieth: 5, 10, ... 95 per cent
    for percentile in (5, 25, 50, 75, 95):
        assert measures[f"FLAIR_p{percentile:02}"] == pytest.approx(cuts[percentile // 5 - 1])
    assert len(measures) == 3 * 5 + 4


def test_brain_volume_is_that_of_the_mask_in_millilitres():
    # an ellipsoid has 4/3 pi a b c; (65, 80, 60) mm
    assert measure_scan(scan(*ventricles()), SEQUENCES)["brain_ml"] == pytest.approx(
        4 / 3 * np.pi * 6.5 * 8.0 * 6.0, rel=0.01
    )


@pytest.mark.parametrize("sequences", [("T1w",), ("T1w", "T2w"), SEQUENCES])
@pytest.mark.parametrize("spacing", [2.0, (1.5, 1.5, 4.0)])
def test_ventricles_are_measured_whatever_the_voxels_and_the_sequences(sequences, spacing):
    volume = scan(*ventricles(spacing), spacing=spacing, noise=0.02)
    chosen = PreparedVolume(volume.images[: len(sequences)], volume.brain_mask, volume.affine, volume.kept)
    found = measure_scan(chosen, sequences)["ventricle_ml"]
    assert found == pytest.approx(millilitres(ventricles(spacing), spacing), rel=0.01)


def test_wider_ventricles_measure_more():
    widths = (0.0, 1.0, 2.5, 4.0)
    found = [measure_scan(scan(*ventricles(wider=wider)), SEQUENCES)["ventricle_ml"] for wider in widths]
    assert found == sorted(set(found))


def test_sulci_cisterns_and_fissures_are_no_ventricles():
    others = [
        (ball((0, -10, -25), (12, 10, 10)), FLUID),  # below: a cistern, larger than the ventricles are high
        (ball((50, 0, 10), (4, 30, 10)), FLUID),  # near the surface
        (ball((0, 5, 34), (2, 8, 3)), FLUID),  # small
    ]
    found = measure_scan(scan(*ventricles(), *others, noise=0.02), SEQUENCES)["ventricle_ml"]
    assert found == pytest.approx(millilitres(ventricles()), rel=0.01)


def test_black_holes_are_no_ventricles_where_there_is_flair():
    holes = [(ball((30, 5, 12), (5, 15, 8)), BLACK_HOLE)]
    found = measure_scan(scan(*ventricles(), *holes), SEQUENCES)["ventricle_ml"]
    assert found == pytest.approx(millilitres(ventricles()))


def test_a_brain_too_small_to_be_deep_has_no_ventricles():
    volume = scan(*ventricles(), noise=0.01)
    small = ball((0, 0, 0), (15, 15, 15))
    images = (volume.images * small).astype(np.float32)
    assert (
        measure_scan(PreparedVolume(images, small, volume.affine, volume.kept), SEQUENCES)["ventricle_ml"]
        == 0
    )


def test_sequences_of_unknown_contrast_have_percentiles_and_no_say_in_the_volume():
    volume = scan(*ventricles())
    other = PreparedVolume(volume.images[[0, 2]], volume.brain_mask, volume.affine, volume.kept)
    measures = measure_scan(other, ("T1w", "PDw"))
    assert measures["PDw_p50"] == pytest.approx(TISSUE[2])
    assert measures["ventricle_ml"] == pytest.approx(millilitres(ventricles()))


def test_without_t1w_or_brain_it_is_refused():
    volume = scan()
    with pytest.raises(
        InputError, match="found T2w, FLAIR for 3 images; expected a name for each, T1w among"
    ):
        measure_scan(volume, ("T2w", "FLAIR"))
    empty = PreparedVolume(volume.images, volume.brain_mask & False, volume.affine, volume.kept)
    with pytest.raises(InputError, match="brain mask: found no voxel in it"):
        measure_scan(empty, SEQUENCES)
