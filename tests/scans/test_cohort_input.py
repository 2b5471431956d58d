"""A cohort is a BIDS folder or a table; which file is taken, and which group a scan has."""

import json

import pytest

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import find_scans
from stratacam.scans.cohort.sources import find_cohort_scans, group_fault, read_cohort_groups


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def anat(folder, *names):
    touch(folder, *(f"sub-01/anat/sub-01_{name}" for name in names))


def taken(folder, choose=None):
    """The T1w that is taken, or why none is."""
    scans, left_out = find_scans(folder, ("T1w",), choose)
    return scans[0].images["T1w"].name if scans else left_out[0].reason


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ce-gad_T1w.nii", "run-1_T1w.nii"], "run-1_T1w.nii"),
        (["acq-mprage_run-1_T1w.nii", "run-2_T1w.nii"], "run-2_T1w.nii"),
        (["run-10_T1w.nii", "run-2_T1w.nii"], "run-2_T1w.nii"),
        (["acq-a_T1w.nii.gz", "T1w.nii.gz", "run-1_T1w.nii.gz"], "T1w.nii.gz"),
    ],
)
def test_no_contrast_agent_then_fewest_entities_then_natural_order(tmp_path, names, expected):
    anat(tmp_path, *names)
    assert taken(tmp_path) == f"sub-01_{expected}"
    (note,) = find_scans(tmp_path, ("T1w",))[0][0].notes
    assert note.startswith(f"T1w: took sub-01_{expected} (images of another kind")
    assert all(name in note for name in names)


def test_a_choice_names_entities_that_a_file_must_have(tmp_path):
    anat(tmp_path, "T1w.nii", "acq-mprage_run-01_T1w.nii", "acq-mprage_run-02_T1w.nii", "ce-gad_T1w.nii")
    assert taken(tmp_path, {"T1w": {"acq": "mprage"}}) == "sub-01_acq-mprage_run-01_T1w.nii"
    assert taken(tmp_path, {"T1w": {"acq": "mprage", "run": "2"}}) == "sub-01_acq-mprage_run-02_T1w.nii"
    assert taken(tmp_path, {"T1w": {"ce": "gad"}}) == "sub-01_ce-gad_T1w.nii"
    assert taken(tmp_path, {"FLAIR": {"acq": "mprage"}}) == "sub-01_T1w.nii"


def test_a_scan_without_a_file_that_passes_is_left_out_naming_what_there_is(tmp_path):
    anat(tmp_path, "ce-gad_T1w.nii")
    assert "no plain T1w; there is sub-01_ce-gad_T1w.nii (ce-gad: after contrast agent)" in taken(tmp_path)
    assert "no T1w with acq-mprage; there is sub-01_ce-gad_T1w.nii (" in taken(
        tmp_path, {"T1w": {"acq": "mprage"}}
    )
    anat(tmp_path, "T2W.nii")
    assert (
        "there is sub-01_T2W.nii, sub-01_ce-gad_T1w.nii" in find_scans(tmp_path, ("T1w", "T2w"))[1][0].reason
    )


def test_one_name_compressed_and_not_is_left_out(tmp_path):
    anat(tmp_path, "T1w.nii", "T1w.nii.gz")
    reason = taken(tmp_path)
    assert "both sub-01_T1w.nii and sub-01_T1w.nii.gz are there" in reason


OTHER_KINDS = [
    "part-phase",
    "part-real",
    "inv-1",
    "echo-1",
    "flip-2",
    "mt-on",
    "chunk-1",
    "space-MNI152NLin2009cAsym",
    "space-T1w_desc-preproc",
    "acq-postGd",
    "acq-mprage_rec-postcontrast",
    "acq-T1c",
    "acq-KM",
    "acq-sag3DKM",
    "acq-enhanced",
    "acq-phase",
    "acq-scout",
    "acq-orbits",
    "acq-cspine",
    "acq-inv1",
]


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_an_image_of_another_kind_is_taken_only_when_it_is_asked_for_by_name(tmp_path, name):
    anat(tmp_path, f"{name}_T1w.nii")
    reason = taken(tmp_path)
    assert reason.startswith(f"{tmp_path}/sub-01/anat: no plain T1w; there is sub-01_{name}_T1w.nii (")
    assert "--choose or cohort.choose.T1w" in reason
    wanted = dict(part.split("-") for part in name.split("_"))
    assert taken(tmp_path, {"T1w": wanted}) == f"sub-01_{name}_T1w.nii"
    anat(tmp_path, "acq-mprage_rec-norm_run-2_T1w.nii")
    assert taken(tmp_path) == "sub-01_acq-mprage_rec-norm_run-2_T1w.nii"
    (note,) = find_scans(tmp_path, ("T1w",))[0][0].notes
    assert f"also there: sub-01_{name}_T1w.nii (" in note


