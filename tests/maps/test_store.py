"""A store that is damaged says so: it is never taken for maps that show nothing."""

import shutil

import numpy as np
import pytest
import torch

from stratacam.cam import Explanation, LayerMaps
from stratacam.errors import InputError
from stratacam.maps import find_maps, read_maps
from stratacam.maps.writing import Explained, write_maps
from stratacam.scans.geometry import Geometry
from stratacam.scans.resampling import Grid

SLICES = 20
"""In two chunks."""
BLANK = range(16, SLICES)
"""Slices whose maps show nothing, all of the second chunk: zarr writes no file of it."""


@pytest.fixture
def store(tmp_path):
    """A store of one layer, below a folder of maps."""
    raw = torch.rand(SLICES, 1, 4, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    raw[list(BLANK)] = 0
    causes = tuple(("zero gradient" if index in BLANK else "",) for index in range(SLICES))
    made = Explanation(
        torch.ones(SLICES, 2),
        torch.zeros(SLICES, 1, dtype=torch.long),
        {"layer": LayerMaps("layer", raw, causes)},
    )
    grid = Grid((8, 8, SLICES), np.eye(4))
    geometry = Geometry(grid, "axial", tuple(range(SLICES)), (8, 8), (3.5, 3.5), (8.0, 8.0))
    explained = Explained("sub-01", "gradcam", 0, ("a", "b"), {"a": 0.4, "b": 0.6}, ("a",), geometry)
    path = tmp_path / "maps" / "sub-01" / "anat" / "sub-01_gradcam.zarr"
    return write_maps(path, explained, [made], np.ones((SLICES, 8, 8), bool)).path


def chunks(array):
    return sorted(path for path in array.rglob("*") if path.is_file() and path.name != "zarr.json")


def test_a_whole_store_is_read_with_its_blank_slices(store):
    (chunk,) = chunks(store / "layers" / "layer")
    assert chunk.stat().st_size > 0
    raw = read_maps(store).raw("layer")
    assert raw[:16].min() > 0
    assert not raw[16:].any()


def cut(path):
    path.write_bytes(path.read_bytes()[:8])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: cut(*chunks(path / "layers" / "layer")), "layer is damaged"),
        (lambda path: chunks(path / "layers" / "layer")[0].write_bytes(b""), "layer is damaged"),
        (lambda path: chunks(path / "layers" / "layer")[0].unlink(), "maps of layer are missing"),
        (lambda path: shutil.rmtree(path / "layers" / "layer"), "layer is damaged"),
        (lambda path: cut(path / "layers" / "layer" / "zarr.json"), "layer is damaged"),
        (lambda path: cut(path / "zarr.json"), "the group is damaged"),
        (lambda path: (path / "zarr.json").unlink(), "holds no maps"),
        (lambda path: cut(*chunks(path / "logits")), "logits is damaged"),
    ],
)
def test_damage_is_named_with_the_store(store, harm, words):
    harm(store)
    with pytest.raises(InputError, match=f"{store.name}: {words}"):
        find_maps(store.parents[2])[0].raw("layer")
