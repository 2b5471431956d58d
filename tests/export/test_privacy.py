"""Nothing of the patient, the place or the machine is where it does not belong."""

import gzip

import pydicom
import pytest
from imported_study import write_imported
from rich.console import Console
from tests.scans.dicom.dicom_files import oblique, write_series

from stratacam.export import Wanted, export_study

PATIENT = "ZXPATIENTQ"
OTHER = "ZXOTHERQ"
BIRTH = "19530717"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A study of a patient with many details, exported in every format; root and files by format."""
    root = tmp_path_factory.mktemp("ZXPATHQ")

    def plant(dataset, _):
        dataset.PatientName, dataset.PatientID = f"{PATIENT}^Jane", f"{PATIENT}7"
        dataset.PatientBirthDate, dataset.AccessionNumber = BIRTH, f"{PATIENT}8"
        dataset.FrameOfReferenceUID = "1.2.3.4.5"
        for keyword in (
            "InstitutionName", "StationName", "OperatorsName", "PerformingPhysicianName", "StudyDescription",
            "ProtocolName", "PatientComments", "PatientAddress", "OtherPatientNames", "DeviceSerialNumber",
        ):  # fmt: skip
            setattr(dataset, keyword, OTHER)
        dataset.SeriesDescription = f"T1w {OTHER}"
        dataset.add_new(0x00291010, "LO", OTHER)

    write_series(root / "dicom", axes=oblique(), step=4.0, spacing=(3.0, 2.5), slices=9, change=plant)
    study = write_imported(root)
    formats = ["nifti", "png", "gif", "mp4", "dicom"]
    done = export_study(
        study.folders, root / "out", Wanted(), formats, link=study.link, console=Console(quiet=True)
    )
    return root, done.files


def contents(paths):
    """Bytes by path, unpacked where they are compressed."""
    for path in paths:
        content = path.read_bytes()
        yield path, gzip.decompress(content) if path.suffix == ".gz" else content


def holds(content, *words):
    return [word for word in words if word.lower().encode() in content.lower()]


def test_no_identifier_is_in_any_file_but_dicom_and_link(exported):
    root, files = exported
    uids = {
        str(image[keyword].value)
        for image in map(pydicom.dcmread, (root / "dicom").iterdir())
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
    }
    outside = [
        path
        for path in root.rglob("*")
        if path.is_file() and not {root / "dicom", root / "apart", root / "out/dicom"} & {*path.parents}
    ]
    assert len(outside) > 15
    assert {path.suffix for path in outside} >= {".png", ".gif", ".mp4", ".json", ".gz"}
    for path, content in contents(outside):
        assert holds(content, PATIENT, OTHER, BIRTH, *uids) == [], path
    named = [path.relative_to(root).as_posix() for path in root.rglob("*")]
    assert not any(PATIENT in name or BIRTH in name for name in named)
    assert sum(map(len, files.values())) > 15


def test_dicom_has_what_files_it_and_nothing_else_of_the_source(exported):
    _, files = exported
    for path, content in contents(files["dicom"]):
        assert holds(content, f"{PATIENT}7", BIRTH) == [f"{PATIENT}7", BIRTH], path
        assert holds(content, OTHER) == [], path


def test_no_export_names_a_folder_of_this_machine(exported):
    root, files = exported
    for path, content in contents(path for found in files.values() for path in found):
        assert holds(content, "ZXPATHQ", str(root)) == [], path
