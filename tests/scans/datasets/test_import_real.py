"""Real scans of open_ms_data, put back into its layout, imported, checked and prepared."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.datasets import LAYOUTS, import_dataset
from stratacam.scans.labels import read_lesions
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.prepared import find_prepared

DATA = Path(os.environ.get("STRATACAM_TEST_DATA", Path(__file__).parents[4] / "shared/data"))

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (DATA / "ms-mni").is_dir(), reason=f"real data not found in {DATA}"),
]

NAMES = {
    "desc-preproc_T1w": "T1W",
    "desc-preproc_T2w": "T2W",
    "desc-preproc_FLAIR": "FLAIR",
    "label-lesion_mask": "consensus_gt",
}


def put_back(root):
    """Two patients with one scan, registered, and one with two, raw; links to the real files."""
    for patient in ("07", "19"):
        place = root / "cross_sectional/coregistered" / f"patient{patient}"
        place.mkdir(parents=True)
        for name, there in NAMES.items():
            file = DATA / f"ms-mni/sub-{patient}/anat/sub-{patient}_space-MNI152_{name}.nii.gz"
            (place / f"{there}.nii.gz").symlink_to(file)
    table = DATA / "lesions-mni/cross_sectional_demographics.csv"
    (root / "cross_sectional/demographics.csv").symlink_to(table)
    place = root / "longitudinal/raw/patient12"
    place.mkdir(parents=True)
    for study in (1, 2):
        for name, there in {"T1w": "T1W", "T2w": "T2W", "FLAIR": "FLAIR"}.items():
            file = DATA / f"ms-raw/sub-12/ses-{study}/anat/sub-12_ses-{study}_{name}.nii.gz"
            (place / f"study{study}_{there}.nii.gz").symlink_to(file)


def test_registered_scans_are_prepared_with_their_lesions_in_place(tmp_path):
    put_back(tmp_path / "download")
    out = tmp_path / "out"
    import_dataset(LAYOUTS["open_ms_data"], tmp_path / "download/cross_sectional", out)
    table = (out / "participants.tsv").read_text().splitlines()
    assert table[1:] == ["sub-07\tMS\t53\t0.5\tRR\tF", "sub-19\tMS\t47\t1.0\tRR\tF"]
    scans, left_out = find_scans(out)
    assert not left_out
    prepare(scans[0], tmp_path / "prepared", PrepareSettings(grid=2.0))
    (scan,) = find_prepared(tmp_path / "prepared")
    lesions = read_lesions(out, scan)
    delivered = nibabel.load(DATA / "ms-mni/sub-07/anat/sub-07_space-MNI152_label-lesion_mask.nii.gz")
    volume = float((np.asarray(delivered.dataobj) > 0).sum()) / 8  # voxels of 1 mm, in those of 2 mm
    assert lesions.sum() == pytest.approx(volume, rel=0.1)


def test_two_raw_studies_are_sound(run, tmp_path):
    put_back(tmp_path / "download")
    import_dataset(LAYOUTS["open_ms_data"], tmp_path / "download/longitudinal", tmp_path / "out", raw=True)
    table = tmp_path / "out/participants.tsv"
    table.write_text(table.read_text().replace("\tMS", "\tn/a"))
    code, said = run("check", tmp_path / "out", "--workers", "1")
    assert code == 0, said
