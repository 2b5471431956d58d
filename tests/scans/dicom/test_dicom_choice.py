"""Which series becomes what, and the map that says so."""

import re
from pathlib import Path

import pytest
from dicom_files import SAGITTAL, write_series

from stratacam.errors import InputError
from stratacam.scans.dicom.choose import choose
from stratacam.scans.dicom.rules import read_map
from stratacam.scans.dicom.series import read_folder
from stratacam.scans.sequences import SEQUENCES, MRSequence

TIMES = {"EchoTime", "RepetitionTime", "InversionTime", "SeriesDescription"}


def decide(folder, tmp_path, text=None):
    path = None
    if text is not None:
        path = tmp_path / "map.toml"
        path.write_text(text)
    wanted = read_map(path)
    return choose(read_folder(folder, wanted.keywords | TIMES).stacks, wanted)


@pytest.mark.parametrize(
    ("contrast", "tags", "sequence"),
    [
        ("T1w", {}, "T1w"),
        ("T2w", {}, "T2w"),
        ("T2w", {"InversionTime": 0}, "T2w"),
        ("FLAIR", {}, "FLAIR"),
        ("FLAIR", {"EchoTime": 380, "RepetitionTime": 5000, "InversionTime": 1800}, "FLAIR"),
        (
            "T1w",
            {"ScanningSequence": ["GR", "IR"], "RepetitionTime": 2300, "EchoTime": 3, "InversionTime": 900},
            "T1w",
        ),
        ("T1w", {"ScanningSequence": "GR", "RepetitionTime": 8, "EchoTime": 3, "FlipAngle": 12}, "T1w"),
        ("T1w", {"ScanningSequence": "GR", "RepetitionTime": 30, "EchoTime": 20, "FlipAngle": 15}, None),
        ("T1w", {"RepetitionTime": 3000, "EchoTime": 15}, None),
        ("T2w", {"ScanningSequence": ["SE", "EP"]}, None),
        (
            "T1w",
            {
                "ScanningSequence": "GR",
                "RepetitionTime": 25,
                "EchoTime": 4,
                "FlipAngle": 18,
                "AngioFlag": "Y",
            },
            None,
        ),
    ],
)
def test_default_rules_go_by_the_timing(tmp_path, contrast, tags, sequence):
    write_series(tmp_path / "in", contrast=contrast, **tags)
    (decision,) = decide(tmp_path / "in", tmp_path)
    assert decision.sequence == sequence
    assert decision.state == ("taken" if sequence else "not taken")


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "T1w by rule 4, but localiser (ImageType)"),
        (
            {"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE"]},
            "T1w by rule 4, but projection (ImageType)",
        ),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P"]}, "T1w by rule 4, but complex part (ImageType)"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "T1w by rule 4, but secondary (ImageType)"),
        ({"AngioFlag": "Y"}, "T1w by rule 4, but angiography (AngioFlag)"),
        (
            {"RepetitionTime": 3000, "EchoTime": 15},
            "no rule holds; the nearest is rule 2 (T2w), but for EchoTime",
        ),
        ({"SamplesPerPixel": 3}, "colour"),
        ({"slices": 7}, "7 slices, fewer than 8"),
    ],
)
def test_what_is_no_scan_of_its_own_is_not_taken(tmp_path, tags, reason):
    write_series(tmp_path / "in", **tags)
    (decision,) = decide(tmp_path / "in", tmp_path)
    assert (decision.state, decision.reason) == ("not taken", reason)


def test_a_rule_may_ask_for_derived_images(tmp_path):
    write_series(tmp_path / "in", ImageType=["DERIVED", "SECONDARY"])
    text = "[[rule]]\nsequence = 'T1w'\nderived = true\nEchoTime = 10\n"
    assert decide(tmp_path / "in", tmp_path, text)[0].state == "taken"


def test_the_first_rule_that_holds_wins(tmp_path):
    write_series(tmp_path / "in", SeriesDescription="AX_T1")
    rules = (
        "[[rule]]\nsequence = 'T2w'\nSeriesDescription = '(?i)t1'\nContrastBolusAgent = 'gad'\n"
        "[[rule]]\nsequence = 'FLAIR'\nSeriesDescription = '(?i)ax_t1'\nContrastBolusAgent = ''\n"
        "[[rule]]\nsequence = 'T1w'\nEchoTime = [0, 30]\n"
    )
    (decision,) = decide(tmp_path / "in", tmp_path, rules)
    assert (decision.sequence, decision.reason) == ("FLAIR", "FLAIR by rule 2")


def test_the_head_covered_counts_first_then_the_voxels_then_the_order(tmp_path):
    for number, slices, step in ((1, 110, 0.5), (2, 30, 4.0), (3, 60, 2.0), (4, 60, 2.0), (5, 60, 1.0)):
        write_series(
            tmp_path / "in" / str(number),
            number=number,
            slices=slices,
            step=step,
            shape=(60, 60),
            spacing=(2.0, 2.0),
            AcquisitionDate="20200102",
            AcquisitionTime=f"10{number:02}00",
        )
    decisions = decide(tmp_path / "in", tmp_path)
    assert [one.reason.removeprefix("T1w by rule 4").split(" (if")[0] for one in decisions] == [
        ", but series 3 covers more of the head (100 mm)",
        ", but series 3 has smaller voxels (longest edge 2.0 mm)",
        "; the best of 5 series",
        ", but series 3 was acquired first",
        ", but series 3 covers more of the head (100 mm)",
    ]
    assert [one.state == "taken" for one in decisions] == [False, False, True, False, False]


