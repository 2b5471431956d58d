"""Protocols of several makers by their timing alone, and whole studies in which one of several series is right."""

import pytest
from dicom_files import AXIAL, SAGITTAL, write_series
from pydicom.dataset import Dataset

from stratacam.scans.dicom.choose import choose
from stratacam.scans.dicom.rules import read_map
from stratacam.scans.dicom.series import read_folder

MPRAGE = {
    "ScanningSequence": ["GR", "IR"],
    "SequenceVariant": ["SK", "SP", "MP"],
    "MRAcquisitionType": "3D",
    "RepetitionTime": 2300,
    "EchoTime": 2.98,
    "InversionTime": 900,
    "FlipAngle": 9,
}
SPOILED = {"ScanningSequence": "GR", "SequenceVariant": "SP", "MRAcquisitionType": "3D"}
HEAD = {"slices": 30, "step": 4.0, "shape": (30, 30), "spacing": (4.0, 4.0)}


def gradient(repetition, echo, flip, **more):
    return {**SPOILED, "RepetitionTime": repetition, "EchoTime": echo, "FlipAngle": flip, **more}


def spin(repetition, echo, inversion=None, **more):
    times = {"RepetitionTime": repetition, "EchoTime": echo, "SequenceVariant": "SK"}
    return {"ScanningSequence": "SE", **times, **({"InversionTime": inversion} if inversion else {}), **more}


def decide(folder, text=None):
    path = None
    if text is not None:
        path = folder / "map.toml"
        path.write_text(text)
    wanted = read_map(path)
    return choose(read_folder(folder, wanted.keywords).stacks, wanted)


def taken(folder, text=None):
    """Sequence -> number of the series that was taken."""
    return {
        one.sequence: one.stack.first.series_number for one in decide(folder, text) if one.state == "taken"
    }


