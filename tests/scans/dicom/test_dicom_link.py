"""What leads back to the patients: written where it is asked for, for its owner, and read by the exporter alone."""

import json
import os
import stat
import sys

import numpy as np
import pytest
from dicom_files import oblique, write_enhanced, write_series
from tests.test_imports import GRAPH

from stratacam import cli
from stratacam.errors import InputError
from stratacam.scans.dicom import import_dicom
from stratacam.scans.dicom.link import LINKED, read_link

WHO = {
    "PatientName": "Müller^Jörg",
    "PatientBirthDate": "19700102",
    "PatientSex": "M",
    "FrameOfReferenceUID": "1.2.3.4.5",
    "AccessionNumber": "A-17",
    "SpecificCharacterSet": "ISO_IR 192",
}


@pytest.fixture
def imported(tmp_path):
    written = write_series(tmp_path / "in", axes=oblique(), step=4.0, **WHO)
    import_dicom(tmp_path / "in", tmp_path / "out", link=tmp_path / "apart/link.json")
    return written, tmp_path / "apart/link.json"


def test_a_link_has_what_a_result_must_name_and_where_its_slices_lie(imported):
    written, link = imported
    (series,) = read_link(link).values()
    assert set(series.header) == LINKED
    assert {key: series.header[key] for key in WHO if key in LINKED} == {
        key: value for key, value in WHO.items() if key in LINKED
    }
    assert series.header["PatientID"] == "PAT-1"
    np.testing.assert_allclose(series.affine_lps, written.affine, atol=1e-9)
    assert len({image.uid for image in series.images}) == 10
    assert all(image.frame is None for image in series.images)


def test_a_link_is_found_by_the_digest_in_the_sidecar(imported, tmp_path):
    sidecar = json.loads((tmp_path / "out/sub-01/anat/sub-01_T1w.json").read_text())
    assert list(read_link(imported[1])) == [sidecar["SourceDigest"]]


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has these rights")
def test_only_its_owner_can_read_a_link_and_another_is_refused(imported):
    _, link = imported
    assert stat.S_IMODE(link.stat().st_mode) == 0o600
    link.chmod(0o640)
    with pytest.raises(InputError, match=r"can be read by others.*chmod 600"):
        read_link(link)


def test_without_the_option_nothing_is_kept(tmp_path):
    write_series(tmp_path / "in", **WHO)
    import_dicom(tmp_path / "in", tmp_path / "out")
    names = {path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".dcm"}
    assert names == {
        "sub-01_T1w.nii.gz", "sub-01_T1w.json", "participants.tsv", "import.tsv", "dataset_description.json",
        ".bidsignore",
    }  # fmt: skip


@pytest.mark.parametrize(
    "place", ["in/link.json", "out/link.json", "out/sub/link.json", "in/../out/link.json"]
)
def test_a_link_among_the_images_is_refused_before_anything_is_written(tmp_path, place):
    write_series(tmp_path / "in", **WHO)
    with pytest.raises(InputError, match="expected a place apart"):
        import_dicom(tmp_path / "in", tmp_path / "out", link=tmp_path / place)
    assert not (tmp_path / "out").exists()


