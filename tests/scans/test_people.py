"""Age, sex and further columns of a cohort, from BIDS tables and from a plain table."""

import pytest

from stratacam.errors import InputError
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.people import read_people

TWO = [Scan("01", None, {}), Scan("02", None, {})]
VISITS = [Scan("01", "1", {}), Scan("01", "2", {}), Scan("02", "1", {})]


def participants(folder, *rows):
    (folder / "participants.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")


def sessions(folder, subject, *rows):
    path = folder / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"
    path.parent.mkdir()
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n")


def test_columns_are_found_in_any_case_and_named_as_asked_for(tmp_path):
    participants(tmp_path, ("participant_id", "AGE", "Sex"), ("sub-01", "34", "F"), ("02", "51.5", "M"))
    assert read_people(tmp_path, TWO, ["age", "sex"]) == {
        "sub-01": {"age": "34", "sex": "F"},
        "sub-02": {"age": "51.5", "sex": "M"},
    }


def test_what_is_not_available_is_absent_and_so_are_people_without_a_row(tmp_path):
    participants(tmp_path, ("participant_id", "age", "sex"), ("sub-01", "n/a", ""))
    assert read_people(tmp_path, TWO, ["age", "sex"]) == {"sub-01": {}, "sub-02": {}}


def test_without_the_column_or_any_table_it_is_absent_for_everybody(tmp_path):
    assert read_people(tmp_path, TWO, ["age"]) == {"sub-01": {}, "sub-02": {}}
    participants(tmp_path, ("participant_id", "sex"), ("sub-01", "F"))
    assert read_people(tmp_path, TWO, ["age", "sex"]) == {"sub-01": {"sex": "F"}, "sub-02": {}}


def test_a_required_column_that_is_not_there_is_refused_naming_those_that_are(tmp_path):
    with pytest.raises(InputError, match=r"participants.tsv: no such file; .*participant_id and family"):
        read_people(tmp_path, TWO, ["family"], required=True)
    participants(tmp_path, ("participant_id", "sex", "site"), ("sub-01", "F", "A"))
    with pytest.raises(
        InputError, match=r"no column 'family'; .*has participant_id, sex, site; expected it in one"
    ):
        read_people(tmp_path, TWO, ["site", "family"], required=True)
    assert read_people(tmp_path, TWO, ["Site"], required=True)["sub-01"] == {"Site": "A"}


def test_a_session_has_its_own_value_before_that_of_its_subject(tmp_path):
    participants(
        tmp_path, ("participant_id", "age", "family"), ("sub-01", "30", "Smith"), ("sub-02", "40", "Jones")
    )
    sessions(tmp_path, "01", ("session_id", "Age"), ("ses-1", "n/a"), ("2", "33"))
    people = read_people(tmp_path, VISITS, ["age", "family"])
    assert [people[scan.name]["age"] for scan in VISITS] == ["30", "33", "40"]
    assert [people[scan.name]["family"] for scan in VISITS] == ["Smith", "Smith", "Jones"]


def test_a_column_of_sessions_alone_is_enough_even_where_one_lacks_it(tmp_path):
    participants(tmp_path, ("participant_id", "group"), ("sub-01", "RRMS"), ("sub-02", "control"))
    sessions(tmp_path, "01", ("session_id", "age"), ("ses-1", "31"), ("ses-2", "n/a"))
    people = read_people(tmp_path, VISITS, ["age"], required=True)
    assert people == {"sub-01_ses-1": {"age": "31"}, "sub-01_ses-2": {}, "sub-02_ses-1": {}}


def test_a_session_named_twice_and_a_column_in_two_cases_are_refused(tmp_path):
    sessions(tmp_path, "01", ("session_id", "age"), ("ses-1", "31"), ("1", "32"))
    with pytest.raises(InputError, match=r"sub-01_sessions\.tsv: row 3 names ses-1 again"):
        read_people(tmp_path, VISITS, ["age"])
    participants(tmp_path, ("participant_id", "Age", "AGE"), ("sub-01", "34", "34"))
    with pytest.raises(InputError, match="has the columns Age and AGE for 'age'; expected one: rename one"):
        read_people(tmp_path, TWO, ["age"])
    assert read_people(tmp_path, TWO, ["AGE"])["sub-01"] == {"AGE": "34"}


def test_a_plain_table_gives_each_scan_its_value_and_refuses_two(tmp_path):
    table = tmp_path / "scans.csv"
    head = "subject,session,sequence,path,Age\n"
    table.write_text(head + "01,1,T1w,a.nii,31\n01,1,FLAIR,b.nii,\n01,2,T1w,c.nii,33\n02,1,T1w,d.nii,n/a\n")
    people = read_people(table, VISITS, ["age", "sex"])
    assert people == {"sub-01_ses-1": {"age": "31"}, "sub-01_ses-2": {"age": "33"}, "sub-02_ses-1": {}}
    with pytest.raises(
        InputError, match=r"has no column 'sex'; scans\.csv has subject, session, sequence, path, Age"
    ):
        read_people(table, VISITS, ["sex"], required=True)
    table.write_text(head + "01,1,T1w,a.nii,31\n01,1,FLAIR,b.nii,32\n")
    with pytest.raises(InputError, match="gives sub-01_ses-1 the Age '32', an earlier row '31'"):
        read_people(table, VISITS, ["age"])