@pytest.mark.parametrize(
    "name",
    [
        "part-mag",
        "acq-preGd",
        "acq-nonContrast",
        "acq-postop",
        "acq-Magdeburg",
        "acq-mp2rage",
        "acq-spinEcho",
    ],
)
def test_names_that_only_look_alike_are_taken(tmp_path, name):
    anat(tmp_path, f"{name}_T1w.nii")
    assert taken(tmp_path) == f"sub-01_{name}_T1w.nii"


def test_images_of_sessions_are_not_taken_from_a_folder_without_sessions(tmp_path):
    anat(tmp_path, "ses-1_T1w.nii", "ses-2_FLAIR.nii")
    scans, left_out = find_scans(tmp_path, ("T1w", "FLAIR"))
    assert not scans
    assert "there is sub-01_ses-1_T1w.nii, sub-01_ses-2_FLAIR.nii" in left_out[0].reason


def test_two_echoes_need_a_choice(tmp_path):
    anat(tmp_path, "T1w.nii", "echo-1_T2w.nii", "echo-2_T2w.nii")
    scans, left_out = find_scans(tmp_path, ("T1w", "T2w"))
    assert not scans
    assert "echo-1: one of several echoes" in left_out[0].reason
    scans, _ = find_scans(tmp_path, ("T1w", "T2w"), {"T2w": {"echo": "2"}})
    assert scans[0].images["T2w"].name == "sub-01_echo-2_T2w.nii"


@pytest.mark.parametrize(
    ("sidecar", "said"),
    [
        ({"ContrastBolusIngredient": "GADOLINIUM"}, "ContrastBolusIngredient: GADOLINIUM"),
        ({"ContrastBolusAgent": "Dotarem"}, "ContrastBolusAgent: Dotarem"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "complex part (ImageType: P)"),
        ({"ContrastBolusAgent": "none", "ImageType": ["ORIGINAL", "PRIMARY", "M"]}, None),
        (["no", "object"], None),
    ],
)
def test_what_a_sidecar_says_of_an_image_counts(tmp_path, sidecar, said):
    anat(tmp_path, "run-1_T1w.nii.gz", "run-2_T1w.nii.gz")
    (tmp_path / "sub-01/anat/sub-01_run-1_T1w.json").write_text(json.dumps(sidecar))
    assert taken(tmp_path) == f"sub-01_run-{2 if said else 1}_T1w.nii.gz"
    if said:
        assert f"its sidecar says {said}" in find_scans(tmp_path, ("T1w",))[0][0].notes[0].replace(
            "after contrast agent (", ""
        )
    assert taken(tmp_path, {"T1w": {"run": "1"}}) == "sub-01_run-1_T1w.nii.gz"


def mask_taken(folder, choose=None):
    scan = find_scans(folder, ("T1w",), choose)[0][0]
    return scan.brain_mask.name if scan.brain_mask else None


def test_a_brain_mask_has_the_entities_of_the_t1w(tmp_path):
    anat(tmp_path, "run-1_T1w.nii", "run-02_T1w.nii", "acq-fast_run-1_T1w.nii")
    folder = tmp_path / "derivatives/masks"
    anat(folder, "desc-brain_mask.nii", "run-2_desc-brain_mask.nii", "acq-fast_run-1_desc-brain_mask.nii")
    assert mask_taken(tmp_path) is None
    assert "took none, as sub-01_acq-fast" in find_scans(tmp_path, ("T1w",))[0][0].notes[-1]
    assert mask_taken(tmp_path, {"T1w": {"run": "2"}}) == "sub-01_run-2_desc-brain_mask.nii"
    assert mask_taken(tmp_path, {"T1w": {"acq": "fast"}}) == "sub-01_acq-fast_run-1_desc-brain_mask.nii"
    anat(folder, "run-1_space-MNI152_desc-brain_mask.nii", "run-1_space-T1w_desc-brain_mask.nii")
    assert mask_taken(tmp_path) == "sub-01_run-1_space-T1w_desc-brain_mask.nii"


