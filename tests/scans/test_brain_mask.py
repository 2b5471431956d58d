import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic_head import axis_affine, write

from stratacam.errors import InputError
from stratacam.scans.brain_mask import doubts, extract_brain, read_brain_mask

AFFINE = axis_affine((2.0, 2.0, 2.0), (10, 12, 8))
MASK = np.zeros((10, 12, 8), np.uint8)
MASK[2:5, 3:9, 1:7] = 1


def test_a_supplied_mask_is_read_in_whatever_orientation_it_is_stored(tmp_path):
    flipped = AFFINE @ np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[:3, 3] = (AFFINE @ [9, 0, 0, 1])[:3]
    path = write(tmp_path / "mask.nii.gz", MASK[::-1].copy(), flipped)
    np.testing.assert_array_equal(read_brain_mask(path, MASK.shape, AFFINE), MASK > 0)


def test_a_mask_on_another_grid_is_refused(tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    for data, affine in ((MASK, moved), (MASK[:-1], AFFINE)):
        path = write(tmp_path / "mask.nii.gz", data, affine)
        with pytest.raises(InputError, match="differs from that of the T1w"):
            read_brain_mask(path, MASK.shape, AFFINE)


def test_an_empty_mask_is_refused(tmp_path):
    with pytest.raises(InputError, match="all voxels are zero"):
        read_brain_mask(write(tmp_path / "mask.nii.gz", MASK * 0, AFFINE), MASK.shape, AFFINE)


def test_without_deepbet_the_message_names_both_remedies(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepbet", None)
    with pytest.raises(InputError, match=r"pip install deepbet, or supply a mask as derivatives"):
        extract_brain(np.zeros((4, 4, 4), np.float32), np.eye(4), Path("sub-01_T1w.nii.gz"))


class _NothingFound:
    """deepbet on a scan without a brain: a few voxels, or its own assertion."""

    found: Exception | None = None

    def __init__(self, **_):
        pass

    def run_model(self, image):
        if self.found is not None:
            raise self.found
        return np.zeros_like(image)

    def postprocess(self, mask):
        return mask


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "deepbet finds a brain of 0 ml; expected 300 to 2500 ml"),
        (AssertionError("Not enough foreground"), "deepbet finds no brain"),
    ],
)
def test_a_scan_in_which_deepbet_finds_nothing_is_refused(monkeypatch, found, message):
    fake = SimpleNamespace(BrainExtraction=type("Fake", (_NothingFound,), {"found": found}))
    monkeypatch.setitem(sys.modules, "deepbet", fake)
    with pytest.raises(InputError, match=message) as caught:
        extract_brain(np.ones((4, 4, 4), np.float32), np.eye(4), Path("sub-01_T1w.nii.gz"))
    assert "sub-01_T1w.nii.gz" in str(caught.value)


def _ball(size, centre, reach):
    places = np.indices((size, size, size)).transpose(1, 2, 3, 0)
    return np.linalg.norm(places - np.array(centre), axis=-1) <= reach


PLAUSIBLE = _ball(80, (40, 40, 40), 33)  # 1.2 litres at 2 mm


def test_a_plausible_mask_raises_no_doubt():
    assert doubts(PLAUSIBLE, np.diag([2.0, 2.0, 2.0, 1.0])) == ()


@pytest.mark.parametrize(
    ("mask", "voxel", "said"),
    [
        (PLAUSIBLE, 1.5, "508 ml; expected 900 to 2000 ml"),
        (PLAUSIBLE, 2.6, "expected 900 to 2000 ml"),
        (PLAUSIBLE | _ball(80, (75, 75, 75), 4), 2.0, "has 2 parts"),
        (_ball(80, (40, 40, 20), 33), 2.0, "touches the border of the T1w over"),
    ],
    ids=["small", "large", "two parts", "cut"],
)
def test_an_implausible_mask_is_doubted_in_words(mask, voxel, said):
    found = doubts(mask, np.diag([voxel, voxel, voxel, 1.0]))
    assert len(found) == 1
    assert said in found[0]


def test_missing_weights_are_told_with_the_remedy(monkeypatch):
    def without_weights(**_):
        raise ValueError("The provided filename data/models/model.pt does not exist")

    monkeypatch.setitem(sys.modules, "deepbet", SimpleNamespace(BrainExtraction=without_weights))
    with pytest.raises(InputError, match=r"weights, which cannot be loaded .*--force-reinstall"):
        extract_brain(np.zeros((4, 4, 4), np.float32), np.eye(4), Path("sub-01_T1w.nii.gz"))
