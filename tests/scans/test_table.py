"""Scans listed in a plain table, and the strict reading of tables."""

import pytest

from stratacam.errors import InputError
from stratacam.scans.cohort.delimited import read_table
from stratacam.scans.cohort.table import find_listed_scans, read_listed_groups

HEAD = "subject,session,sequence,path,group\n"


def listed(folder, rows, *, name="scans.csv", head=HEAD):
    """A table, and an empty file for every path in it."""
    path = folder / name
    path.write_text(head + rows, encoding="utf-8")
    for row in rows.splitlines():
        file = folder / row.split("\t" if name.endswith(".tsv") else ",")[3].strip('"')
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return path


def test_scans_are_found_with_sessions_masks_and_paths_beside_the_table(tmp_path):
    path = listed(
        tmp_path,
        "01,1,T1w,Müller scans/eins T1.nii.gz,RRMS\n01,1,FLAIR,b.nii,RRMS\n01,1,brain_mask,m.nii.gz,\n"
        "01,1,PDw,pd.nii,RRMS\n"
        "sub-02,n/a,T1w,c.nii.gz,control\nsub-02,,FLAIR,d.nii.gz,control\n",
    )
    scans, left_out = find_listed_scans(path, ("T1w", "FLAIR"))
    assert [scan.name for scan in scans] == ["sub-01_ses-1", "sub-02"]
    assert not left_out
    assert scans[0].images == {
        "T1w": tmp_path / "Müller scans/eins T1.nii.gz",
        "FLAIR": tmp_path / "b.nii",
    }
    assert scans[0].brain_mask == tmp_path / "m.nii.gz"
    assert read_listed_groups(path) == {"sub-01_ses-1": "RRMS", "sub-02": "control"}


def test_tabs_a_byte_order_mark_windows_line_ends_and_empty_lines_do_not_matter(tmp_path):
    (tmp_path / "a.nii").touch()
    path = tmp_path / "scans.tsv"
    path.write_bytes("\ufeffpath\tsubject\tsequence\r\n\r\na.nii\t01\tT1w\r\n\t\t\r\n".encode())
    assert [scan.name for scan in find_listed_scans(path, ("T1w",))[0]] == ["sub-01"]


def test_quoted_fields_may_hold_commas(tmp_path):
    (tmp_path / "a, b.nii").touch()
    path = tmp_path / "scans.csv"
    path.write_text('subject,sequence,path\n01,T1w,"a, b.nii"\n')
    assert find_listed_scans(path, ("T1w",))[0][0].images["T1w"] == tmp_path / "a, b.nii"


def test_a_scan_without_a_sequence_or_a_file_is_left_out_with_the_row(tmp_path):
    path = listed(
        tmp_path,
        "01,,T1w,a.nii,x\n02,,T1w,b.nii,x\n02,,FLAIR,c.nii,x\n03,,T1w,d.dcm,x\n03,,FLAIR,e.nii,x\n",
    )
    (tmp_path / "c.nii").unlink()
    scans, left_out = find_listed_scans(path, ("T1w", "FLAIR"))
    assert not scans
    reasons = {one.name: one.reason for one in left_out}
    assert "no FLAIR: add the row" in reasons["sub-01"]
    assert f"row 4: {tmp_path / 'c.nii'}: no such file" in reasons["sub-02"]
    assert "row 5: d.dcm is DICOM; convert it" in reasons["sub-03"]