def test_a_mask_without_entities_is_that_of_a_single_t1w(tmp_path):
    anat(tmp_path, "acq-mprage_run-1_T1w.nii", "acq-mprage_T2w.nii")
    anat(tmp_path / "derivatives/masks", "desc-brain_mask.nii.gz")
    assert mask_taken(tmp_path) == "sub-01_desc-brain_mask.nii.gz"
    anat(tmp_path, "acq-mprage_run-2_T1w.nii")
    assert mask_taken(tmp_path) is None


@pytest.mark.parametrize("end", [".NII.GZ", ".Nii", ".mgz", ".MGH", ".img", ".img.gz"])
def test_other_formats_and_cases_are_found_in_bids(tmp_path, end):
    anat(tmp_path, f"T1w{end}", "T1w.hdr", "T1w.json", "acq-a_T1w.hdr")
    assert taken(tmp_path) == f"sub-01_T1w{end}"
    anat(tmp_path, "T1w.nii.gz")
    assert f"both sub-01_T1w{end} and sub-01_T1w.nii.gz are there" in taken(tmp_path).replace(
        f"both sub-01_T1w.nii.gz and sub-01_T1w{end}", f"both sub-01_T1w{end} and sub-01_T1w.nii.gz"
    )


def test_formats_that_cannot_be_read_are_named_with_the_remedy(tmp_path):
    anat(tmp_path, "T1w.nrrd", "T1w.json")
    reason = taken(tmp_path)
    assert "there is sub-01_T1w.nrrd; sub-01_T1w.nrrd is NRRD; convert it to .nii.gz" in reason
    assert "--sequences, cohort.sequences" in reason


def test_folders_that_differ_only_in_case_and_folders_without_a_label_are_left_out(tmp_path):
    for subject in ("sub-A1", "sub-a1", "sub-02", "sub-0 3"):
        touch(tmp_path, f"{subject}/anat/{subject}_T1w.nii")
    for session in ("ses-B", "ses-b"):
        touch(tmp_path, f"sub-04/{session}/anat/sub-04_{session}_T1w.nii")
    scans, left_out = find_scans(tmp_path, ("T1w",))
    assert [scan.name for scan in scans] == ["sub-02"]
    reasons = {one.name: one.reason for one in left_out}
    assert set(reasons) == {"sub-A1", "sub-a1", "sub-0 3", "sub-04_ses-B", "sub-04_ses-b"}
    assert "sub-A1, sub-a1 differ only in case" in reasons["sub-a1"]
    assert "ses-B, ses-b differ only in case" in reasons["sub-04_ses-B"]
    assert "no BIDS label" in reasons["sub-0 3"]


def test_a_folder_that_may_not_be_read_leaves_its_subject_out(tmp_path, monkeypatch):
    for subject in ("sub-01", "sub-02"):
        touch(tmp_path, f"{subject}/anat/{subject}_T1w.nii")
    path_type = type(tmp_path)
    listing = path_type.iterdir

    def refuse(folder):
        if "sub-01" in folder.parts:
            raise PermissionError(13, "Permission denied", str(folder))
        return listing(folder)

    monkeypatch.setattr(path_type, "iterdir", refuse)
    scans, left_out = find_scans(tmp_path, ("T1w",))
    assert [scan.name for scan in scans] == ["sub-02"]
    assert left_out[0].name == "sub-01"
    assert "cannot be read (Permission denied)" in left_out[0].reason


def two_sessions(
    folder, sessions_table, participants="participant_id\tgroup\nsub-01\tRRMS\nsub-02\tcontrol\n"
):
    for session in ("1", "2"):
        touch(folder, f"sub-01/ses-{session}/anat/sub-01_ses-{session}_T1w.nii")
    touch(folder, "sub-02/anat/sub-02_T1w.nii")
    if sessions_table:
        (folder / "sub-01/sub-01_sessions.tsv").write_text(sessions_table)
    if participants:
        (folder / "participants.tsv").write_text(participants)
    return find_cohort_scans(folder, ("T1w",))[0]


