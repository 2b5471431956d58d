"""What an import writes, and what it does not."""

import gzip
import json

import nibabel
import pytest
from dicom_files import write_series
from pydicom import dcmread
from pydicom.datadict import dictionary_VR, keyword_dict

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.dicom import import_dicom, write
from stratacam.scans.dicom.convert import KEPT

SECRET = "ZXSECRETQ"  # noqa: S105 - a name to look for
TEXTS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT"}


def write_three(folder, **tags):
    for number, contrast in enumerate(("T1w", "T2w", "FLAIR"), start=1):
        write_series(folder / contrast, contrast=contrast, number=number, **tags)


def contents(folder):
    """Every byte below a folder, by path; what is compressed also as it was before."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found[str(path.relative_to(folder))] = path.read_bytes()
        if path.suffix == ".gz":
            found[f"{path.relative_to(folder)} unpacked"] = gzip.decompress(path.read_bytes())
    return found


def test_two_patients_in_one_folder_become_two_subjects_ready_to_prepare(tmp_path):
    write_three(tmp_path / "in/x", patient="B", study="1.1")
    write_three(tmp_path / "in/y", patient="A", study="1.2")
    (tmp_path / "map.toml").write_text('[subjects]\nA = "01"\nB = "02"\n[groups]\n"02" = "RRMS"\n')
    result = import_dicom(tmp_path / "in", tmp_path / "out", tmp_path / "map.toml")
    assert result.left_out == 0
    scans, absent = find_scans(tmp_path / "out")
    assert [scan.name for scan in scans] == ["sub-01", "sub-02"]
    assert not absent
    table = (tmp_path / "out/participants.tsv").read_text()
    assert table == "participant_id\tgroup\nsub-01\tn/a\nsub-02\tRRMS\n"
    description = json.loads((tmp_path / "out/dataset_description.json").read_text())
    assert description["DatasetType"] == "raw"


def test_sessions_have_folders_of_their_own(tmp_path):
    write_three(tmp_path / "in/x", study="1.1", StudyDate="20200101")
    write_three(tmp_path / "in/y", study="1.2", StudyDate="20210101")
    import_dicom(tmp_path / "in", tmp_path / "out")
    assert [scan.name for scan in find_scans(tmp_path / "out")[0]] == ["sub-01_ses-1", "sub-01_ses-2"]


def test_sidecar_has_the_physics_in_seconds_and_tesla(tmp_path):
    write_series(tmp_path / "in", contrast="FLAIR", MagneticFieldStrength=3, FlipAngle=150)
    import_dicom(tmp_path / "in", tmp_path / "out")
    sidecar = json.loads((tmp_path / "out/sub-01/anat/sub-01_FLAIR.json").read_text())
    expected = {
        "EchoTime": 0.11,
        "RepetitionTime": 9,
        "InversionTime": 2.5,
        "FlipAngle": 150,
        "MagneticFieldStrength": 3,
        "Manufacturer": "Siemens",
        "ConversionSoftware": "dcm2niix",
    }
    assert {key: sidecar.get(key) for key in expected} == expected
    assert set(sidecar) <= {*KEPT, "SourceDigest"}


def test_nothing_written_names_the_patient_the_place_the_date_or_the_source(tmp_path):
    planted = []

    def plant(dataset, _):
        for tag in sorted(keyword_dict.values()):
            if tag >> 16 in {0x0008, 0x0010, 0x0018, 0x0020, 0x0032, 0x0040} and tag not in dataset:
                if dictionary_VR(tag) in TEXTS and tag != 0x00180010:
                    dataset.add_new(tag, dictionary_VR(tag), SECRET)
                    planted.append(tag)
                elif dictionary_VR(tag) == "DA":
                    dataset.add_new(tag, "DA", "19870605")
        dataset.PatientName = f"{SECRET}^{SECRET}"
        dataset.StudyDate = "19870605"
        dataset.SeriesDescription = dataset.SeriesDescription + SECRET
        dataset.add_new(0x00291010, "LO", SECRET)

    folder = tmp_path / f"{SECRET}_folder"
    write_three(folder, patient=f"{SECRET}1", change=plant)
    assert len(planted) > 1000
    uids = [
        str(dataset[keyword].value)
        for dataset in map(dcmread, folder.rglob("*.dcm"))
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    ]
    (tmp_path / "map.toml").write_text(
        "[allow]\nT1w = ['contrast agent']\nFLAIR = ['contrast agent']\n"  # what is planted names one
    )
    result = import_dicom(folder, tmp_path / "out", tmp_path / "map.toml")
    assert result.left_out == 0
    found = contents(tmp_path / "out")
    assert sum(name.endswith("unpacked") for name in found) == 3
    for name, content in found.items():
        lowered = content.lower()
        assert SECRET.lower() not in name.lower()
        assert SECRET.lower().encode() not in lowered, name
        if not name.endswith(".gz"):
            for forbidden in ("19870605", "1987-06-05", "Doe", *uids):
                assert forbidden.lower().encode() not in lowered, (name, forbidden)
    for path in (tmp_path / "out").rglob("*.nii.gz"):
        header = nibabel.load(path).header
        assert [header[field].item() for field in ("descrip", "aux_file", "db_name", "intent_name")] == [
            b""
        ] * 4


def test_the_table_says_what_became_of_every_series(tmp_path):
    write_series(tmp_path / "in/a", number=1)
    write_series(tmp_path / "in/b", number=2, slices=3)
    import_dicom(tmp_path / "in", tmp_path / "out")
    rows = [line.split("\t") for line in (tmp_path / "out/import.tsv").read_text().splitlines()]
    assert rows[0][:5] == ["subject", "session", "series", "slices", "spacing_mm"]
    assert [[row[0], row[2], row[3], row[-3], row[-2], row[-1]] for row in rows[1:]] == [
        ["sub-01", "1", "10", "T1w", "taken", "T1w by rule 4"],
        ["sub-01", "2", "3", "n/a", "not taken", "3 slices, fewer than 8"],
    ]


def test_importing_again_keeps_what_is_there(tmp_path):
    write_three(tmp_path / "in")
    import_dicom(tmp_path / "in", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("sub-*.nii.gz")}
    again = import_dicom(tmp_path / "in", tmp_path / "out")
    assert again.left_out == 0
    assert all(one.reason.endswith("there already, kept") for one in again.decisions)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_same_files_give_the_same_bytes(tmp_path):
    write_three(tmp_path / "in")
    import_dicom(tmp_path / "in", tmp_path / "one")
    import_dicom(tmp_path / "in", tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_other_scans_under_the_label_of_a_subject_are_refused(tmp_path):
    write_series(tmp_path / "in", patient="A")
    write_series(tmp_path / "other", patient="B", seed=1)
    import_dicom(tmp_path / "in", tmp_path / "out")
    before = contents(tmp_path / "out")
    result = import_dicom(tmp_path / "other", tmp_path / "out")
    assert result.left_out == 1
    assert "sub-01 is there already, made from other images" in result.decisions[0].reason
    assert contents(tmp_path / "out") == before


def test_a_further_subject_joins_the_tables(tmp_path):
    write_series(tmp_path / "a", patient="A")
    write_series(tmp_path / "b", patient="B", seed=1)
    (tmp_path / "a.toml").write_text('[subjects]\nA = "a"\n[groups]\na = "MS"\n')
    (tmp_path / "b.toml").write_text('[subjects]\nB = "b"\n')
    import_dicom(tmp_path / "a", tmp_path / "out", tmp_path / "a.toml")
    import_dicom(tmp_path / "b", tmp_path / "out", tmp_path / "b.toml")
    table = (tmp_path / "out/participants.tsv").read_text()
    assert table == "participant_id\tgroup\nsub-a\tMS\nsub-b\tn/a\n"
    assert [line.split("\t")[0] for line in (tmp_path / "out/import.tsv").read_text().splitlines()[1:]] == [
        "sub-a",
        "sub-b",
    ]


def test_a_group_that_contradicts_the_table_is_told_before_anything_is_written(tmp_path):
    write_series(tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/participants.tsv").write_text("participant_id\tgroup\nsub-01\tcontrol\n")
    (tmp_path / "map.toml").write_text('[groups]\n"01" = "MS"\n')
    with pytest.raises(InputError, match="sub-01 has the group control, the map says MS"):
        import_dicom(tmp_path / "in", tmp_path / "out", tmp_path / "map.toml")
    assert list((tmp_path / "out").rglob("*")) == [tmp_path / "out/participants.tsv"]


def test_a_failure_while_a_subject_is_written_leaves_nothing_of_it(tmp_path, monkeypatch):
    write_three(tmp_path / "in")
    real = write.write_image
    calls = []

    def second_fails(volume, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(volume, target)

    monkeypatch.setattr(write, "write_image", second_fails)
    with pytest.raises(InputError, match="No space left on device"):
        import_dicom(tmp_path / "in", tmp_path / "out")
    assert len(calls) == 2
    assert list((tmp_path / "out").rglob("*")) == []
