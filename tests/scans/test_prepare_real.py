"""Two sessions of a real patient, against the transforms and the mask that came with the data set."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch

from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.contrast import find_tissues
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.sequences import SEQUENCES
from stratacam.scans.volume import LPS, to_itk

DATA = Path(os.environ.get("STRATACAM_TEST_DATA", Path(__file__).parents[3] / "shared/data")) / "ms-raw"
REFERENCE = DATA / "derivatives/reference/sub-12"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"real data not found in {DATA}"),
]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    out = tmp_path_factory.mktemp("real")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [prepare(scan, out, PrepareSettings()) for scan in find_scans(DATA)[0]]
    finally:
        torch.set_num_threads(threads)


def _matrix(path):
    transform = SimpleITK.ReadTransform(str(path))
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    return np.block([[np.stack(columns, 1), origin[:, None]], [0.0, 0.0, 0.0, 1.0]])


def _move(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _closest_rigid(points, targets):
    """Where the rigid motion closest to points -> targets takes the points (Procrustes)."""
    left, _, right = np.linalg.svd((points - points.mean(0)).T @ (targets - targets.mean(0)))
    turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    return (points - points.mean(0)) @ turn + targets.mean(0)


def _flair_points(session):
    """Brain points of the data set's common space, in the session's FLAIR (LPS mm)."""
    mask = nibabel.load(REFERENCE / "brainmask.nii.gz")
    index = np.argwhere(np.asarray(mask.dataobj) > 0)[::997]
    common = _move(LPS @ mask.affine, index)
    return _move(_matrix(REFERENCE / f"ses-{session}/study{session}_FLAIR_to_common_space.txt"), common)


@pytest.mark.parametrize(
    ("session", "sequence", "limit_mm"),
    [(0, "T2w", 0.4), (0, "FLAIR", 0.8), (1, "T2w", 0.4), (1, "FLAIR", 0.8)],
)
def test_registration_agrees_with_the_transforms_of_the_data_set(prepared, session, sequence, limit_mm):
    scan = prepared[session]
    folder, prefix = REFERENCE / f"ses-{scan.session}", f"study{scan.session}"
    flair = _flair_points(scan.session)
    t1w = _move(_matrix(folder / f"{prefix}_T1W_intrastudy_to_FLAIR.txt"), flair)
    targets = (
        flair
        if sequence == "FLAIR"
        else _move(_matrix(folder / f"{prefix}_T2W_intrastudy_to_FLAIR.txt"), flair)
    )
    found = _move(_matrix(scan.transform(sequence)), t1w)
    assert np.linalg.norm(found - _closest_rigid(t1w, targets), axis=1).mean() < limit_mm


def test_the_brain_overlaps_the_mask_of_the_data_set(prepared):
    reference = nibabel.load(REFERENCE / "brainmask.nii.gz")
    truth = np.asarray(reference.dataobj) > 0
    for scan in prepared:
        volume = scan.load()
        folder, prefix = REFERENCE / f"ses-{scan.session}", f"study{scan.session}"
        to_t1w = _matrix(folder / f"{prefix}_T1W_intrastudy_to_FLAIR.txt") @ _matrix(
            folder / f"{prefix}_FLAIR_to_common_space.txt"
        )
        index = np.argwhere(np.ones_like(volume.brain_mask))
        places = _move(np.linalg.inv(to_t1w @ LPS @ reference.affine) @ LPS @ volume.affine, index)
        places = np.rint(places).astype(int)
        seen = ((places >= 0) & (places < truth.shape)).all(1)
        expected = np.zeros(len(index), bool)
        expected[seen] = truth[tuple(places[seen].T)]
        found = volume.brain_mask.ravel()
        assert 2 * (expected & found).sum() / (expected.sum() + found.sum()) > 0.94


def test_the_kept_slices_span_about_135_mm(prepared):
    for scan in prepared:
        assert 125 <= 3 * len(scan.load().kept) <= 140


def test_white_matter_has_its_intensity_in_both_sessions(prepared):
    """Where the template is sure of white matter; the scaling has found it by itself, from T1w and T2w."""
    for scan in prepared:
        volume = scan.load()
        grid = to_itk(volume.brain_mask.astype(np.uint8), volume.affine)
        transform = SimpleITK.AffineTransform(SimpleITK.ReadTransform(str(scan.template_transform)))
        white = find_tissues(transform, grid, volume.brain_mask).white
        for name, image in zip(scan.sequences, volume.images, strict=True):
            assert np.median(image[white]) == pytest.approx(1 / SEQUENCES[name].full_scale, rel=0.08)
        assert (volume.images[:, volume.brain_mask] >= 1).mean() < 0.005


def test_bias_correction_takes_no_contrast_from_grey_and_white_matter(prepared):
    for scan in prepared:
        for name, contrast in scan.read_record()["TissueContrast"].items():
            assert contrast["After"] > 0.9 * contrast["Before"], name
