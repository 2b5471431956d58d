import json

import pytest

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import Scan, find_scans
from stratacam.scans.cohort.sources import read_cohort_groups

TWO = [Scan("01", None, {}), Scan("02", None, {})]


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_scans_are_found_with_and_without_sessions_compressed_or_not(tmp_path):
    for entity in ("sub-02/anat/sub-02", "sub-01/ses-b/anat/sub-01_ses-b", "sub-01/ses-a/anat/sub-01_ses-a"):
        _touch(tmp_path, f"{entity}_T1w.nii.gz", f"{entity}_T2w.nii", f"{entity}_FLAIR.nii.gz")
    scans, left_out = find_scans(tmp_path)
    assert [scan.name for scan in scans] == ["sub-01_ses-a", "sub-01_ses-b", "sub-02"]
    assert not left_out
    assert list(scans[0].images) == ["T1w", "T2w", "FLAIR"]
    assert scans[2].images["T2w"] == tmp_path / "sub-02/anat/sub-02_T2w.nii"


def test_a_missing_sequence_leaves_the_scan_out_and_names_the_files_looked_for(tmp_path):
    _touch(
        tmp_path,
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/anat/sub-01_T2w.nii.gz",
        "sub-02/anat/sub-02_T1w.nii",
    )
    scans, left_out = find_scans(tmp_path, ("T1w", "T2w"))
    assert [scan.name for scan in scans] == ["sub-01"]
    assert [one.name for one in left_out] == ["sub-02"]
    assert left_out[0].reason.startswith("no T2w: looked for")
    assert str(tmp_path / "sub-02/anat/sub-02_[...]T2w.nii[.gz]") in left_out[0].reason


def test_of_several_runs_the_first_in_sorted_order_is_taken_and_noted(tmp_path):
    _touch(tmp_path, *(f"sub-01/anat/sub-01_run-{run}_T1w.nii.gz" for run in (2, 1)))
    scan = find_scans(tmp_path, ("T1w",))[0][0]
    assert scan.images["T1w"].name == "sub-01_run-1_T1w.nii.gz"
    assert "sub-01_run-2_T1w.nii.gz" in scan.notes[0]


def test_a_supplied_mask_is_found_but_not_in_another_space_nor_our_own_output(tmp_path):
    _touch(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    _touch(tmp_path, "derivatives/a/sub-01/anat/sub-01_space-MNI152_desc-brain_mask.nii.gz")
    _touch(tmp_path, "derivatives/b/sub-01/anat/sub-01_space-T1w_desc-brain_mask.nii.gz")
    description = {"Name": "x", "GeneratedBy": [{"Name": "stratacam"}]}
    (tmp_path / "derivatives/b/dataset_description.json").write_text(json.dumps(description))
    assert find_scans(tmp_path, ("T1w",))[0][0].brain_mask is None
    _touch(tmp_path, "derivatives/c/sub-01/anat/sub-01_desc-brain_mask.nii.gz")
    assert find_scans(tmp_path, ("T1w",))[0][0].brain_mask.parts[-4] == "c"


def test_a_folder_without_subjects_is_no_data_set(tmp_path):
    with pytest.raises(InputError, match="has no folder sub-<label>"):
        find_scans(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_scans(tmp_path / "absent")


def test_the_t1w_must_be_asked_for(tmp_path):
    with pytest.raises(InputError, match="expected T1w among them"):
        find_scans(tmp_path, ("FLAIR",))


def test_groups_are_read_despite_byte_order_mark_and_windows_line_ends(tmp_path):
    table = "\ufeffparticipant_id\tage\tgroup\r\nsub-01\t30\tRRMS\r\n02\t40\tcontrol\r\nsub-03\t50\tn/a\r\n"
    (tmp_path / "participants.tsv").write_bytes(table.encode())
    assert read_cohort_groups(tmp_path, TWO) == {"sub-01": "RRMS", "sub-02": "control"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("", "is empty"),
        ("participant_id\tdiagnosis\nsub-01\tRRMS\n", "no column 'group'; it has participant_id, diagnosis"),
        ("participant_id,group\nsub-01,RRMS\n", "separated by ','"),
        ("participant_id\tgroup\nsub-01\n", "row 2 has 1 fields; expected 2"),
        ("participant_id\tgroup\nsub-01\tA\nsub-01\tB\n", "row 3 names sub-01 again"),
    ],
)
def test_a_wrong_participants_table_says_what_is_wrong(tmp_path, content, message):
    if content is not None:
        (tmp_path / "participants.tsv").write_text(content)
    with pytest.raises(InputError, match=r"participants\.tsv") as caught:
        read_cohort_groups(tmp_path, TWO)
    assert message in str(caught.value)


def test_a_table_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "participants.tsv").write_bytes("participant_id\tgroup\nsub-01\tgesünd\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_cohort_groups(tmp_path, TWO)