def test_the_group_of_a_session_goes_before_that_of_its_subject(tmp_path):
    scans = two_sessions(tmp_path, "session_id\tgroup\nses-1\tn/a\nses-2\tSPMS\n")
    assert read_cohort_groups(tmp_path, scans) == {
        "sub-01_ses-1": "RRMS",
        "sub-01_ses-2": "SPMS",
        "sub-02": "control",
    }


def test_a_sessions_table_without_groups_changes_nothing(tmp_path):
    scans = two_sessions(tmp_path, "session_id\tacq_time\nses-1\t2020\n")
    assert read_cohort_groups(tmp_path, scans)["sub-01_ses-1"] == "RRMS"


def test_participants_are_not_needed_where_sessions_name_every_group(tmp_path):
    scans = two_sessions(tmp_path, "session_id\tgroup\n1\tRRMS\n2\tSPMS\n", participants=None)
    assert read_cohort_groups(tmp_path, scans[:2]) == {"sub-01_ses-1": "RRMS", "sub-01_ses-2": "SPMS"}
    with pytest.raises(InputError, match=r"participants\.tsv: no such file"):
        read_cohort_groups(tmp_path, scans)


@pytest.mark.parametrize(
    ("sessions", "participants", "message"),
    [
        (
            None,
            "participant_id\tgroup\nsub-01\tA\nSUB-02\tB\nsub-1a\tC\nsub-1A\tC\n",
            "row 5 names sub-1A, another",
        ),
        ("session_id\tgroup\nses-1\tA\nses-1\tB\n", None, r"sub-01_sessions\.tsv: row 3 names ses-1 again"),
        ("session_id,group\nses-1,A\n", None, r"sub-01_sessions\.tsv: .*separated by ','"),
    ],
)
def test_wrong_tables_of_groups_are_named(tmp_path, sessions, participants, message):
    scans = two_sessions(tmp_path, sessions, participants)
    with pytest.raises(InputError, match=message):
        read_cohort_groups(tmp_path, scans)


def test_a_label_in_another_case_than_its_folder_is_an_error(tmp_path):
    touch(tmp_path, "sub-A1/anat/sub-A1_T1w.nii")
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\nsub-a1\tRRMS\n")
    scans = find_cohort_scans(tmp_path, ("T1w",))[0]
    with pytest.raises(InputError, match=r"names sub-a1 \(folder sub-A1\)"):
        read_cohort_groups(tmp_path, scans)


def test_a_table_gives_scans_and_groups_like_a_folder(tmp_path):
    touch(tmp_path, "a.nii", "b.nii")
    table = tmp_path / "my scans.CSV"
    table.write_text("subject,sequence,path,diagnosis\n01,T1w,a.nii,RRMS\n02,T1w,b.nii,\n")
    scans, _ = find_cohort_scans(table, ("T1w",))
    groups = read_cohort_groups(table, scans, "diagnosis")
    assert groups == {"sub-01": "RRMS"}
    assert group_fault(table, scans[0], groups, "diagnosis", None) is None
    assert "'RRMS', which is none of" in group_fault(table, scans[0], groups, "diagnosis", ["A"])
    assert group_fault(table, scans[1], groups, "diagnosis", None).startswith(
        f"{table}: no value for sub-02 in column diagnosis"
    )


def test_a_table_with_a_choice_and_a_source_that_is_not_there_are_told(tmp_path):
    table = tmp_path / "scans.csv"
    with pytest.raises(InputError, match="no such file"):
        find_cohort_scans(table)
    with pytest.raises(InputError, match="no such folder"):
        find_cohort_scans(tmp_path / "scans")
    with pytest.raises(InputError, match="which names each file"):
        find_cohort_scans(table, choose={"T1w": {"acq": "a"}})


