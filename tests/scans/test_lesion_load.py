"""Lesion load of shapes whose size is known, of synthetic heads, and of patients with masks drawn by raters."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from stratacam.scans.lesion_load import flair_hyperintense, t1_dark
from stratacam.scans.masks import bounding_box
from stratacam.scans.measures import measure_scan
from stratacam.scans.prepared import PreparedVolume

VOXEL_MM = np.array([2.0, 2.0, 2.0])
WHITE, GREY, FLUID = (0.64, 0.30, 0.5), (0.56, 0.42, 0.59), (0.3, 0.7, 0.14)
LESION, BLACK_HOLE = (0.6, 0.55, 0.85), (0.45, 0.6, 0.8)
DATA = Path(os.environ.get("STRATACAM_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def head(*balls):
    """White matter with a cortex of 6 mm, and balls (centre in mm, radius in mm, intensities)."""
    points = np.stack(np.indices((64, 76, 60)), -1) * 2.0 - np.array([63.0, 75, 59])
    distance = np.sqrt(((points / [60, 72, 56]) ** 2).sum(-1))
    brain = distance <= 1
    images = np.zeros((3, *brain.shape))
    for where, tissue in ((brain, GREY), (distance <= 0.88, WHITE)):
        images[:, where] = np.array(tissue)[:, None]
    for centre, radius, tissue in balls:
        images[:, ((points - centre) ** 2).sum(-1) <= radius**2] = np.array(tissue)[:, None]
    images += np.random.default_rng(0).normal(0, 0.015, images.shape)
    return dict(zip(("T1w", "T2w", "FLAIR"), images.astype(np.float32) * brain, strict=True)), brain


def ml(radius):
    return 4 / 3 * np.pi * radius**3 / 1000


def test_bright_balls_within_white_matter_are_measured():
    images, brain = head(((0, 20, 0), 8, LESION), ((20, -20, 5), 6, BLACK_HOLE))
    bright = flair_hyperintense(images, brain, VOXEL_MM)
    assert bright.sum() * 0.008 == pytest.approx(ml(8) + ml(6), rel=0.1)
    assert t1_dark(images, bright, brain, VOXEL_MM).sum() * 0.008 == pytest.approx(ml(6), rel=0.1)


def test_neither_grey_matter_nor_fluid_nor_a_bright_rim_is_lesion():
    images, brain = head(((0, 0, 10), 12, FLUID), ((57, 0, 0), 5, LESION))
    assert flair_hyperintense(images, brain, VOXEL_MM).sum() * 0.008 < 0.05


def test_without_flair_there_is_no_lesion_load():
    images, brain = head(((0, 20, 0), 8, LESION))
    volume = PreparedVolume(images["T1w"][None], brain, np.diag([2.0, 2, 2, 1]), np.arange(3))
    assert not {"flair_hyperintense_ml", "t1_dark_ml"} & set(measure_scan(volume, ["T1w"]))


@pytest.mark.long
def test_lesion_load_follows_the_consensus_of_raters_in_two_patients():
    folder = DATA / "ms-mni"
    if not folder.is_dir():
        pytest.skip(f"no real scans in {folder}")
    found, drawn = [], []
    for name in ("sub-07", "sub-19"):

        def read(what, name=name):
            image = nib.load(folder / name / "anat" / f"{name}_space-MNI152_{what}.nii.gz")
            return np.asarray(image.dataobj, dtype=np.float32)

        images = {sequence: read(f"desc-preproc_{sequence}") for sequence in ("T1w", "T2w", "FLAIR")}
        inside = ndimage.binary_opening((images["T1w"] > 0) & (images["FLAIR"] > 0))
        brain = np.asarray(ndimage.binary_fill_holes(inside))
        box = bounding_box(brain)
        images = {sequence: image[box] for sequence, image in images.items()}
        bright = flair_hyperintense(images, brain[box], np.ones(3))
        lesion = read("label-lesion_mask")[box] > 0
        found.append(bright.sum() / 1000)
        drawn.append(lesion.sum() / 1000)
    # many more lesions in the second patient: 1.3 and 49.8 ml
    assert found[1] > 3 * found[0]