def test_another_file_is_not_overwritten(tmp_path):
    write_series(tmp_path / "in", **WHO)
    (tmp_path / "mine.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="is another file"):
        import_dicom(tmp_path / "in", tmp_path / "out", link=tmp_path / "mine.json")
    assert (tmp_path / "mine.json").read_text() == '{"a": 1}'


def test_an_import_without_a_link_is_given_one_by_importing_again(tmp_path):
    write_series(tmp_path / "in", **WHO)
    import_dicom(tmp_path / "in", tmp_path / "out")
    image = tmp_path / "out/sub-01/anat/sub-01_T1w.nii.gz"
    before = image.stat().st_mtime_ns
    import_dicom(tmp_path / "in", tmp_path / "out", link=tmp_path / "link.json")
    assert len(read_link(tmp_path / "link.json")) == 1
    assert image.stat().st_mtime_ns == before


def test_a_further_import_adds_to_a_link(tmp_path):
    write_series(tmp_path / "one", patient="A")
    write_series(tmp_path / "two", patient="B", seed=1)
    (tmp_path / "two.toml").write_text('[subjects]\nB = "02"\n')
    import_dicom(tmp_path / "one", tmp_path / "out", link=tmp_path / "link.json")
    import_dicom(tmp_path / "two", tmp_path / "out", tmp_path / "two.toml", link=tmp_path / "link.json")
    assert {series.header["PatientID"] for series in read_link(tmp_path / "link.json").values()} == {"A", "B"}


def other_image(entry):
    entry["Images"][0][0] = "1.2.3"


def other_patient(entry):
    entry["Header"].update(PatientID="PAT-2", PatientName="Other^Person")


def other_study(entry):
    entry["Header"]["StudyInstanceUID"] = "9.9.9"


def mirrored(entry):
    entry["Orientation"] = [-part for part in entry["Orientation"][:3]] + entry["Orientation"][3:]


def other_spacing(entry):
    entry["Spacing"] = [2 * length for length in entry["Spacing"]]


@pytest.mark.parametrize(
    "change", [other_image, other_patient, other_study, mirrored, other_spacing, dict.clear]
)
def test_a_link_that_was_changed_is_refused(imported, change):
    _, link = imported
    content = json.loads(link.read_text())
    change(next(iter(content["Series"].values())))
    link.write_text(json.dumps(content))
    with pytest.raises(InputError, match="was changed or damaged"):
        read_link(link)


def test_entries_of_a_link_that_were_exchanged_are_refused(tmp_path):
    for number, name in enumerate("AB"):
        write_series(tmp_path / "in", patient=name, seed=number, prefix=name, number=number + 1)
    link = tmp_path / "link.json"
    import_dicom(tmp_path / "in", tmp_path / "out", link=link)
    content = json.loads(link.read_text())
    one, other = content["Series"]
    content["Series"] = {one: content["Series"][other], other: content["Series"][one]}
    link.write_text(json.dumps(content))
    with pytest.raises(InputError, match="was changed or damaged"):
        read_link(link)


def test_a_series_in_two_frames_of_reference_is_refused(tmp_path):
    def change(dataset, index):
        dataset.FrameOfReferenceUID = f"1.2.3.{1 + (index > 4)}"

    write_series(tmp_path / "in", change=change)
    (one,) = import_dicom(tmp_path / "in", tmp_path / "out").decisions
    assert one.state == "left out"
    assert "2 frames of reference" in one.reason


def test_frames_of_an_enhanced_file_keep_their_numbers(tmp_path):
    written = write_series(tmp_path / "classic", **WHO)
    write_enhanced(written, tmp_path / "in/file", [10.0] * 10)
    import_dicom(tmp_path / "in", tmp_path / "out", link=tmp_path / "link.json")
    (series,) = read_link(tmp_path / "link.json").values()
    assert [image.frame for image in series.images] == list(range(1, 11))
    assert len({image.uid for image in series.images}) == 1


def test_the_command_says_that_a_link_identifies_patients(tmp_path, monkeypatch, capsys):
    write_series(tmp_path / "in", **WHO)
    arguments = ["import-dicom", tmp_path / "in", tmp_path / "out", "--link", tmp_path / "link.json"]
    monkeypatch.setattr(sys, "argv", ["stratacam", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    said = " ".join(capsys.readouterr().out.split())
    assert "it identifies patients" in said
    assert "sub-01: PatientID 'PAT-1' (written to the link alone)" in said


def test_only_the_exporter_reads_a_link():
    link = "stratacam.scans.dicom.link"
    readers = {name for name, imports in GRAPH.items() if link in imports}
    assert readers == {
        "stratacam.cli.scans",  # for its warning
        "stratacam.scans.dicom.importing",  # which writes it
        "stratacam.export.dicom.identity",
        "stratacam.export.dicom.source",
        "stratacam.export.run",
    }
