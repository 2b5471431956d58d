"""float16 maps: within 0.05 % of the maximum, whatever the scale; never infinite."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from stored import path_of, write_three

from stratacam.maps.store import list_store
from stratacam.maps.store.stored_type import pack, unpack

BOUND = 2.0**-11
LARGEST = float(np.finfo(np.float32).max)


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-8, 1.0, 70_000.0, 1e30, LARGEST])
def test_the_error_is_below_half_a_thousandth_of_the_maximum_at_any_scale(scale):
    raw = (np.random.default_rng(0).uniform(-1, 1, (2, 3, 8, 8)) * scale).astype(np.float32)
    raw[0, 0, 0, 0] = scale
    packed = pack(raw, "float16")
    found = unpack(packed.values, packed.scale_factor)
    assert packed.values.dtype == np.float16
    assert np.isfinite(found).all()
    errors = np.abs(found.astype(float) - raw).max(axis=(2, 3)) / np.abs(raw).max(axis=(2, 3))
    assert packed.error == pytest.approx(errors.max(), rel=1e-3)
    assert packed.error <= (BOUND if scale > 1e-40 else 0.5)  # below that float32 itself has few bits


@given(arrays(np.float32, (1, 2, 2), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_no_finite_value_becomes_infinite_and_the_largest_stays_within_the_bound(raw):
    packed = pack(raw, "float16")
    found = unpack(packed.values, packed.scale_factor)
    assert np.isfinite(found).all()
    highest = float(np.abs(raw).max())
    if highest > 1e-37:
        assert np.abs(found.astype(float) - raw).max() <= BOUND * highest


def test_a_faint_map_beside_a_bright_one_has_its_error_stated():
    raw = np.zeros((2, 4, 4), np.float32)
    raw[0], raw[1] = 1.0, 1e-6 * np.linspace(0.5, 1, 16).reshape(4, 4)
    assert BOUND < pack(raw, "float16").error < 0.05


def test_nan_and_infinity_stay_and_an_empty_map_has_no_error():
    raw = np.array([[[np.nan, np.inf], [-np.inf, 3.0]], [[0, 0], [0, 0]]], np.float32)
    packed = pack(raw, "float16")
    np.testing.assert_array_equal(unpack(packed.values, packed.scale_factor), raw)
    assert packed.error == 0
    assert pack(np.zeros((1, 2, 2), np.float32), "float16").error == 0


def test_float32_is_stored_as_it_is():
    raw = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    assert pack(raw, "float32").values is raw


def test_a_store_of_float16_is_read_as_float32_and_says_its_error(tmp_path):
    exact, _ = write_three(path_of(tmp_path / "exact"))
    half, _ = write_three(path_of(tmp_path / "half"), dtype="float16")
    for layer in exact.layers:
        found, expected = half.raw(layer), exact.raw(layer)
        assert found.dtype == np.float32
        assert 0 < np.abs(found - expected).max() <= BOUND * np.abs(expected).max()
    (array, *_) = list_store(half.path).arrays
    assert array.dtype == "float16"
    assert 0 < array.error <= BOUND
    assert list_store(exact.path).arrays[0].error == 0