def groups_of(folder, participants, subjects=("01", "02", "03")):
    for subject in subjects:
        touch(folder, f"sub-{subject}/anat/sub-{subject}_T1w.nii")
    (folder / "participants.tsv").write_text(participants, encoding="utf-8")
    return read_cohort_groups(folder, find_cohort_scans(folder, ("T1w",))[0])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Control", "control"),
        ("0", "0.0"),
        ("1", "01"),
        ("1.0", "1,0"),
        ("healthy control", "healthy_control"),
        ("RR-MS", "RRMS"),
        ('"A"', "A"),
        ("'A'", "A"),
        ("a\u00a0b", "a b"),
        ("gesu\u0308nd", "ges\u00fcnd"),
        ("Stage 1", "stage1"),
    ],
)
def test_groups_that_differ_in_spelling_only_are_refused_and_named(tmp_path, first, second):
    table = f"participant_id\tgroup\nsub-01\t{first}\nsub-02\t{second}\nsub-03\t{first}\n"
    with pytest.raises(InputError) as caught:
        groups_of(tmp_path, table)
    assert f"participants.tsv: column group: has {first!r} (2), {second!r} (1)" in str(caught.value)
    listed = tmp_path / "scans.tsv"
    listed.write_text(
        "subject\tsequence\tpath\tgroup\n"
        + "".join(
            f"{subject}\tT1w\tsub-{subject}/anat/sub-{subject}_T1w.nii\t{group}\n"
            for subject, group in (("01", first), ("02", second))
        ),
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="for what seems to be one value"):
        read_cohort_groups(listed, find_cohort_scans(listed, ("T1w",))[0])


@pytest.mark.parametrize(
    ("first", "second"),
    [("A+", "A-"), ("1-2", "12"), ("-1", "1"), ("<50", ">50"), ("1", "2"), ("PPMS", "SPMS"), ("1.0", "1.01")],
)
def test_groups_that_differ_in_more_than_spelling_are_groups(tmp_path, first, second):
    table = f"participant_id\tgroup\nsub-01\t{first}\nsub-02\t{second}\n"
    assert groups_of(tmp_path, table) == {"sub-01": first, "sub-02": second}


@pytest.mark.parametrize(
    "word",
    [
        "",
        "n/a",
        "N/A",
        "NA",
        "nan",
        "None",
        "NULL",
        "unknown",
        "Unknown",
        "-",
        "?",
        "#N/A",
        '"n/a"',
        "missing",
    ],
)
def test_words_for_missing_are_no_group(tmp_path, word):
    assert groups_of(tmp_path, f"participant_id\tgroup\tage\nsub-01\tA\t1\nsub-02\t{word}\t2\n") == {
        "sub-01": "A"
    }


@pytest.mark.parametrize(
    "label", ["1", "sub-1", "001", "sub-001", "SUB-1", "sub01", "sub_01", "Sub 1", '"sub-01"']
)
def test_a_label_that_is_nearly_a_folder_is_named(tmp_path, label):
    with pytest.raises(
        InputError, match=r"names sub-.*1\"? \(folder sub-01\); expected the folder's own spelling"
    ):
        groups_of(tmp_path, f"participant_id\tgroup\n{label}\tA\nsub-02\tB\n")


@pytest.mark.parametrize("label", ["01", "sub-01", "SUB-01", "Sub-01", " sub-01 "])
def test_a_label_is_found_with_its_prefix_in_any_case_or_without(tmp_path, label):
    assert groups_of(tmp_path, f"participant_id\tgroup\n{label}\tA\n", ["01"]) == {"sub-01": "A"}


def test_a_label_with_a_folder_of_its_own_is_no_misspelling_of_another(tmp_path):
    (tmp_path / "sub-1").mkdir()
    assert groups_of(tmp_path, "participant_id\tgroup\nsub-1\tA\nsub-02\tB\n") == {"sub-02": "B"}


@pytest.mark.parametrize(
    "table",
    [
        "participant_id\tgroup\t\t\nsub-01\tA\t\t\nsub-02\tB\t\t\t\n",
        "participant_id\tgroup\nsub-01\tA\t\t\nsub-02\tB\n",
        '"participant_id"\t"group"\n"sub-01"\t"A"\nsub-02\tB\n',
        "participant_id \t group\nsub-01\tA \nsub-02 \tB\n",
        "sep=\t\nparticipant_id\tgroup\nsub-01\tA\nsub-02\tB\n",
    ],
)
def test_separators_at_the_end_of_lines_and_quotes_do_not_matter(tmp_path, table):
    assert groups_of(tmp_path, table) == {"sub-01": "A", "sub-02": "B"}
