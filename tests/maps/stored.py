"""Stores of made-up maps for tests: of one network, and of three."""

import numpy as np
import torch

from stratacam.cam import Explanation, LayerMaps
from stratacam.maps.consensus_store import write_consensus
from stratacam.maps.member_maps import MemberMaps
from stratacam.maps.store.group import Explained
from stratacam.maps.writing import write_maps
from stratacam.scans.geometry import Geometry
from stratacam.scans.resampling import Grid

CLASSES = ("a", "b")
SIZES = {"fine": (32, 24), "coarse": (4, 3)}


def path_of(folder, name="sub-01", method="gradcam"):
    """Where a store is below a folder of maps."""
    return folder / name / "anat" / f"{name}_{method}.zarr"


def explained_of(slices, *, name="sub-01", classes=CLASSES, dtype="float32"):
    """What is known of maps before they are made."""
    grid = Grid((32, 24, slices), np.eye(4))
    geometry = Geometry(grid, "axial", tuple(range(10, 10 + slices)), (32, 24), (15.5, 11.5), (32.0, 24.0))
    return Explained(
        name,
        "gradcam",
        0,
        CLASSES,
        {"a": 0.4, "b": 0.6},
        classes,
        geometry,
        {"run": "one"},
        dtype=dtype,
    )


def raw_maps(slices, layer, *, seed=0, classes=CLASSES):
    """(slices, classes, rows, columns), above 0."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(slices, len(classes), *SIZES[layer], generator=generator) + 0.1


def write_one(path, raw, **known):
    """A store of the maps (slices, classes, rows, columns) of one network by layer."""
    slices, classes = next(iter(raw.values())).shape[:2]
    explained = explained_of(slices, classes=CLASSES[:classes], **known)
    made = [
        Explanation(
            torch.ones(len(part), 2),
            torch.zeros(len(part), classes, dtype=torch.long),
            {
                layer: LayerMaps(
                    layer,
                    maps[part],
                    tuple(tuple("" if one.any() else "zero gradient" for one in row) for row in maps[part]),
                )
                for layer, maps in raw.items()
            },
        )
        for part in torch.arange(slices).split(8)
    ]
    return write_maps(path, explained, made, np.ones((slices, 32, 24), bool))


def write_three(path, slices=20, *, keep_members=False, **known):
    """A store of the consensus of three networks; return it, and the members' maps (M, C, n, rows, columns)."""
    raw = {
        layer: torch.stack([raw_maps(slices, layer, seed=seed) for seed in range(3)]).transpose(1, 2).numpy()
        for layer in SIZES
    }
    unreached = {layer: np.zeros(maps.shape[:3], bool) for layer, maps in raw.items()}
    logits = np.ones((3, slices, 2), np.float32)
    stored = write_consensus(
        path,
        explained_of(slices, **known),
        [MemberMaps(logits, raw, unreached)],
        np.ones((slices, 32, 24), bool),
        [{"run": name} for name in ("one", "two", "three")],
        keep_members=keep_members,
    )
    return stored, raw
