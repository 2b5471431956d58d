"""Draws that claims are held against: surrogates of maps, and maps of untrained networks."""

import numpy as np
import pytest
import torch
from evidence_cases import blob_slices, explained, make_maps

from stratacam.errors import InputError
from stratacam.evidence.focus import BLANK, GINI, LIT_SHARE, focus
from stratacam.evidence.localisation import AVERAGE_PRECISION, scores_of
from stratacam.evidence.map_scores import Score, average_precision, map_scores
from stratacam.evidence.nulls import (
    Nulls,
    measure_nulls,
    null_scores,
    nulls_of_subjects,
    read_nulls,
    write_nulls,
)
from stratacam.evidence.sanity import randomised, weighted_layers
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.surrogates import noise_spectra, surrogates
from stratacam.networks import build

SETTINGS = EvidenceSettings(methods=("gradcam",), surrogates=3, untrained=2)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_surrogates_keep_spectrum_and_mean():
    maps, spectra = noise(2, 8, 6), noise_spectra(3, (16, 16), seed=0)
    found = surrogates(maps, spectra)
    assert found.shape == (3, 2, 8, 6)
    np.testing.assert_allclose(np.abs(np.fft.fft2(found[1])), np.abs(np.fft.fft2(maps)), atol=1e-4)
    np.testing.assert_allclose(found.mean(axis=(2, 3)), np.tile(maps.mean(axis=(1, 2)), (3, 1)), atol=1e-6)
    assert np.abs(np.corrcoef(found[:, 0].reshape(3, -1))[0, 1]) < 0.5


def test_surrogates_keep_how_alike_two_maps_are():
    """All maps get the same phases: one map for everybody stays one map for everybody."""
    first, second = noise(2, 8, 8)
    together = surrogates(np.stack([first, second]), noise_spectra(5, (8, 8), seed=0))
    products = (together[:, 0] * together[:, 1]).sum(axis=(1, 2))
    np.testing.assert_allclose(products, (first * second).sum(), rtol=1e-4)


def test_layers_of_two_resolutions_get_the_same_phases():
    """A coarse map that samples a fine one still does."""
    waves = np.zeros((16, 16), dtype=np.complex64)
    waves[:4, :4] = noise(4, 4) + 1j * noise(4, 4, seed=1)
    fine = np.fft.ifft2(waves).real.astype(np.float32)[None]
    spectra = noise_spectra(4, (16, 16), seed=0)
    np.testing.assert_allclose(
        surrogates(fine, spectra)[..., ::2, ::2], surrogates(fine[..., ::2, ::2], spectra), atol=1e-6
    )


def test_scores_of_many_maps_are_those_of_each():
    scan = blob_slices(count=1, size=32)
    heat = np.maximum(noise(6, 32, 32), 0)
    heat[2] = 0
    heat[3] = np.round(heat[3])
    found = map_scores(heat, scan.brain[0], scan.truth[0])
    alone = scores_of(heat, scan.truth[0], scan.brain[0], 2.0)[AVERAGE_PRECISION.name]
    np.testing.assert_allclose(found[:, Score.AVERAGE_PRECISION], alone)
    assert found[:, Score.BLANK].tolist() == [0, 0, 1, 0, 0, 0]
    assert np.isnan(found[2, [Score.GINI, Score.LIT_SHARE]]).all()


def test_average_precision_of_a_map_without_differences_is_the_share_of_truth():
    assert average_precision(np.ones((1, 10), np.float32), np.arange(10) < 3) == pytest.approx(0.3)


def test_the_first_draw_is_the_maps_themselves():
    scan = blob_slices(count=3, size=32)
    maps = make_maps({"fine": noise(3, 32, 32), "coarse": noise(3, 4, 4)})
    found = null_scores(maps.raw, scan, count=2)
    rows = {row.key: row.value for row in focus(explained(maps, scan))}
    for number, layer in enumerate(maps.layers):
        for measure, score in ((BLANK, Score.BLANK), (LIT_SHARE, Score.LIT_SHARE), (GINI, Score.GINI)):
            value = rows["gradcam", layer, measure.name, ""]
            assert found[0, number, score] == pytest.approx(value, rel=1e-5)
    assert found.shape == (3, 2, len(Score))


def test_mean_heat_of_regions_follows_the_scores():
    scan = blob_slices(count=2, size=32)
    regions = np.where(np.arange(32) < 16, 1, 2) * np.ones((2, 32, 32), int)
    scan = type(scan)(**{**vars(scan), "regions": regions})
    maps = noise(2, 32, 32)
    found = null_scores({"layer": maps}, scan, labels=(1, 2, 3))[0, 0, len(Score) :]
    heat = np.maximum(maps, 0)
    expected = [heat[scan.brain & (regions == label)].mean() for label in (1, 2)]
    np.testing.assert_allclose(found[:2], expected, rtol=1e-5)
    assert np.isnan(found[2])


@pytest.fixture(scope="module")
def network():
    return build("small_cnn", classes=2, weights="none").eval()


def test_untrained_networks_are_the_same_for_all_subjects_and_leave_the_model_as_it_was(network):
    scan = blob_slices(count=2, size=32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first, second = (measure_nulls(network, scan, SETTINGS, target=0, seed=1) for _ in range(2))
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    (found,) = first.values()
    assert found.surrogates.shape[0] == 4
    assert found.untrained.shape[0] == 3
    np.testing.assert_array_equal(found.untrained, second["gradcam"].untrained)
    np.testing.assert_array_equal(found.surrogates[0], found.untrained[0])
    assert not np.array_equal(found.untrained[1], found.untrained[2])


@pytest.mark.parametrize("name", ["small_cnn", "resnet18"])
def test_weights_are_drawn_anew_as_the_architecture_draws_them(name):
    """PyTorch's default for convolutions has a sixth of the variance, and biases: another kind of network."""
    model = build(name, classes=2, weights="none")
    spread = {key: float(value.detach().std()) for key, value in model.named_parameters() if value.ndim == 4}
    with randomised(model, weighted_layers(model), seed=3):
        for key, value in model.named_parameters():
            if key in spread:
                assert float(value.detach().std()) == pytest.approx(spread[key], rel=0.25)
            elif key.endswith("conv1.bias"):
                assert not value.any()


def test_scores_of_draws_survive_the_disk_and_are_averaged_over_a_subjects_scans(tmp_path):
    one, other = (Nulls(noise(3, 2, 4, seed=seed), noise(2, 2, 4, seed=seed)) for seed in (0, 1))
    other.surrogates[:, 0, 0] = np.nan
    for name, nulls in (("a", one), ("b", other), ("c", one)):
        write_nulls(tmp_path / f"{name}.npz", {"gradcam": nulls})
    np.testing.assert_array_equal(read_nulls(tmp_path / "a.npz")["gradcam"].untrained, one.untrained)
    found = nulls_of_subjects(
        {name: tmp_path / f"{name}.npz" for name in "abc"}, {"a": "1", "b": "1", "c": "2"}, ["1", "2"]
    )["gradcam"]
    assert found.surrogates.shape == (3, 2, 2, 4)
    np.testing.assert_allclose(found.untrained[:, 0], (one.untrained + other.untrained) / 2)
    np.testing.assert_allclose(found.surrogates[:, 0, 0, 0], one.surrogates[:, 0, 0])
    (tmp_path / "a.npz").write_text("damaged")
    with pytest.raises(InputError, match="expected scores of draws: remove it"):
        read_nulls(tmp_path / "a.npz")
