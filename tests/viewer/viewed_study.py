"""A small study to look at: random maps of every subject, and beside them planted ones, of one network and of three."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from stratacam.cam import Explanation, LayerMaps
from stratacam.maps import read_maps
from stratacam.maps.consensus_store import write_consensus
from stratacam.maps.member_maps import MemberMaps
from stratacam.maps.writing import Explained, write_maps

SMALL = runpy.run_path(str(Path(__file__).parents[1] / "report" / "small_study.py"))
CLASSES = ("RRMS", "SPMS", "control")
LAYERS = ("coarse", "fine")
PLANTED = {"coarse": (3, 2, 5), "fine": (4, 9, 21)}
"""Where the one cell of each layer that is lit lies: picture, row and column of the layer's own maps."""
SIDES = {"coarse": 8, "fine": 32}
SUBJECT = "sub-03"


def write_viewed_study(root):
    """The study's folders, and a folder of the planted maps of one subject."""
    folders = SMALL["write_study"](root, classes=CLASSES, layers=SMALL["FEW"], wrong=("sub-04",))
    (stored,) = (folders.maps / SUBJECT).rglob("*.zarr")
    write_planted(root / "planted", read_maps(stored))
    return folders, root / "planted"


def planted_maps(geometry):
    """By layer, (2, n, side, side): for the second class a lit cell, for the first the same with half of the value."""
    maps = {}
    for layer, (picture, row, column) in PLANTED.items():
        raw = np.zeros((2, len(geometry.slices), SIDES[layer], SIDES[layer]), np.float32)
        raw[:, picture, row, column] = [0.5, 2.0]
        raw[:, picture, -1, -1] = -1  # speaks against
        maps[layer] = raw
    return maps


def write_planted(folder, stored):
    """Maps for two classes of a scan, of one network; and of three, one of which sees nothing."""
    geometry, count = stored.geometry, len(stored.geometry.slices)
    raw = planted_maps(geometry)
    explained = Explained(
        name=stored.name, method="layercam", smooth=0, classes=CLASSES,
        scan_probabilities={"RRMS": 0.2, "SPMS": 0.7, "control": 0.1},
        every_explained=("RRMS", "SPMS"), geometry=geometry,
    )  # fmt: skip
    logits = np.linspace([1, 0, 0], [0, 2, 0], count, dtype=np.float32)
    anat = folder / stored.name / "anat"
    one = Explanation(
        torch.from_numpy(logits),
        torch.tensor([[0, 1]] * count),
        {
            layer: LayerMaps(
                layer, torch.from_numpy(maps).movedim(0, 1), tuple((("", "")) for _ in range(count))
            )
            for layer, maps in raw.items()
        },
    )
    brain = np.ones((count, *geometry.size), dtype=bool)
    write_maps(anat / f"{stored.name}_layercam.zarr", explained, [one], brain)
    seeing = np.array([1, 1, 0], np.float32)[:, None, None, None, None]
    members = MemberMaps(
        np.stack([logits] * 3),
        {layer: seeing * maps for layer, maps in raw.items()},
        {layer: np.zeros((3, 2, count), dtype=bool) for layer in raw},
    )
    write_consensus(
        anat / f"{stored.name}_hirescam.zarr",
        replace(explained, method="hirescam"),
        [members],
        brain,
        [{"architecture": "vgg16", "seed": seed, "fold": 0} for seed in range(3)],
    )
