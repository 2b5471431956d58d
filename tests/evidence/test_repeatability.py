import numpy as np
import pytest
from evidence_cases import BlobNetwork, blob_slices, disc, explained, make_maps, make_scan, with_zeros
from scipy import stats

from stratacam.evidence.redundancy import alike_layers, clusters, correlation_matrix, redundancy
from stratacam.evidence.repeatability import (
    compare,
    intraclass_correlation,
    neighbours,
    perturbed,
    shift,
)
from stratacam.evidence.similarity import rank_correlation, rank_matrix, ssim
from stratacam.evidence.values import SubjectTable, Summary
from stratacam.maps.slice_maps import explain_slices

BRAIN = disc(40, 40, 17)
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_rank_correlation_is_spearmans_inside_the_brain(share):
    first = with_zeros((3, 40, 40), share, seed=1)
    second = np.where(RANDOM.random((3, 40, 40)) < 0.5, first, with_zeros((3, 40, 40), share, seed=2))
    expected = [stats.spearmanr(a[BRAIN], b[BRAIN]).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(rank_correlation(first, second, BRAIN), expected, rtol=1e-9)
    matrix = rank_matrix(np.stack([first[0], second[0]]), BRAIN)
    np.testing.assert_allclose(matrix, [[1, expected[0]], [expected[0], 1]], rtol=1e-6)


def test_a_map_without_differences_has_no_rank_correlation():
    first = with_zeros((1, 40, 40), 0.2)
    assert np.isnan(rank_correlation(first, np.zeros_like(first), BRAIN)[0])


def slow_ssim(first, second):
    """The formula at one pixel after the other, with an explicit window."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(window, window) / np.outer(window, window).sum()
    first, second = (np.pad(maps / maps.max(), 5, mode="symmetric").astype(float) for maps in (first, second))
    found = []
    for row, column in np.argwhere(BRAIN):
        a, b = (maps[row : row + 11, column : column + 11] for maps in (first, second))
        mean_a, mean_b = (window * a).sum(), (window * b).sum()
        variance_a, variance_b = (window * a * a).sum() - mean_a**2, (window * b * b).sum() - mean_b**2
        covariance = (window * a * b).sum() - mean_a * mean_b
        found.append(
            (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
            / ((mean_a**2 + mean_b**2 + 1e-4) * (variance_a + variance_b + 9e-4))
        )  # fmt: skip
    return np.mean(found)


def test_ssim_is_that_of_wang_with_an_11_pixel_window():
    first, second = with_zeros((1, 40, 40), 0.3, seed=1), with_zeros((1, 40, 40), 0.3, seed=2)
    assert ssim(first, second, BRAIN)[0] == pytest.approx(slow_ssim(first[0], second[0]), abs=1e-6)
    assert ssim(first, 7 * first, BRAIN)[0] == pytest.approx(1)


def test_ssim_agrees_with_scikit_image():
    metrics = pytest.importorskip("skimage.metrics", reason="see benchmarks/oracles.txt")
    first, second = with_zeros((40, 40), 0.3, seed=1), with_zeros((40, 40), 0.3, seed=2)
    _, theirs = metrics.structural_similarity(
        first / first.max(), second / second.max(), data_range=1, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    assert ssim(first[None], second[None], BRAIN)[0] == pytest.approx(theirs[BRAIN].mean(), abs=1e-5)


def test_the_intraclass_correlation_is_that_of_shrout_and_fleiss():
    table = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
    )
    assert intraclass_correlation(table) == pytest.approx(0.29, abs=0.005)
    assert intraclass_correlation(np.tile(table[:, :1], 3)) == pytest.approx(1)
    assert np.isnan(intraclass_correlation(table[:1]))


def test_a_shift_goes_down_and_right_and_back():
    values = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(shift(values, 1), [[0, 0, 0, 0], [0, 0, 1, 2], [0, 4, 5, 6]])
    np.testing.assert_array_equal(shift(shift(values, 1), -1), [[0, 1, 2, 0], [4, 5, 6, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(shift(values, 0), values)


def test_without_shift_and_noise_maps_repeat_exactly():
    scan, model = blob_slices(count=2), BlobNetwork().eval()
    maps = explain_slices(model, scan.images, scan.brain, 0, "layercam", layers=("match",))
    rows = perturbed(model, scan, {"layercam": maps}, shift_px=0, noise=0.0)
    assert {value.against for value in rows} == {"shift", "noise"}
    assert [value.value for value in rows] == pytest.approx([1] * len(rows))


def test_a_map_that_moves_with_the_picture_repeats_under_a_shift():
    scan, model = blob_slices(count=3), BlobNetwork().eval()
    maps = explain_slices(model, scan.images, scan.brain, 0, "layercam", layers=("match",))
    rows = {
        value.key[2:]: value.value
        for value in perturbed(model, scan, {"layercam": maps}, shift_px=2, noise=0.02)
    }
    assert rows["repeat_ssim", "shift"] == pytest.approx(1, abs=1e-3)
    assert rows["repeat_rank", "shift"] == pytest.approx(1, abs=1e-3)
    assert 0.5 < rows["repeat_rank", "noise"] < 1


def test_maps_of_two_trainings_are_compared_where_both_show_something_and_by_layer():
    scan = make_scan(np.zeros((3, 3, 40, 40)), np.tile(BRAIN, (3, 1, 1)))
    one = with_zeros((3, 40, 40), 0.2)
    other = one.copy()
    other[1] = 0
    rows = compare(make_maps({"a": one, "b": one}), make_maps({"a": other, "c": one}), scan, "seed")
    (found,) = [value for value in rows if value.measure == "repeat_rank"]
    assert (found.layer, found.against, found.slices) == ("a", "seed", 2)
    assert found.value == pytest.approx(1)


def test_regions_means_that_agree_have_an_intraclass_correlation_of_1():
    regions = np.tile(np.repeat(np.arange(1, 5), 10)[:, None], (1, 40))[None]
    scan = make_scan(np.zeros((1, 3, 40, 40)), BRAIN[None], regions=regions)
    heat = (regions + 0.01 * RANDOM.random(regions.shape)).astype(np.float32)
    rows = {
        value.measure: value.value
        for value in compare(make_maps({"a": heat}), make_maps({"a": 3 * heat}), scan, "seed")
    }
    assert rows["repeat_icc"] == pytest.approx(1)
    opposite = {
        v.measure: v.value for v in compare(make_maps({"a": heat}), make_maps({"a": 5 - heat}), scan, "seed")
    }
    assert opposite["repeat_icc"] < 0


def test_neighbours_are_compared_pairwise_inside_both_brains():
    brains = np.stack([BRAIN, BRAIN, np.zeros_like(BRAIN)])
    heat = with_zeros((1, 40, 40), 0.2).repeat(3, axis=0)
    rows = neighbours(make_maps({"a": heat}), make_scan(np.zeros((3, 3, 40, 40)), brains))
    (found,) = [value for value in rows if value.measure == "repeat_rank"]
    assert (found.value, found.slices, found.against) == (pytest.approx(1), 1, "neighbour")


def test_redundancy_is_the_mean_rank_correlation_of_each_pair_of_layers():
    heat = {name: with_zeros((2, 40, 40), 0.3, seed=seed) for seed, name in enumerate(("a", "b", "c"))}
    heat["c"] = heat["a"] ** 2
    rows = redundancy(
        explained(make_maps(heat), make_scan(np.zeros((2, 3, 40, 40)), np.tile(BRAIN, (2, 1, 1))))
    )
    found = {(value.layer, value.against): value.value for value in rows}
    assert set(found) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert found["a", "c"] == pytest.approx(1)
    expected = [stats.spearmanr(heat["a"][i][BRAIN], heat["b"][i][BRAIN]).statistic for i in range(2)]
    assert found["a", "b"] == pytest.approx(np.mean(expected))
    summaries = [Summary(*value.key, value.value, 0, 1, 5) for value in rows]
    matrix = correlation_matrix(summaries, ("a", "b", "c"), "gradcam")
    np.testing.assert_allclose(matrix, matrix.T)
    assert clusters(matrix, ("a", "b", "c")) == [("a", "c"), ("b",)]


def test_layers_that_were_never_both_seen_do_not_say_the_same():
    likeness = np.random.default_rng(0).uniform(0.9, 0.95, size=(12, 1))
    table = SubjectTable(
        (("gradcam", "a", "correlation", "c"),), tuple(f"sub-{number:02d}" for number in range(12)), likeness
    )
    assert alike_layers(table, ["gradcam"], ("a", "b", "c")) == {"gradcam": [("a", "c"), ("b",)]}
    assert clusters(np.ones((1, 1)), ("a",)) == [("a",)]
