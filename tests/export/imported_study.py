"""A finished study of a scan that was imported from DICOM, whose maps the tests choose."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from stratacam.cam import Explanation, LayerMaps
from stratacam.files import write_json
from stratacam.maps import read_maps
from stratacam.maps.consensus_store import write_consensus
from stratacam.maps.member_maps import MemberMaps
from stratacam.maps.store.root import write_root
from stratacam.maps.writing import Explained, write_maps
from stratacam.scans.dicom import import_dicom
from stratacam.scans.frame import square
from stratacam.scans.pictures import geometry_of
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import read_grid
from stratacam.scans.slices import slice_areas, write_slices_table
from stratacam.scans.volume import write_nifti
from stratacam.study.folders import StudyFolders

DATA = Path(os.environ.get("STRATACAM_TEST_DATA", Path(__file__).parents[3] / "shared/data")) / "dicom-t1"
CLASSES = ("control", "RRMS", "SPMS")
LAYER = "block5_conv3"
PICTURE = 32
EDGE_MM = 3.0


@dataclass(frozen=True)
class Imported:
    """A study of one scan.

    Attributes:
        folders: of the study.
        link: that leads back to DICOM.
        dicom: folder of the series.
        bids: folder of the imported scan.
        geometry: of the pictures.
    """

    folders: StudyFolders
    link: Path
    dicom: Path
    bids: Path
    geometry: object


def write_imported(root, *, values=None, map_toml=None, layers=(LAYER,), plane="axial", every=1):
    """Import the series in `root/dicom`, and write maps over its T1w.

    Args:
        root: of everything.
        values: gives maps (n, rows, columns) of the points (n, rows, columns, 3) of the world, RAS mm; noise if absent.
        map_toml: text of a map of rules for the import.
        layers: whose maps there are.
        plane: of the slices.
        every: step between explained slices.
    """
    bids, link = root / "bids", root / "apart" / "link.json"
    link.parent.mkdir(exist_ok=True)
    rules = root / "map.toml" if map_toml else None
    if rules:
        rules.write_text(map_toml)
    assert import_dicom(root / "dicom", bids, rules, link=link).left_out == 0
    folders = StudyFolders(root / "study")
    sequences = tuple(path.name.split("_")[-1][:-7] for path in sorted(bids.rglob("*.nii.gz")))[::-1]
    delivered = {one: next(bids.rglob(f"*_{one}.nii.gz")) for one in sequences}
    scan = PreparedScan(folders.prepared, "01", None, tuple(sorted(sequences, reverse=True)))
    shape, affine = grid_around(delivered["T1w"])
    mask = np.ones(shape, dtype=bool)
    for sequence in scan.sequences:
        write_nifti(scan.image(sequence), np.full(shape, 0.5, dtype=np.float32), affine)
        if sequence != "T1w":
            scan.transform(sequence).write_text(IDENTITY)
    write_nifti(scan.brain_mask, mask.astype(np.uint8), affine)
    kept = np.arange(1, shape[{"axial": 2, "coronal": 1, "sagittal": 0}[plane]] - 1)
    write_slices_table(scan.slices_table, slice_areas(mask, affine, plane), kept, affine, shape, plane=plane)
    write_json(
        scan.record,
        {
            "Sequences": scan.sequences,
            "Delivered": {name: str(path.resolve()) for name, path in delivered.items()},
        },
    )
    write_json(folders.configuration, {"cohort": {"input": str(bids)}})
    write_json(folders.provenance, {"steps": {"explain": {"finished": "2026-03-04T05:06:07+00:00"}}})
    geometry = geometry_of(scan.load(), square(PICTURE, EDGE_MM * max(shape)), kept[::every])
    geometry = replace(geometry, delivered={one: scan.delivered_grid(one) for one in scan.sequences})
    write_study_maps(folders, scan, geometry, values, layers)
    return Imported(folders, link, root / "dicom", bids, geometry)


def write_study_maps(folders, scan, geometry, values, layers):
    count = len(geometry.slices)
    index = np.indices((count, PICTURE, PICTURE)).reshape(3, -1).T
    points = geometry.to_world(index).reshape(count, PICTURE, PICTURE, 3)
    rng = np.random.default_rng(0)
    raw = rng.normal(size=points.shape[:-1]) if values is None else values(points)
    explained = Explained(
        name=scan.name,
        method="gradcam",
        smooth=0,
        classes=CLASSES,
        scan_probabilities={"control": 0.1, "RRMS": 0.2, "SPMS": 0.7},
        every_explained=("SPMS",),
        geometry=geometry,
        model={"run": "vgg16_seed-0"},
        in_training="test",
    )
    made = Explanation(
        logits=torch.tensor([[0.0, 0.0, 2.0]] * count),
        classes=torch.full((count, 1), 2),
        maps={
            layer: LayerMaps(
                layer, torch.from_numpy(np.asarray(raw, dtype=np.float32))[:, None], (("",),) * count
            )
            for layer in layers
        },
    )
    store = folders.maps / scan.name / "anat" / f"{scan.name}_gradcam.zarr"
    write_maps(store, explained, [made], np.ones((count, PICTURE, PICTURE), bool))


def grid_around(path):
    """Shape and affine of a grid of `EDGE_MM`, parallel to the axes of the world, around a scan."""
    grid = read_grid(path)
    corners = np.array(np.meshgrid(*[(0, length - 1) for length in grid.shape])).reshape(3, -1).T
    world = corners @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    low, high = world.min(0) - 2 * EDGE_MM, world.max(0) + 2 * EDGE_MM
    shape = tuple(int(np.ceil(length / EDGE_MM)) + 1 for length in high - low)
    affine = np.diag([EDGE_MM] * 3 + [1.0])
    affine[:3, 3] = low
    return shape, affine


IDENTITY = """#Insight Transform File V1.0
#Transform 0
Transform: Euler3DTransform_double_3_3
Parameters: 0 0 0 0 0 0
FixedParameters: 0 0 0 0
"""


def change_attributes(store, **changed):
    """Finish a store anew with other attributes."""
    attributes = json.loads((store / "zarr.json").read_text())["attributes"]
    (store / "zarr.json").unlink()
    write_root(store, {**attributes, **changed})


def stored_geometry(store):
    """The geometry in a store's attributes."""
    return json.loads((store / "zarr.json").read_text())["attributes"]["geometry"]


def make_consensus(store):
    """Write a store anew as that of two networks that show the same."""
    maps = read_maps(store)
    raw = {layer: np.stack([maps.raw(layer)] * 2)[:, None] for layer in maps.layers}
    unreached = {layer: np.zeros(values.shape[:3], bool) for layer, values in raw.items()}
    known = Explained(
        maps.name,
        maps.method,
        0,
        maps.classes,
        maps.scan_probabilities,
        maps.every_explained,
        maps.geometry,
        maps.model,
        maps.in_training,
    )
    made = MemberMaps(np.stack([maps.logits] * 2), raw, unreached)
    brain = np.ones((len(maps.slices), PICTURE, PICTURE), bool)
    write_consensus(store, known, [made], brain, [{"run": "one"}, {"run": "two"}])
