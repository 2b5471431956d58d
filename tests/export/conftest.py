"""Studies of imported scans that several tests read."""

import shutil

import pytest
from imported_study import write_imported
from rich.console import Console
from tests.scans.dicom.dicom_files import oblique, write_series

from stratacam.export import Wanted, export_study
from stratacam.files import read_json, write_json

WHO = {
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.17",
    "StudyID": "S1",
    "AccessionNumber": "A-17",
}


@pytest.fixture(scope="session")
def oblique_study(tmp_path_factory):
    """A study of one oblique T1w of 12 slices of 4 mm, with maps of noise in two layers."""
    root = tmp_path_factory.mktemp("oblique")
    write_series(root / "dicom", axes=oblique(), step=4.0, spacing=(3.0, 2.5), slices=12, **WHO)
    return write_imported(root, layers=("block4_conv3", "block5_conv3", "block5_pool"))


@pytest.fixture
def own_copy(oblique_study, tmp_path):
    """A copy of that study that may be changed: its folders, and the path of its T1w as delivered."""
    shutil.copytree(oblique_study.folders.root, tmp_path / "study")
    shutil.copytree(oblique_study.bids, tmp_path / "bids")
    folders = type(oblique_study.folders)(tmp_path / "study")
    record = next(folders.prepared.rglob("*_record.json"))
    delivered = next((tmp_path / "bids").rglob("*_T1w.nii.gz"))
    write_json(record, {**read_json(record), "Delivered": {"T1w": str(delivered)}})
    return folders, delivered


@pytest.fixture(scope="session")
def dicom_files(oblique_study, tmp_path_factory):
    """DICOM files of the last convolution of that study."""
    out = tmp_path_factory.mktemp("dicom")
    done = export_study(
        oblique_study.folders, out, Wanted(), ["dicom"], link=oblique_study.link, console=Console(quiet=True)
    )
    return done.files["dicom"]