def test_a_whole_series_is_taken_instead_of_a_longer_one_with_a_gap(tmp_path):
    write_series(tmp_path / "in/a", number=1, slices=12, skip=[5])
    write_series(tmp_path / "in/b", number=2, slices=10)
    assert [one.state for one in decide(tmp_path / "in", tmp_path)] == ["left out", "taken"]


def test_two_series_mixed_in_a_folder_are_told_apart(tmp_path):
    write_series(tmp_path / "in", contrast="T1w", number=1, prefix="a")
    write_series(tmp_path / "in", contrast="T2w", number=2, prefix="b", axes=SAGITTAL)
    write_series(tmp_path / "in", contrast="T1w", number=3, prefix="c", slices=9)
    decisions = decide(tmp_path / "in", tmp_path)
    assert [(one.sequence, one.state, len(one.stack.slices)) for one in decisions] == [
        ("T1w", "taken", 10),
        ("T2w", "taken", 10),
        ("T1w", "not taken", 9),
    ]


def test_echoes_of_one_series_are_two_stacks(tmp_path):
    series = "1.2.3.9"
    write_series(tmp_path / "in", contrast="T2w", series=series, EchoTime=20, prefix="a")
    write_series(tmp_path / "in", contrast="T2w", series=series, EchoTime=90, prefix="b")
    decisions = decide(tmp_path / "in", tmp_path)
    assert sorted((one.stack.first.header["EchoTime"], one.state) for one in decisions) == [
        ("20.0", "not taken"),
        ("90.0", "taken"),
    ]


def test_studies_become_sessions_in_order_of_date(tmp_path):
    write_series(tmp_path / "in/late", study="1.1", StudyDate="20210101")
    write_series(tmp_path / "in/early", study="1.2", StudyDate="20190101")
    write_series(tmp_path / "in/spine", study="1.3", StudyDate="20180101", slices=3)
    sessions = {one.stack.first.study: one.session for one in decide(tmp_path / "in", tmp_path)}
    assert sessions == {"1.2": "1", "1.1": "2", "1.3": None}


def test_patients_are_numbered_or_labelled_by_the_map(tmp_path):
    write_series(tmp_path / "in/b", patient="B", study="1.1")
    write_series(tmp_path / "in/a", patient="A", study="1.2")
    assert [one.subject for one in decide(tmp_path / "in", tmp_path)] == ["01", "02"]
    named = decide(tmp_path / "in", tmp_path, "[subjects]\nB = 'x7'\n")
    assert [(one.subject, one.state) for one in named] == [(None, "not taken"), ("x7", "taken")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[[rule]]\nsequence = 'T1'\nEchoTime = 3",
            "rule 1.sequence = 'T1': is no sequence; expected one of T1w, ",
        ),
        (
            "[[rule]]\nsequence = 'T1w'\nEchoTme = 3",
            r"EchoTme is not a DICOM keyword; did you mean EchoTime\? Write that\.",
        ),
        ("[[rule]]\nsequence = 'T1w'\nEchoTime = [3, 2]", r"rule 1.EchoTime = \[3, 2\]: the first number"),
        ("[[rule]]\nsequence = 'T1w'\nEchoTime = true", "rule 1.EchoTime = True: expected"),
        ("[[rule]]\nsequence = 'T1w'\nEchoTime = [1, 2, 3]", r"two numbers \[lowest, highest\]"),
        ("[[rule]]\nsequence = 'T1w'\nModality = '('", "is not a regular expression"),
        ("[[rule]]\nEchoTime = 3", "rule 1.sequence is missing"),
        ("[[rule]]\nsequence = 'T1w'", "rule 1: has no condition"),
        ("rule = []", "rule: holds none"),
        ("[subject]\nA = '1'", "subject is not known; allowed are"),
        ("[subjects]\nA = 'a-b'", "subjects A = 'a-b'"),
        ("[subjects]\nA = 'x'\nB = 'X'", "differ only in case"),
        ("[subjects]\nA = '1'\n[groups]\n2 = 'MS'", "groups: 2 is no label"),
        (
            "[allow]\nT1w = ['contrast']",
            "T1w = 'contrast' is no sign; allowed are localiser, .*contrast agent",
        ),
        ("[allow]\nT1 = ['MP2RAGE']", "allow T1"),
        ("allow = 3", "allow = 3"),
        ("[groups", "is not TOML"),
    ],
)
def test_every_key_of_a_map_is_checked(tmp_path, text, message):
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(InputError, match=message) as fault:
        read_map(tmp_path / "map.toml")
    assert str(fault.value).startswith(str(tmp_path / "map.toml"))


def test_a_sequence_that_is_registered_can_be_named_by_a_rule(tmp_path, monkeypatch):
    rule = "[[rule]]\nsequence = 'STIR'\nSeriesDescription = 'KM'\n"
    write_series(tmp_path / "in", SeriesDescription="STIR KM")
    monkeypatch.setitem(SEQUENCES, "STIR", MRSequence("STIR"))
    (plain,) = decide(tmp_path / "in", tmp_path, rule)
    assert (plain.sequence, plain.state, plain.signs) == ("STIR", "not taken", ("contrast agent",))
    monkeypatch.setitem(SEQUENCES, "STIR", MRSequence("STIR", enhances=False))
    (taken,) = decide(tmp_path / "in", tmp_path, rule)
    assert (taken.sequence, taken.state) == ("STIR", "taken")


def test_a_missing_map_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_map(tmp_path / "map.toml")


def test_the_map_of_the_documentation_is_one(tmp_path):
    page = Path(__file__).parents[3] / "docs/dicom.md"
    (example,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "map.toml").write_text(example)
    wanted = read_map(tmp_path / "map.toml")
    assert [rule.sequence for rule in wanted.rule] == ["T1w", "FLAIR", "T2w"]
    assert wanted.groups == {"01": "RRMS", "02": "control"}
