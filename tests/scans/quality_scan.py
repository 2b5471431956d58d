"""A small prepared scan with two sequences and known bias, and its record, for the tests of quality pages."""

from functools import cache

import numpy as np
from synthetic_head import axis_affine, brain_of, head, world_points

from stratacam.scans.prepared import PreparedScan
from stratacam.scans.quality import Planes, SequenceViews
from stratacam.scans.slices import kept_slices, slice_areas, write_slices_table

SIZE = (60, 72, 56)
AFFINE = axis_affine()
UNITS = {"T1w": 1200.0, "FLAIR": 660.0}
PLANES = {0: "sagittal", 1: "coronal", 2: "axial"}


def brain():
    return brain_of(world_points(AFFINE, SIZE))


def bias():
    """Rises by 20 per cent from the middle to the right edge of the field of view, falls by 20 to the left."""
    across = 1 + 0.2 * np.linspace(-1, 1, SIZE[0])
    return np.broadcast_to(across[:, None, None], SIZE).astype(np.float32)


@cache
def planes_and_views(axis=2, fraction=0.3):
    mask = brain()
    kept = kept_slices(slice_areas(mask, AFFINE, PLANES[axis]), fraction)
    planes = Planes.through(mask, AFFINE, kept, axis)
    moved = np.eye(4)
    moved[0, 3] = 12.0
    views = [
        SequenceViews.of(
            planes,
            name=name,
            before=None if name == "T1w" else head(name, AFFINE, moved=moved),
            after=head(name, AFFINE),
            field=bias(),
            unit=unit,
            brain_mask=mask,
        )
        for name, unit in UNITS.items()
    ]
    return planes, views, kept


def prepared_scan(folder, subject="01", session=None, axis=2):
    """The scan with its table of slices on disk, and the views of it."""
    scan = PreparedScan(folder, subject, session, tuple(UNITS))
    planes, views, kept = planes_and_views(axis)
    mask = brain()
    areas = slice_areas(mask, AFFINE, PLANES[axis])
    write_slices_table(scan.slices_table, areas, kept, AFFINE, mask.shape, plane=PLANES[axis])
    return scan, planes, views


def a_record(**changes):
    """A record as the preparation writes it; `changes` replace or add keys."""
    return {
        "Sequences": list(UNITS),
        "DeliveredT1w": "/secret/ward 7/sub-01/anat/sub-01_T1w.nii.gz",
        "Sources": {name: f"bids:raw:sub-01/anat/sub-01_{name}.nii.gz" for name in UNITS},
        "Notes": ["T1w: took /secret/ward 7/sub-01/anat/sub-01_run-1_T1w.nii.gz, the first"],
        "Settings": {"grid": "T1w", "full_scale": {"T1w": 1.6, "FLAIR": 2.0}, "full_scale_other": 3.0},
        "BrainMask": "deepbet",
        "BrainVolume": 1078.4,
        "KeptSlices": 30,
        "Flags": [],
        "Registration": {
            "FLAIR": {
                "MetricBefore": -0.512,
                "MetricAfter": -0.761,
                "SharedBefore": 0.11,
                "SharedAfter": 0.33,
                "Start": "centres of mass",
                "Rotation": 4.25,
                "Translation": 12.04,
                "FellBack": False,
            }
        },
        "Template": {"Dice": 0.931},
        "BiasRange": {"T1w": 0.1, "FLAIR": 0.05},
        "TissueContrast": {"T1w": {"Before": 2.1, "After": 2.25}},
        "Versions": {"stratacam": "0.1.0"},
        **changes,
    }
