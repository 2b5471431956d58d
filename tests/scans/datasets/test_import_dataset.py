"""Open data sets, as downloaded, become BIDS folders that `check` and `prepare` take."""

import hashlib
import json
import shutil

import pytest
from downloads import cross_sectional, longitudinal, msseg, msseg_flat, put_image

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.cohort.participants import read_scan_groups
from stratacam.scans.cohort.people import read_people
from stratacam.scans.datasets import LAYOUTS, import_dataset
from stratacam.scans.truth import read_statement

OPEN_MS, MSSEG = LAYOUTS["open_ms_data"], LAYOUTS["msseg"]


def fingerprints(folder):
    """Every file below a folder, with its bytes and the time of its last change."""
    return {
        path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_cross_sectional_patients_become_subjects_with_masks_and_truth(tmp_path):
    source = cross_sectional(tmp_path / "download")
    (source / "patient_info.csv").write_text(
        "patient_id,age,sex,ms_type,edss,criteria\n1,31,F,RR,1.5,M\n2,33,M,N/A,,\n"
    )
    result = import_dataset(OPEN_MS, source, tmp_path / "out")
    assert (len(result.taken), result.left_out, result.notes) == (2, (), ())
    scans, left_out = find_scans(tmp_path / "out")
    assert [scan.name for scan in scans] == ["sub-01", "sub-02"]
    assert not left_out
    assert scans[0].images["T1w"].resolve() == source / "coregistered/patient01/T1W.nii.gz"
    masks = tmp_path / "out/derivatives/open_ms_data/sub-01/anat"
    assert scans[0].brain_mask == masks / "sub-01_desc-brain_mask.nii.gz"
    assert (masks / "sub-01_label-lesion_mask.nii.gz").resolve().name == "consensus_gt.nii.gz"
    assert read_statement(tmp_path / "out").structures == {"MS": ("lesion",)}
    assert read_scan_groups(tmp_path / "out", scans) == {"sub-01": "MS", "sub-02": "MS"}
    assert read_people(tmp_path / "out", scans, ["age", "sex", "edss"]) == {
        "sub-01": {"age": "31", "sex": "F", "edss": "1.5"},
        "sub-02": {"age": "33", "sex": "M"},
    }


def test_description_names_source_licence_and_citation(tmp_path):
    import_dataset(OPEN_MS, cross_sectional(tmp_path / "download"), tmp_path / "out")
    said = json.loads((tmp_path / "out/dataset_description.json").read_text())
    assert said["SourceDatasets"] == [{"URL": "https://github.com/muschellij2/open_ms_data"}]
    assert said["License"] == "CC-BY"
    assert "10.1007/s12021-017-9348-7" in said["HowToAcknowledge"]


def test_ids_as_spreadsheets_write_them_are_those_of_the_patients(tmp_path):
    source = cross_sectional(tmp_path / "download")
    (source / "demographics.csv").write_text("id,age\n1.0,31\n2.0,33\n10.0,99\n20.0,99\n")
    import_dataset(OPEN_MS, source, tmp_path / "out")
    scans, _ = find_scans(tmp_path / "out")
    assert read_people(tmp_path / "out", scans, ["age"]) == {"sub-01": {"age": "31"}, "sub-02": {"age": "33"}}


def test_group_of_the_data_sets_table_has_no_truth_as_lesions_do_not_tell_types_apart(tmp_path):
    source = cross_sectional(tmp_path / "download")
    (source / "demographics.csv").write_text("id,ms_type\npatient01,RR\npatient02,\n")
    result = import_dataset(OPEN_MS, source, tmp_path / "out", group_column="ms_type")
    scans, _ = find_scans(tmp_path / "out")
    assert read_scan_groups(tmp_path / "out", scans) == {"sub-01": "RR"}
    assert read_statement(tmp_path / "out") is None
    assert [note.split(":")[0] for note in result.notes] == ["truth.json", "participants.tsv"]
    with pytest.raises(InputError, match=r"nobody has a value of 'stage'.*choose of ms_type"):
        import_dataset(OPEN_MS, source, tmp_path / "other", group_column="stage")


def test_two_studies_are_two_sessions_and_a_mask_of_change_is_no_mask_of_lesions(tmp_path):
    source = longitudinal(tmp_path / "download")
    import_dataset(OPEN_MS, source, tmp_path / "out", group="RRMS")
    scans, _ = find_scans(tmp_path / "out")
    assert [scan.name for scan in scans] == ["sub-01_ses-1", "sub-01_ses-2"]
    assert all(scan.brain_mask for scan in scans)
    masks = sorted(path.name for path in (tmp_path / "out/derivatives").rglob("*label-*"))
    assert masks == ["sub-01_ses-2_label-change_mask.nii.gz"]
    assert read_statement(tmp_path / "out") is None


def test_raw_masks_are_in_the_space_of_the_flair_and_no_truth(tmp_path):
    cross_sectional(tmp_path / "download")
    source = cross_sectional(tmp_path / "download", kind="raw")
    result = import_dataset(OPEN_MS, source, tmp_path / "out", raw=True)
    assert find_scans(tmp_path / "out")[0][0].images["T1w"].resolve().parts[-3] == "raw"
    assert list((tmp_path / "out/derivatives").rglob("sub-01_space-FLAIR_label-lesion_mask.nii.gz"))
    assert read_statement(tmp_path / "out") is None
    assert "space of the raw FLAIR" in result.notes[0]


def test_both_parts_at_once_are_refused_as_their_numbers_are_of_different_people(tmp_path):
    cross_sectional(tmp_path / "download")
    longitudinal(tmp_path / "download")
    with pytest.raises(InputError, match=r"different people: name one, such as .*cross_sectional"):
        import_dataset(OPEN_MS, tmp_path / "download", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_msseg_patients_are_numbered_by_centre_which_is_their_site(tmp_path):
    msseg(tmp_path / "download/Training")
    import_dataset(
        MSSEG, tmp_path / "download/Training", tmp_path / "out", sequences=("T1w", "T2w", "PDw", "FLAIR")
    )
    scans, _ = find_scans(tmp_path / "out")
    assert [scan.subject for scan in scans] == ["0101", "0102", "0701", "0702"]
    assert scans[0].images["T1w"].resolve().name == "T1_preprocessed.nii.gz"  # not that after contrast agent
    assert scans[0].brain_mask
    assert read_people(tmp_path / "out", scans, ["site"])["sub-0702"] == {"site": "07"}
    assert read_statement(tmp_path / "out").structures == {"MS": ("lesion",)}


def test_training_and_testing_of_msseg_have_the_same_numbers_and_are_different_people(tmp_path):
    for part in ("Training", "Testing"):
        msseg(tmp_path / "download" / part, ["01"], ["01"])
    import_dataset(MSSEG, tmp_path / "download", tmp_path / "out")
    assert [scan.subject for scan in find_scans(tmp_path / "out")[0]] == ["Testing0101", "Training0101"]


def test_one_centre_by_itself_gives_the_same_labels(tmp_path):
    msseg(tmp_path / "download")
    import_dataset(MSSEG, tmp_path / "download/Center_07", tmp_path / "out", raw=True)
    scans, _ = find_scans(tmp_path / "out")
    assert [scan.subject for scan in scans] == ["0701", "0702"]
    assert scans[0].images["FLAIR"].resolve().name == "FLAIR.nii.gz"


def test_flat_folders_of_msseg_are_raw(tmp_path):
    source = msseg_flat(tmp_path / "download")
    with pytest.raises(InputError, match=r"holds no registered images.*take the raw ones \(--raw\)"):
        import_dataset(MSSEG, source, tmp_path / "out")
    import_dataset(MSSEG, source, tmp_path / "out", raw=True)
    scans, _ = find_scans(tmp_path / "out")
    assert [scan.subject for scan in scans] == ["01016SACH", "07001MOEL"]
    assert scans[0].images["T1w"].name == "sub-01016SACH_T1w.nii"
    assert read_people(tmp_path / "out", scans, ["site"])["sub-07001MOEL"] == {"site": "07"}


def test_input_is_never_written_to_and_copies_are_files(tmp_path):
    source = cross_sectional(tmp_path / "download")
    before = fingerprints(source)
    for name, copy in (("linked", False), ("copied", True)):
        import_dataset(OPEN_MS, source, tmp_path / name, copy=copy)
        image = tmp_path / name / "sub-01/anat/sub-01_T1w.nii.gz"
        assert image.is_symlink() != copy
        assert image.read_bytes() == (source / "coregistered/patient01/T1W.nii.gz").read_bytes()
    assert fingerprints(source) == before
    with pytest.raises(InputError, match="inputs are never written to"):
        import_dataset(OPEN_MS, source, source / "out")
    with pytest.raises(InputError, match="holds something; expected a new or empty folder"):
        import_dataset(OPEN_MS, source, tmp_path / "linked")


def test_incomplete_doubled_and_unreadable_scans_are_left_out_with_the_reason(tmp_path):
    source = cross_sectional(tmp_path / "download", ["01", "02", "03", "04", "5", "05"])
    place = source / "coregistered"
    (place / "patient01/T2W.nii.gz").unlink()
    put_image(place / "patient02/FLAIR.nii")
    (place / "patient03/T1W.nii.gz").unlink()
    (place / "patient03/T1W.nii.gz").symlink_to("../annex/gone")
    shutil.move(place / "patient5", place / "Patient05")
    result = import_dataset(OPEN_MS, source, tmp_path / "out")
    assert [one.name for one in result.taken] == ["sub-04"]
    reasons = [(one.name, one.reason) for one in result.left_out]
    assert [name for name, _ in reasons] == ["sub-01", "sub-02", "sub-03", "sub-05", "sub-05"]
    said = [reason for _, reason in reasons]
    assert "patient01: no T2w; there is T1W.nii.gz" in said[0]
    assert "FLAIR.nii and FLAIR.nii.gz are both FLAIR; expected one file: remove one" in said[1]
    assert "T1W.nii.gz: cannot be read (No such file" in said[2]
    assert "are both sub-05; expected one folder for each person" in said[3]
    rows = (tmp_path / "out/import.tsv").read_text().splitlines()
    assert sum("cannot be read" in row for row in rows) == 1
    kept = import_dataset(OPEN_MS, source, tmp_path / "fewer", sequences=("T1w", "FLAIR"))
    assert [one.name for one in kept.taken] == ["sub-01", "sub-04"]


def test_folders_of_one_number_are_one_person_however_many_zeros_stand_in_front(tmp_path):
    source = cross_sectional(tmp_path / "download", ["01", "1", "10", "010", "2"])
    result = import_dataset(OPEN_MS, source, tmp_path / "out")
    assert [one.name for one in result.taken] == ["sub-2"]
    assert [one.name for one in result.left_out] == ["sub-01", "sub-010", "sub-1", "sub-10"]
    assert "patient01 and " in result.left_out[0].reason
    assert "have the same number (sub-01, sub-1); expected one folder" in result.left_out[0].reason
    msseg(tmp_path / "msseg", ["01", "1", "07"], ["01", "02"])
    kept = import_dataset(MSSEG, tmp_path / "msseg", tmp_path / "out2")
    assert [one.name for one in kept.taken] == ["sub-0701", "sub-0702"]


@pytest.mark.parametrize("file", ["T2W.nii.gz", "consensus_gt.nii.gz"])
def test_files_that_are_cut_off_or_no_image_leave_their_scan_out(tmp_path, file):
    source = cross_sectional(tmp_path / "download", ["01", "02", "03", "04"])
    place = source / "coregistered"
    (place / "patient01" / file).write_bytes(b"xx")
    (place / "patient02" / file).write_bytes(b"")
    whole = (place / "patient03" / file).read_bytes()
    (place / "patient03" / file).write_bytes(whole[: len(whole) // 2])
    result = import_dataset(OPEN_MS, source, tmp_path / "out")
    assert [one.name for one in result.taken] == ["sub-04"]
    assert ["expected" in one.reason and file in one.reason for one in result.left_out] == [True] * 3, (
        result.left_out
    )


def test_a_file_with_the_patients_number_in_front_is_found(tmp_path):
    source = cross_sectional(tmp_path / "download", ["02"])
    place = source / "coregistered/patient02"
    (place / "consensus_gt.nii.gz").rename(place / "patient02_consensus_gt.nii.gz")
    import_dataset(OPEN_MS, source, tmp_path / "out")
    assert list((tmp_path / "out/derivatives").rglob("sub-02_label-lesion_mask.nii.gz"))


def test_command_says_who_was_left_out_what_to_cite_and_what_comes_next(run, tmp_path):
    source = cross_sectional(tmp_path / "download", ["01", "02", "03"])
    (source / "coregistered/patient03/FLAIR.nii.gz").unlink()
    code, said = run("import-dataset", "open_ms_data", source, tmp_path / "out", "--group", "RRMS")
    assert code == 3
    assert "sub-03 left out" in said
    assert "2 people, 2 scans. Please cite:\n  Lesjak" in said
    assert f"Next: stratacam check {tmp_path / 'out'}" in said
    code, said = run("import-dataset", "openms", source, tmp_path / "out")
    assert code == 2
    assert "LAYOUT: found 'openms'; did you mean open_ms_data? expected one of open_ms_data, msseg" in said
    code, said = run("import-dataset", "msseg", source, tmp_path / "new")
    assert code == 2
    assert "expected folders Center_01/Patient_01" in said
    code, said = run("import-dataset", "open_ms_data", source, tmp_path / "new", "--group", "n/a")
    assert code == 2
    assert "--group: found 'n/a'" in said


def test_imported_scans_pass_the_check(run, tmp_path):
    source = msseg(tmp_path / "download", ["01"], ["01", "02", "03"])
    import_dataset(MSSEG, source, tmp_path / "out", group="MS")
    table = tmp_path / "out/participants.tsv"
    table.write_text(table.read_text().replace("\tMS", "\tn/a"))
    code, said = run("check", tmp_path / "out", "--workers", "1")
    assert code == 0, said
    assert "Every scan can be prepared" in said