@pytest.mark.parametrize(
    ("rows", "messages"),
    [
        ("a_1,,T1w,a.nii,x\n01,1 b,T1w,b.nii,x\n", ["row 2: subject 'a_1'", "row 3: session '1 b'"]),
        ("01,,,a.nii,x\n02,,T1w,b.nii,x\n", ["row 2: sequence is empty"]),
        ("01,,T1w,a.nii,x\n01,,T1w,b.nii,x\n", ["row 3: sub-01 has T1w in row 2 already"]),
        ("A1,,T1w,a.nii,x\na1,,T1w,b.nii,x\n", ["row 3: sub-a1 differs from sub-A1"]),
        ("01,,T1w,a.nii,x\n02,,T1w,./a.nii,x\n", ["row 3: ./a.nii is the file of row 2 (sub-01)"]),
        ("", ["lists no scan"]),
    ],
)
def test_every_wrong_row_is_named(tmp_path, rows, messages):
    path = listed(tmp_path, rows)
    with pytest.raises(InputError) as caught:
        find_listed_scans(path, ("T1w",))
    for message in messages:
        assert f"{path}: {message}" in str(caught.value)


def test_a_scan_in_two_groups_is_named(tmp_path):
    path = listed(tmp_path, "01,,T1w,a.nii,RRMS\n01,,FLAIR,b.nii,SPMS\n")
    with pytest.raises(InputError, match="row 3 gives sub-01 the group 'SPMS', an earlier row 'RRMS'"):
        read_listed_groups(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; expected a table with the columns subject and path, separated by commas"),
        (b"", "is empty"),
        (b"subject;path\n01;a\n", "separated by ';': save it with commas"),
        (b"subject\tpath\n01\ta\n", r"separated by '\\t': save it with commas"),
        (b"subject,file\n01,a\n", "no column 'path'; it has subject, file"),
        (b"subject,path,path\n01,a,b\n", "column path twice"),
        (b"subject,path\n\n01\n", "row 3 has 1 fields; expected 2"),
        ("subject,path\n01,ü\n".encode("latin-1"), "is not UTF-8"),
        ("subject,path\n01,a\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path, content, message):
    path = tmp_path / "scans.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_table(path, ["subject", "path"])
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("first", ["sep=,\n", '"sep=,"\r\n', "\ufeffsep=,\n"])
def test_what_excel_writes_first_does_not_matter(tmp_path, first):
    (tmp_path / "a.nii").touch()
    path = tmp_path / "scans.csv"
    path.write_text(first + '"subject","sequence","path",\n01,T1w,a.nii,\n', encoding="utf-8")
    assert find_listed_scans(path, ("T1w",))[0][0].name == "sub-01"
    path.write_text("sep=;\nsubject;sequence;path\n01;T1w;a.nii\n")
    assert find_listed_scans(path, ("T1w",))[0][0].name == "sub-01"


def test_sequences_are_found_in_any_case_and_near_ones_are_named(tmp_path):
    path = listed(tmp_path, "SUB-01,SES-1,t1w,a.nii,x\n01,1,Flair,b.nii,x\n01,1,BRAIN_MASK,m.nii,x\n")
    (scan,), _ = find_listed_scans(path, ("T1w", "FLAIR"))
    assert scan.name == "sub-01_ses-1"
    assert scan.images == {"T1w": tmp_path / "a.nii", "FLAIR": tmp_path / "b.nii"}
    assert scan.brain_mask == tmp_path / "m.nii"
    path = listed(
        tmp_path, "01,,T1,a.nii,x\n01,,T1w,b.nii,x\n02,,T1,c.nii,x\n03,,T1w,d.nii,x\n03,,brain mask,e.nii,x\n"
    )
    scans, left_out = find_listed_scans(path, ("T1w",))
    assert [scan.name for scan in scans] == ["sub-01"]
    reasons = {one.name: one.reason for one in left_out}
    assert "no T1w: add the row" in reasons["sub-02"]
    assert "row 4: its sequence 'T1' is not known; write T1w if it is that" in reasons["sub-02"]
    assert "row 6: its sequence 'brain mask' is not known; write brain_mask" in reasons["sub-03"]


def test_one_sequence_in_two_spellings_is_one_too_many(tmp_path):
    path = listed(tmp_path, "01,,T1w,a.nii,x\n01,,t1w,b.nii,x\n")
    with pytest.raises(InputError, match="row 3: sub-01 has t1w in row 2 already"):
        find_listed_scans(path, ("T1w",))
