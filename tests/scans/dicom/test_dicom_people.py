"""Patients: IDs that several people have, and people who have several IDs."""

import pytest
from dicom_files import write_series

from stratacam.scans.dicom import import_dicom


def write_people(folder, *people, **shared):
    """One T1w each, a year apart; a person is PatientID, birth date, sex and name."""
    for number, (patient, birth_date, sex, name) in enumerate(people):
        tags = {"PatientBirthDate": birth_date, "PatientSex": sex, "PatientName": name}
        study = {"study": f"1.2.{number}", "StudyDate": f"202{number}0101", **shared}
        write_series(folder / str(number), patient=patient, seed=number, **study, **tags)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (("ANON", "19600101", "F", "Doe^Jane"), "birth date"),
        (("ANON", "19500101", "M", "Doe^Jane"), "sex"),
        (("ANON", "19500101", "F", "Roe^Jane"), "name"),
        (("ANON", "19600101", "M", "Anon2"), "birth date, sex and name"),
    ],
)
def test_one_id_of_several_people_is_refused(tmp_path, other, words):
    write_people(tmp_path / "in", ("ANON", "19500101", "F", "Doe^Jane"), other)
    result = import_dicom(tmp_path / "in", tmp_path / "out")
    assert {one.reason for one in result.decisions} == {
        f"its PatientID is that of people who differ in {words}"
    }
    assert result.left_out == 2
    assert "add the ID to same_person" in result.notes[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:Invalid value")  # as scanners write it, against the standard
@pytest.mark.parametrize(
    "other",
    [
        ("P", "", "", ""),
        ("P", "19500101", "f", "DOE^JANE^MARY"),
        ("P", "1950-01-01", "F ", "Doe^Jane"),
        ("P ", "19500101", "F", "doe^ jane"),
    ],
)
def test_missing_details_and_spelling_make_nobody_another_person(tmp_path, other):
    write_people(tmp_path / "in", ("P", "19500101", "F", "Doe^Jane"), other)
    result = import_dicom(tmp_path / "in", tmp_path / "out")
    assert [(one.subject, one.session) for one in result.decisions] == [("01", "1"), ("01", "2")]
    assert result.left_out == 0


def test_umlauts_have_two_spellings(tmp_path):
    charset = {"SpecificCharacterSet": "ISO_IR 192"}
    people = [("P", "19500101", "F", name) for name in ("Müller^Jörg", "MUELLER^JOERG")]
    write_people(tmp_path / "in", *people, **charset)
    assert import_dicom(tmp_path / "in", tmp_path / "out").left_out == 0


def test_the_map_may_say_that_it_is_one_person(tmp_path):
    write_people(tmp_path / "in", ("P", "19500101", "F", "Doe^Jane"), ("P", "19500101", "F", "Roe^Jane"))
    (tmp_path / "map.toml").write_text('same_person = ["P"]\n')
    result = import_dicom(tmp_path / "in", tmp_path / "out", tmp_path / "map.toml")
    assert [one.session for one in result.decisions] == ["1", "2"]


def test_each_person_of_an_id_can_be_imported_alone_under_a_label(tmp_path):
    write_people(tmp_path / "in", ("ANON", "19500101", "F", "A"), ("ANON", "19600101", "M", "B"))
    for number in range(2):
        (tmp_path / "map.toml").write_text(f'[subjects]\nANON = "x{number}"\n')
        result = import_dicom(tmp_path / "in" / str(number), tmp_path / "out", tmp_path / "map.toml")
        assert result.left_out == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("sub-*")) == ["sub-x0", "sub-x1"]


def test_two_ids_in_one_study_are_told(tmp_path):
    people = [("A", "19500101", "F", "Doe^Jane"), ("B", "19600101", "M", "Roe^John")]
    write_people(tmp_path / "in", *people, study="1.2.3", StudyDate="20200101")
    notes = import_dicom(tmp_path / "in", tmp_path / "out").notes
    assert any(note.startswith("one study holds files of PatientID 'A' and 'B'") for note in notes)


def test_one_person_with_two_ids_is_told_until_the_map_joins_them(tmp_path):
    write_people(tmp_path / "in", *((patient, "19500101", "F", "Doe^Jane") for patient in "AB"))
    notes = import_dicom(tmp_path / "in", tmp_path / "out").notes
    assert any("are the same for PatientID 'A' and 'B'" in note for note in notes)
    (tmp_path / "map.toml").write_text('[subjects]\nA = "1"\nB = "1"\n')
    result = import_dicom(tmp_path / "in", tmp_path / "joined", tmp_path / "map.toml")
    assert not any("PatientID" in note for note in result.notes)
    assert [one.session for one in result.decisions] == ["1", "2"]


def test_people_whose_files_share_uids_are_not_mixed(tmp_path):
    for patient in "AB":
        write_series(tmp_path / "in" / patient, patient=patient, series="1.2.3", seed=ord(patient))
    result = import_dicom(tmp_path / "in", tmp_path / "out")
    assert [(one.subject, one.state, len(one.stack.slices)) for one in result.decisions] == [
        ("01", "taken", 10),
        ("02", "taken", 10),
    ]


def test_sequences_that_a_visit_lacks_are_named_with_what_would_take_them(tmp_path):
    write_series(tmp_path / "in/a", contrast="T1w", study="1.1", StudyDate="20200101")
    write_series(tmp_path / "in/b", contrast="T2w", study="1.2", StudyDate="20200102")
    write_series(tmp_path / "in/c", contrast="FLAIR", study="1.2", number=7, SeriesDescription="flair +C")
    notes = import_dicom(tmp_path / "in", tmp_path / "out").notes
    assert "sub-01_ses-1 lacks FLAIR and T2w" in notes
    assert (
        "sub-01_ses-2: sub-01_ses-1 has T1w: if both are one visit, put its files into one session" in notes
    )
    assert any(
        note.startswith("sub-01_ses-2: series 7 is FLAIR, but contrast agent")
        and note.endswith('allow.FLAIR = ["contrast agent"]')
        for note in notes
    )


def test_a_slab_of_the_head_is_told(tmp_path):
    write_series(tmp_path / "in", slices=10, step=3.0, shape=(60, 60), spacing=(2.0, 2.0))
    notes = import_dicom(tmp_path / "in", tmp_path / "out").notes
    assert "sub-01: T1w series 1 reaches 30 mm in one direction: look whether it is the whole head" in notes


def test_of_a_series_sent_twice_the_whole_one_is_taken(tmp_path):
    write_series(tmp_path / "in/a", number=2, slices=8, series="1.2.1")
    write_series(tmp_path / "in/b", number=2, slices=12, series="1.2.2")
    decisions = import_dicom(tmp_path / "in", tmp_path / "out").decisions
    assert [one.stack.name for one in decisions] == ["2a", "2b"]
    assert [one.state for one in decisions] == ["not taken", "taken"]
