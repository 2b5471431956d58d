"""Masks of structures on the grid of a prepared scan."""

import json

import numpy as np
import pytest

from stratacam.errors import InputError
from stratacam.scans.labels import find_masks, masks_of, read_lesions
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.volume import write_nifti

OBLIQUE = np.array(
    [[0.0, -1.2, 0.0, 30.0], [0.9, 0.0, 0.0, -20.0], [0.0, 0.0, -3.0, 40.0], [0.0, 0.0, 0.0, 1.0]]
)
"""The delivered T1w: axes towards anterior, left and inferior, thick slices."""


def prepared(tmp_path, *, delivered="sub-01_T1w.nii.gz"):
    scan = PreparedScan(tmp_path / "prepared", "01", None, ("T1w",))
    grid = np.diag([1.0, 1.0, 1.0, 1.0])
    grid[:3, 3] = (0, -20, 0)
    write_nifti(scan.brain_mask, np.ones((30, 36, 40), dtype=np.uint8), grid)
    scan.record.write_text(
        json.dumps({"Sequences": ["T1w"], "Delivered": {"T1w": str(tmp_path / delivered)}})
    )
    return scan, grid


def mask_path(tmp_path, name="sub-01_label-lesion_mask.nii.gz", data_set="derivatives/truth"):
    return tmp_path / "bids" / data_set / "sub-01" / "anat" / name


def test_a_lesion_lies_at_its_world_coordinates_on_the_prepared_grid(tmp_path):
    scan, grid = prepared(tmp_path)
    mask = np.zeros((40, 25, 14), dtype=np.uint8)
    mask[10, 15, 6] = (
        1  # its centre in the world: (30 - 1.2 * 15, -20 + 0.9 * 10, 40 - 3 * 6) = (12, -11, 22)
    )
    write_nifti(mask_path(tmp_path), mask, OBLIQUE)
    lesions = read_lesions(tmp_path / "bids", scan)
    assert lesions.shape == (30, 36, 40)
    points = np.argwhere(lesions) @ grid[:3, :3].T + grid[:3, 3]
    np.testing.assert_allclose(points.mean(axis=0), (12, -11, 22), atol=0.51)
    assert np.unique(points[:, 2]).tolist() == [21, 22, 23]  # three of one millimetre in one of three


def test_a_mask_without_lesions_is_a_mask(tmp_path):
    scan, _ = prepared(tmp_path)
    write_nifti(mask_path(tmp_path), np.zeros((40, 25, 14), dtype=np.uint8), OBLIQUE)
    lesions = read_lesions(tmp_path / "bids", scan)
    assert lesions is not None
    assert not lesions.any()


def test_no_mask_is_none(tmp_path):
    scan, _ = prepared(tmp_path)
    assert read_lesions(tmp_path / "bids", scan) is None


def test_a_mask_in_another_space_than_the_t1w_is_not_taken(tmp_path):
    scan, _ = prepared(tmp_path)
    other = mask_path(tmp_path, "sub-01_space-MNI152_label-lesion_mask.nii.gz")
    write_nifti(other, np.zeros((4, 4, 4), dtype=np.uint8), np.eye(4))
    assert find_masks(tmp_path / "bids", scan) == {}
    scan, _ = prepared(tmp_path, delivered="sub-01_space-MNI152_desc-preproc_T1w.nii.gz")
    assert find_masks(tmp_path / "bids", scan) == {"lesion": other}


def test_a_damaged_mask_is_named(tmp_path):
    scan, _ = prepared(tmp_path)
    path = mask_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a volume")
    with pytest.raises(InputError, match="label-lesion_mask"):
        read_lesions(tmp_path / "bids", scan)


def test_a_mask_of_another_run_is_not_taken(tmp_path):
    scan, _ = prepared(tmp_path, delivered="sub-01_run-02_T1w.nii.gz")
    for name in ("sub-01_run-1_label-lesion_mask.nii.gz", "sub-01_run-2_acq-fast_label-lesion_mask.nii.gz"):
        write_nifti(mask_path(tmp_path, name), np.ones((4, 4, 4), dtype=np.uint8), OBLIQUE)
        assert find_masks(tmp_path / "bids", scan) == {}
    own = mask_path(tmp_path, "sub-01_run-2_label-lesion_mask.nii.gz")
    write_nifti(own, np.ones((4, 4, 4), dtype=np.uint8), OBLIQUE)
    assert find_masks(tmp_path / "bids", scan) == {"lesion": own}


def test_masks_of_every_structure_are_found_by_label(tmp_path):
    scan, _ = prepared(tmp_path)
    for label in ("lesions", "lesionT1", "ventricle", "ventricle2"):
        write_nifti(
            mask_path(tmp_path, f"sub-01_label-{label}_mask.nii.gz"), np.ones((4, 4, 4), np.uint8), OBLIQUE
        )
    write_nifti(mask_path(tmp_path, "sub-01_desc-brain_mask.nii.gz"), np.ones((4, 4, 4), np.uint8), OBLIQUE)
    masks = find_masks(tmp_path / "bids", scan)
    assert sorted(masks) == ["lesionT1", "lesions", "ventricle", "ventricle2"]
    found = masks_of(masks, ["lesion", "ventricle", "blackhole"])
    assert {name: path.name for name, path in found.items()} == {
        "lesion": "sub-01_label-lesions_mask.nii.gz",
        "ventricle": "sub-01_label-ventricle_mask.nii.gz",
    }
