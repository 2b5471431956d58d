"""A small study to look at: random maps of every subject, and beside them planted ones, of one network and of three."""

import runpy
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from stratacam.cam import Explanation, LayerMaps
from stratacam.cam.views import CONSTANT
from stratacam.evidence.pick import JudgedMap
from stratacam.maps import read_maps
from stratacam.maps.consensus_store import write_consensus
from stratacam.maps.member_maps import MemberMaps
from stratacam.maps.writing import Explained, write_maps
from stratacam.report.content.recommended import Recommended
from stratacam.scans.volume import write_nifti
from stratacam.viewer.content import Viewed

SMALL = runpy.run_path(str(Path(__file__).parents[1] / "report" / "small_study.py"))
CLASSES = ("RRMS", "SPMS", "control")
LAYERS = ("coarse", "fine")
PLANTED = {"coarse": (3, 2, 5), "fine": (4, 9, 21)}
"""Where the one cell of each layer that is lit lies: picture, row and column of the layer's own maps."""
SIDES = {"coarse": 8, "fine": 32}
SUBJECT = "sub-03"
OBLIQUE = "sub-04"
"""Its scan lies aslant in the scanner, and its voxels are not cubes."""


def write_viewed_study(root):
    """The study's folders, and a folder of the planted maps of one subject."""
    folders = SMALL["write_study"](root, classes=CLASSES, layers=SMALL["FEW"], wrong=("sub-04",))
    for subject in (SUBJECT, OBLIQUE):
        (stored,) = (folders.maps / subject).rglob("*.zarr")
        maps = read_maps(stored)
        if subject == OBLIQUE:
            maps = replace(maps, geometry=turn(folders, maps.geometry))
        write_planted(root / "planted", maps)
    return folders, root / "planted"


def turn(folders, geometry):
    """Write the images of the oblique subject anew, turned about two axes; give their geometry."""
    turned = Rotation.from_euler("xz", [15, 25], degrees=True).as_matrix() @ np.diag([4.0, 6.0, 9.0])
    affine = nibabel.affines.from_matvec(turned, [-40.0, -110.0, 12.0])
    for path in (folders.prepared / OBLIQUE).rglob("*.nii.gz"):
        write_nifti(path, np.asarray(nibabel.load(path).dataobj), affine)
    return replace(geometry, prepared=replace(geometry.prepared, affine=affine))


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
        model={"architecture": "vgg16", "seed": 7, "fold": 2},
    )  # fmt: skip
    logits = np.linspace([1, 0, 0], [0, 2, 0], count, dtype=np.float32)
    anat = folder / stored.name / "anat"
    one = Explanation(
        torch.from_numpy(logits),
        torch.tensor([[0, 1]] * count),
        {
            layer: LayerMaps(
                layer,
                torch.from_numpy(maps).movedim(0, 1),
                tuple(2 * (("" if one.any() else CONSTANT),) for one in maps[0]),
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


def recommending(viewed, *, chosen):
    """The study as if its rule had recommended the planted maps of one network, or none."""
    place = next(
        place
        for place, one in enumerate(viewed.stores)
        if (one.maps.method, one.maps.name) == ("layercam", SUBJECT)
    )
    scan = next(one for one in viewed.scans if place in one.stores)
    judged = JudgedMap(
        "vgg16_seed-3", 1, "layercam", "fine", "recommended" if chosen else "not recommended",
        () if chosen else ("its maps do not repeat",), (),
    )  # fmt: skip
    found = Recommended("vgg16", (judged,), judged if chosen else None, (), None if chosen else judged, None)
    order = (place, *(one for one in scan.stores if one != place))
    stores = [
        replace(one, recommended=chosen and number == place, judged=True)
        for number, one in enumerate(viewed.stores)
    ]
    return Viewed(
        replace(viewed.content, recommended=found), (replace(scan, stores=order),), tuple(stores)
    ), place