RM = {"ScanningSequence": "RM", "SequenceVariant": "NONE", "MRAcquisitionType": "3D"}
PROTOCOLS = {
    "MPRAGE": (MPRAGE, "T1w"),
    "BRAVO": ({**RM, "EchoTime": 3.2, "RepetitionTime": 8.2, "InversionTime": 450, "FlipAngle": 12}, "T1w"),
    "FSPGR": (gradient(7.1, 2.8, 12, SequenceVariant=["SS", "SP", "SK"]), "T1w"),
    "TFE": (gradient(8.1, 3.7, 8, SequenceVariant="MP"), "T1w"),
    "VIBE": (gradient(6.0, 2.5, 12), "T1w"),
    "SPGR": (gradient(24, 5, 45), "T1w"),
    "FLASH 2D": (gradient(250, 2.5, 70, MRAcquisitionType="2D"), "T1w"),
    "spin echo": (spin(550, 9), "T1w"),
    "SPACE": (spin(700, 11, MRAcquisitionType="3D"), "T1w"),
    "CUBE T1": ({**RM, "EchoTime": 15, "RepetitionTime": 600, "FlipAngle": 90}, "T1w"),
    "T1-FLAIR": (spin(2500, 9, 900, ScanningSequence=["SE", "IR"]), "T1w"),
    "CUBE T2": ({**RM, "EchoTime": 92.6, "RepetitionTime": 3000, "FlipAngle": 90}, "T2w"),
    "turbo spin echo": (spin(5000, 95), "T2w"),
    "SPACE T2": (spin(3200, 408, MRAcquisitionType="3D"), "T2w"),
    "FLAIR": (spin(9000, 90, 2500, ScanningSequence=["SE", "IR"]), "FLAIR"),
    "SPACE FLAIR": (spin(5000, 388, 1800), "FLAIR"),
    "CUBE FLAIR": ({**RM, "EchoTime": 117, "RepetitionTime": 5000, "InversionTime": 1500}, "FLAIR"),
    "FLAIR without inversion time": (spin(9000, 120, SeriesDescription="t2_dark-fluid"), "FLAIR"),
    "STIR without inversion time": (spin(4000, 60, SeriesDescription="t2_stir"), None),
    "inversion without its time": (spin(9000, 120, ScanningSequence=["SE", "IR"]), None),
    "scout": (gradient(3.2, 1.4, 8), None),
    "scout 2D": (gradient(8.6, 4, 20, MRAcquisitionType="2D"), None),
    "field map": (gradient(400, 5.2, 60, MRAcquisitionType="2D"), None),
    "echo for susceptibility": (gradient(44, 4.9, 17), None),
    "SWI": (gradient(28, 20, 15), None),
    "TOF": (gradient(22, 3.4, 18), None),
    "TOF with flow compensation": (gradient(25, 3.7, 25, ScanOptions=["FC", "SP"]), None),
    "first inversion of MP2RAGE": ({**MPRAGE, "RepetitionTime": 5000, "InversionTime": 700}, None),
    "second inversion": ({**MPRAGE, "RepetitionTime": 5000, "InversionTime": 2500}, None),
    "PSIR": (spin(4500, 12, 400, ScanningSequence=["SE", "IR"]), None),
    "STIR": (spin(4000, 60, 160, ScanningSequence=["SE", "IR"]), None),
    "proton density": (spin(3000, 15), None),
    "T2* 2D": (gradient(700, 20, 20, MRAcquisitionType="2D"), None),
    "CISS": (gradient(5.4, 2.4, 50, SequenceVariant="SS"), None),
    "diffusion": (spin(6000, 80, ScanningSequence=["SE", "EP"]), None),
    "ASL": ({**RM, "EchoTime": 10.5, "RepetitionTime": 4632, "InversionTime": 1525}, None),
    "double inversion": (spin(7500, 318, 3000), None),
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_timing_tells_the_sequence(tmp_path, name):
    tags, sequence = PROTOCOLS[name]
    write_series(tmp_path, contrast="T1w", **{"SeriesDescription": "series", **tags})
    assert taken(tmp_path) == ({sequence: 1} if sequence else {})


@pytest.mark.parametrize(
    ("description", "tags"),
    [
        ("t1_mprage_post_GD", MPRAGE),
        ("t1_mprage", {**MPRAGE, "ContrastBolusVolume": "7.5"}),
        ("TOF_3D", gradient(24, 5, 45)),
        ("localizer", gradient(8, 3, 12)),
        ("mp2rage_INV1", MPRAGE),
        ("SUB", {**MPRAGE, "ImageType": ["DERIVED", "PRIMARY", "M", "SUB"]}),
        ("psir", {**MPRAGE, "ImageType": ["ORIGINAL", "PRIMARY", "R_IR", "R", "IR"]}),
        ("t1", {**MPRAGE, "ComplexImageComponent": "IMAGINARY"}),
        ("t1_fs_orbita", spin(550, 9)),
        ("t1_tse_sag_BWS", spin(550, 9)),
    ],
)
def test_a_plain_scan_wins_over_more_and_thinner_slices_of_another_kind(tmp_path, description, tags):
    write_series(tmp_path / "a", number=1, slices=80, step=1.5, SeriesDescription=description, **tags)
    write_series(tmp_path / "b", number=2, SeriesDescription="t1_se_tra")
    write_series(tmp_path / "c", number=3, contrast="T2w")
    first, *_ = decide(tmp_path)
    assert taken(tmp_path) == {"T1w": 2, "T2w": 3}
    assert first.signs


def test_a_sign_holds_against_rules_of_ones_own_too(tmp_path):
    rule = "[[rule]]\nsequence = 'T2w'\nSeriesDescription = '(?i)t2'\n"
    write_series(
        tmp_path / "a", contrast="T2w", number=1, slices=40, SeriesDescription="t2_tse_sag_HWS", axes=SAGITTAL
    )
    write_series(tmp_path / "b", contrast="T2w", number=2, SeriesDescription="t2_tse_tra")
    assert taken(tmp_path, rule) == {"T2w": 2}


def test_a_t1w_after_contrast_agent_is_taken_only_if_the_map_allows_it(tmp_path):
    agent = Dataset()
    agent.CodeMeaning = "Gadolinium"
    write_series(tmp_path / "a", number=1, ContrastBolusAgentSequence=[agent])
    write_series(tmp_path / "b", number=2, contrast="T2w", ContrastBolusAgentSequence=[agent])
    assert taken(tmp_path) == {"T2w": 2}
    assert taken(tmp_path, "[allow]\nT1w = ['contrast agent']\n") == {"T1w": 1, "T2w": 2}
    reason = next(one.reason for one in decide(tmp_path) if one.sequence == "T2w")
    assert reason == "T2w by rule 2, in spite of contrast agent (ContrastBolusAgentSequence)"


def test_the_uniform_image_of_an_mp2rage_is_taken_by_a_rule_and_an_exception(tmp_path):
    for number, kind in enumerate(("INV1", "INV2", "UNI"), start=1):
        write_series(tmp_path, number=number, prefix=kind, SeriesDescription=f"mp2rage_{kind}", **MPRAGE)
    assert taken(tmp_path) == {}
    rule = "[[rule]]\nsequence = 'T1w'\nSeriesDescription = 'UNI'\n[allow]\nT1w = ['MP2RAGE']\n"
    assert taken(tmp_path, rule) == {"T1w": 3}


def test_without_the_agent_is_better_even_where_the_map_allows_it(tmp_path):
    write_series(tmp_path / "a", number=1, slices=40, SeriesDescription="t1 +C")
    write_series(tmp_path / "b", number=2, SeriesDescription="t1")
    assert taken(tmp_path, "[allow]\nT1w = ['contrast agent']\n") == {"T1w": 2}


def at(minute):
    return {"AcquisitionDate": "20200102", "AcquisitionTime": f"10{minute:02}00"}


def test_a_scan_that_follows_one_with_agent_is_doubted_and_yields_to_an_earlier_one(tmp_path):
    write_series(tmp_path / "a", number=1, SeriesDescription="t1_se", **HEAD, **at(1))
    write_series(tmp_path / "b", number=2, SeriesDescription="t1_se_KM", **HEAD, **at(9))
    finer = {**HEAD, "slices": 60, "step": 2.0, "shape": (60, 60), "spacing": (2.0, 2.0)}
    write_series(tmp_path / "c", number=3, SeriesDescription="mprage", **finer, **MPRAGE, **at(12))
    decisions = decide(tmp_path)
    assert [one.state for one in decisions] == ["taken", "not taken", "not taken"]
    assert decisions[2].reason == "T1w by rule 3, but series 1 was not acquired after a contrast agent"


def test_where_only_a_scan_after_one_with_agent_is_left_the_doubt_is_said(tmp_path):
    write_series(tmp_path / "b", number=2, SeriesDescription="t1_se_KM", **at(9))
    write_series(tmp_path / "c", number=3, SeriesDescription="t1_se", **at(12))
    decision = decide(tmp_path)[1]
    assert decision.state == "taken"
    assert decision.reason.endswith("in doubt: acquired after series 2, which shows a contrast agent")


@pytest.mark.parametrize("gap", [True, False])
def test_a_t1w_repeated_after_a_gap_yields_to_the_first(tmp_path, gap):
    write_series(tmp_path / "c", number=1, SeriesDescription="t1", **HEAD, **at(20))
    write_series(tmp_path / "a", number=5, SeriesDescription="t1", **HEAD, **at(1))
    if gap:
        write_series(tmp_path / "b", number=3, contrast="T2w", **HEAD, **at(9))
    assert taken(tmp_path)["T1w"] == 5


def test_a_finer_t1w_after_a_gap_is_taken_and_doubted(tmp_path):
    write_series(tmp_path / "a", number=1, SeriesDescription="t1_se", **HEAD, **at(1))
    write_series(tmp_path / "b", number=2, contrast="T2w", **HEAD, **at(5))
    finer = {**HEAD, "slices": 60, "step": 2.0, "shape": (60, 60), "spacing": (2.0, 2.0)}
    write_series(tmp_path / "c", number=3, SeriesDescription="mprage", **finer, **MPRAGE, **at(12))
    last = decide(tmp_path)[2]
    assert last.state == "taken"
    assert "acquired after others that followed series 1, perhaps after a contrast agent" in last.reason


@pytest.mark.parametrize("one_series", [True, False])
@pytest.mark.parametrize(("contrast", "count", "kept"), [("T2w", 2, True), ("T2w", 8, False)])
def test_many_echoes_measure_relaxation_and_two_are_proton_density_and_t2w(
    tmp_path, one_series, contrast, count, kept
):
    for echo in range(count):
        series = {"series": "1.2.3.9"} if one_series else {}
        time = 15 + echo * (80 if count == 2 else 15)
        write_series(tmp_path, contrast=contrast, number=4, prefix=f"{echo}_", EchoTime=time, **series)
    assert bool(taken(tmp_path)) == kept


def test_echoes_of_one_gradient_echo_are_not_taken(tmp_path):
    for echo in (2.4, 4.8):
        tags = {**gradient(8, echo, 12), "SeriesDescription": "series"}
        write_series(tmp_path, number=4, prefix=f"{echo}_", **tags)
    decisions = decide(tmp_path)
    assert [one.stack.name for one in decisions] == ["4a", "4b"]
    assert {one.signs for one in decisions} == {("several echoes",)}


def test_a_gradient_echo_with_a_phase_image_is_a_field_map_and_an_mprage_with_one_is_a_t1w(tmp_path):
    for number, tags in ((1, gradient(11, 4.6, 8)), (3, MPRAGE)):
        same = {"SeriesDescription": f"series {number}", **tags}
        write_series(tmp_path / "m", number=number, prefix=f"{number}_", **same)
        phase = {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}
        write_series(tmp_path / "p", number=number + 1, prefix=f"{number}_", **same, **phase)
    assert taken(tmp_path) == {"T1w": 3}
    assert decide(tmp_path)[0].signs == ("susceptibility or field map",)


def test_three_planes_in_one_series_are_a_localiser(tmp_path):
    coronal = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
    for prefix, axes in zip("abc", (AXIAL, SAGITTAL, coronal), strict=True):
        write_series(tmp_path, series="1.2.3.9", prefix=prefix, axes=axes)
    assert [one.signs for one in decide(tmp_path)] == [("localiser",)] * 3


def test_parts_of_a_complex_image_that_only_ge_s_own_entry_tells_are_stacks_of_their_own(tmp_path):
    for part in range(4):

        def mark(dataset, _, part=part):
            dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", part)

        write_series(tmp_path, series="1.2.3.9", prefix=f"{part}_", seed=part, change=mark)
    decisions = decide(tmp_path)
    assert [one.state for one in decisions] == ["taken", "not taken", "not taken", "not taken"]
