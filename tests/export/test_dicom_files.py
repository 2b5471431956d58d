"""What the DICOM files say: whose they are, what they came from, what the values are, and what nobody may conclude."""

import os
import shutil
import stat
import time
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_results import VALIDATOR, errors_of, read_map, said_of
from imported_study import LAYER, change_attributes, make_consensus, stored_geometry, write_imported
from pydicom.uid import ComprehensiveSRStorage, ParametricMapStorage, SecondaryCaptureImageStorage
from rich.console import Console
from tests.scans.dicom.dicom_files import oblique, write_series

from stratacam.cam.methods import REGISTRY
from stratacam.errors import InputError
from stratacam.export import Wanted, export_study
from stratacam.export.dicom import write
from stratacam.export.dicom.identity import check_identity, valid
from stratacam.export.dicom.instances import UCUM
from stratacam.export.words import CAUTION, SCALE
from stratacam.files import read_json, write_json
from stratacam.maps import read_maps
from stratacam.scans.dicom.link import read_link
from stratacam.scans.image_file import sidecar_path

SAME = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber",
)  # fmt: skip


@pytest.fixture(scope="module")
def source(oblique_study):
    return pydicom.dcmread(next(oblique_study.dicom.iterdir()))


@pytest.fixture(scope="module")
def results(dicom_files):
    return [pydicom.dcmread(path) for path in dicom_files]


@pytest.fixture(scope="module")
def report(results):
    (found,) = (one for one in results if one.SOPClassUID == ComprehensiveSRStorage)
    return found


def items(container):
    """Every item of a report's tree: name and value."""
    for item in container.get("ContentSequence", ()):
        name = item.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in item else ""
        yield name, item
        yield from items(item)


def test_there_are_a_map_a_capture_of_every_slice_and_a_report(results):
    kinds = [one.SOPClassUID for one in results]
    assert kinds.count(ParametricMapStorage) == 1
    assert kinds.count(SecondaryCaptureImageStorage) == 12
    assert kinds.count(ComprehensiveSRStorage) == 1


def test_every_result_is_of_the_patient_and_study_of_its_source(results, source):
    for one in results:
        assert {key: one.get(key) for key in SAME} == {key: source.get(key) for key in SAME}
    images = [one for one in results if one.SOPClassUID != ComprehensiveSRStorage]
    assert {one.FrameOfReferenceUID for one in images} == {source.FrameOfReferenceUID}
    assert source.SeriesInstanceUID not in {one.SeriesInstanceUID for one in results}
    for one in images:
        assert one.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID


def test_every_result_says_that_it_is_for_research_in_its_series_description(results):
    assert all(one.SeriesDescription.startswith("RESEARCH ONLY") for one in results)
    assert len({one.SeriesInstanceUID for one in results}) == 3
    assert all(len(one.SeriesDescription) <= 64 for one in results)


def test_the_warning_is_burnt_into_every_capture(results):
    yellow = np.array([255, 214, 10])
    for one in results:
        if one.SOPClassUID == SecondaryCaptureImageStorage:
            pixels = one.pixel_array.astype(int)
            below = np.abs(pixels[640:] - yellow).max(axis=2) < 20
            assert below.sum() > 500
            assert below.any(axis=0).sum() > 150


def test_values_are_signed_in_logits_with_their_unit_coded(results, oblique_study):
    (found,) = (one for one in results if one.SOPClassUID == ParametricMapStorage)
    mapping = found.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    unit = mapping.MeasurementUnitsCodeSequence[0]
    assert (unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning) == ("{logit}", "UCUM", "logit")
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    values = np.frombuffer(found.FloatPixelData, "<f4")
    raw = read_maps(next(oblique_study.folders.maps.rglob("*.zarr"))).raw(LAYER)
    assert raw.min() <= values.min() < -1 < 1 < values.max() <= raw.max()
    assert found.ContentQualification == "RESEARCH"
    assert found.BurnedInAnnotation == "NO"


def test_every_unit_of_a_method_has_a_code():
    assert {method.unit for method in REGISTRY.values()} | {SCALE} <= set(UCUM)
    assert all(len(code) <= 16 for code in UCUM.values())


def test_the_report_has_prediction_verdict_and_caution(report):
    found = [(name, item) for name, item in items(report)]
    texts = [item.TextValue for _, item in found if item.ValueType == "TEXT"]
    assert CAUTION in texts
    assert any(text.startswith("Predicted SPMS (control 0.10, RRMS 0.20, SPMS 0.70)") for text in texts)
    assert any("Evidence: not measured" in text for text in texts)
    numbers = {
        float(item.MeasuredValueSequence[0].NumericValue) for _, item in found if item.ValueType == "NUM"
    }
    assert numbers == {0.1, 0.2, 0.7}
    codes = {
        name: item.ConceptCodeSequence[0].CodeMeaning for name, item in found if item.ValueType == "CODE"
    }
    assert codes["Predicted class"] == "SPMS"
    assert codes["Verdict on the map"] == "not measured"


def test_the_report_names_the_map_and_the_source(report, results, oblique_study):
    named = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for _, item in items(report)
        if item.ValueType == "IMAGE"
    }
    (written,) = (one for one in results if one.SOPClassUID == ParametricMapStorage)
    sources = {pydicom.dcmread(path).SOPInstanceUID for path in oblique_study.dicom.iterdir()}
    assert named == {written.SOPInstanceUID} | sources


def test_a_verdict_of_the_study_stands_in_report_and_captures(oblique_study, tmp_path):
    root = tmp_path / "study"
    shutil.copytree(oblique_study.folders.root, root)
    judged = {
        "name": "vgg16", "networks": 1, "method": "gradcam", "layer": LAYER, "verdict": "not recommended",
        "faults": ["it is no better than noise"], "reasons": [],
    }  # fmt: skip
    write_json(
        root / "evidence/recommended.json", {"recommended": None, "nearest": judged, "judged": [judged]}
    )
    write_json(root / "evidence/vgg16/about.json", {"trained": {"vgg16_seed-0": "key"}})
    write_json(root / ".stratacam/train/vgg16_seed-0.json", {"key": "key"})
    folders = type(oblique_study.folders)(root)
    done = export(folders, tmp_path / "out", oblique_study.link)
    assert "it is no better than noise" in done.remark
    found = pydicom.dcmread(done.files["dicom"][-1])
    assert any(
        "Evidence: not recommended: it is no better than noise." in item.get("TextValue", "")
        for _, item in items(found)
    )
    write_json(root / ".stratacam/train/vgg16_seed-0.json", {"key": "trained again"})
    again = pydicom.dcmread(export(folders, tmp_path / "again", oblique_study.link).files["dicom"][-1])
    assert any("Evidence: not measured" in item.get("TextValue", "") for _, item in items(again))


def export(folders, out, link, **wanted):
    return export_study(folders, out, Wanted(**wanted), ["dicom"], link=link, console=Console(quiet=True))


def test_the_same_maps_give_the_same_bytes(oblique_study, dicom_files, tmp_path):
    again = export(oblique_study.folders, tmp_path, oblique_study.link).files["dicom"]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in dicom_files]


def test_every_layer_has_uids_numbers_of_series_and_a_report_of_its_own(oblique_study, tmp_path):
    files = export(oblique_study.folders, tmp_path, oblique_study.link, layers=("all",)).files["dicom"]
    found = [pydicom.dcmread(path) for path in files]
    assert len({one.SOPInstanceUID for one in found}) == len(found)
    assert sum(one.SOPClassUID == ParametricMapStorage for one in found) == 3
    assert sum(one.SOPClassUID == ComprehensiveSRStorage for one in found) == 3
    assert len({one.SeriesNumber for one in found}) == len({one.SeriesInstanceUID for one in found}) == 9
    alone = export(oblique_study.folders, tmp_path / "alone", oblique_study.link, layers=("block5_pool",))
    assert {path.read_bytes() for path in alone.files["dicom"]} < {path.read_bytes() for path in files}


def test_a_second_map_lies_beside_the_first(oblique_study, tmp_path):
    one, other = (
        export(oblique_study.folders, tmp_path, oblique_study.link, layers=(layer,)).files["dicom"]
        for layer in (LAYER, "block4_conv3")
    )
    assert all(path.is_file() for path in (*one, *other))


def test_bytes_follow_from_the_study_and_not_from_times_of_files_or_the_time_zone(
    oblique_study, dicom_files, tmp_path, monkeypatch
):
    root = tmp_path / "study"
    shutil.copytree(oblique_study.folders.root, root, copy_function=shutil.copyfile)
    for path in root.rglob("*"):
        os.utime(path, (1e9, 1e9))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        again = export(type(oblique_study.folders)(root), tmp_path / "out", oblique_study.link).files["dicom"]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in dicom_files]
    found = pydicom.dcmread(again[0])
    assert (found.ContentDate, found.ContentTime) == ("20260304", "050607")


def test_uids_follow_from_the_header_of_the_source(another):
    uids = []
    for place, name in (("a", "Doe^Jane"), ("b", "Doe^Joan")):
        files = another(
            place, FrameOfReferenceUID="1.2.3", PatientName=name, series="1.2.3.4", study="1.2.3.5"
        )
        uids.append({pydicom.dcmread(path).SOPInstanceUID for path in files})
    assert not uids[0] & uids[1]


def test_a_class_with_a_backslash_is_written_with_a_slash(oblique_study, tmp_path):
    root = tmp_path / "study"
    shutil.copytree(oblique_study.folders.root, root)
    name = "SP\\MS\n" + "x" * 200
    change_attributes(
        next(root.rglob("*.zarr")),
        classes=["control", "RRMS", name],
        explained=[name],
        predicted=name,
        scan_probabilities={"control": 0.1, "RRMS": 0.2, name: 0.7},
    )
    done = export(type(oblique_study.folders)(root), tmp_path / "out", oblique_study.link)
    assert done.left_out == {}
    assert "T1w map for SP/MS xxx" in pydicom.dcmread(done.files["dicom"][0]).SeriesDescription


def test_what_the_library_refuses_leaves_the_scan_out(oblique_study, tmp_path, monkeypatch):
    def refuse(*_):
        raise ValueError("no such value")

    monkeypatch.setattr(write, "parametric_map", refuse)
    with pytest.raises(InputError, match=r"sub-01 T1w: cannot be written as DICOM \(no such value\)"):
        export(oblique_study.folders, tmp_path / "out", oblique_study.link)


def test_files_that_name_a_patient_are_for_their_owner_alone(dicom_files):
    assert {stat.S_IMODE(path.stat().st_mode) for path in dicom_files} == {0o600}


def test_a_consensus_is_in_units_of_the_scale_of_its_networks(oblique_study, tmp_path):
    root = tmp_path / "study"
    shutil.copytree(oblique_study.folders.root, root)
    make_consensus(next(root.rglob("*.zarr")))
    files = export(type(oblique_study.folders)(root), tmp_path / "out", oblique_study.link).files["dicom"]
    found = pydicom.dcmread(next(path for path in files if path.name == "map.dcm"))
    mapping = found.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "{scale}"


def test_without_a_link_the_way_to_one_is_named(oblique_study, tmp_path):
    with pytest.raises(InputError, match=r"import-dicom --link.*import the DICOM files again"):
        export(oblique_study.folders, tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


def test_a_scan_that_came_from_elsewhere_is_left_out_with_the_reason(oblique_study, own_copy, tmp_path):
    folders, delivered = own_copy
    content = read_json(sidecar_path(delivered))
    write_json(sidecar_path(delivered), {**content, "SourceDigest": "0" * 64})
    with pytest.raises(InputError, match="lacks the series of sub-01 T1w"):
        export(folders, tmp_path / "out", oblique_study.link)
    write_json(sidecar_path(delivered), {})
    with pytest.raises(InputError, match="names no SourceDigest"):
        export(folders, tmp_path / "out", oblique_study.link)


@pytest.mark.skipif(not VALIDATOR, reason="dciodvfy (Debian: dicom3tools) is not installed")
def test_an_independent_validator_finds_no_error(dicom_files):
    warned = set()
    for path in (dicom_files[0], dicom_files[1], dicom_files[-1]):
        assert errors_of(path) == []
        warned |= {line for line in said_of(path) if line.startswith("Warning")}
    known = ("99STRATACAM", "QUANTITY", "not present in standard DICOM IOD")
    assert [line for line in warned if not any(word in line for word in known)] == []


def test_frames_lie_in_order_of_their_positions(dicom_files):
    path = next(path for path in dicom_files if path.name == "map.dcm")
    corners = np.array([points[0, 0] for _, points, _ in read_map(path)])
    steps = np.diff(corners, axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-6)
    assert np.linalg.norm(steps[0]) == pytest.approx(4.0)


@pytest.fixture
def another(tmp_path):
    """A study whose headers are given: a function of tags that exports it."""

    def exported(place=".", **tags):
        root = tmp_path / place
        root.mkdir(exist_ok=True)
        write_series(root / "dicom", axes=oblique(), step=4.0, spacing=(3.0, 2.5), slices=8, **tags)
        study = write_imported(root)
        return export(study.folders, root / "out", study.link).files["dicom"]

    return exported


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_values_that_no_archive_takes_are_left_empty(another):
    files = another(
        FrameOfReferenceUID="1.2.3",
        StudyTime="10:11:12",
        StudyDate="2020.01.02",
        PatientBirthDate="1970",
        PatientSex="f",
        SliceThickness="",
        AccessionNumber="A" * 17,
        StudyID="a\nb",
        ReferringPhysicianName="R" * 65,
        IssuerOfPatientID="I" * 65,
        PositionReferenceIndicator="x" * 65,
    )
    for one in map(pydicom.dcmread, files):
        assert (one.StudyTime, one.PatientBirthDate, one.PatientSex) == ("", "", "F")
        assert one.StudyDate == "20200102"
        assert (one.AccessionNumber, one.StudyID, one.ReferringPhysicianName) == ("", "", "")
        assert "IssuerOfPatientID" not in one
        assert one.get("PositionReferenceIndicator", "") == ""


def test_results_say_that_their_source_was_compressed_with_loss(another):
    lost = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": [10.5, 2],
        "LossyImageCompressionMethod": ["ISO_10918_1", "ISO_15444_1"],
    }
    files = another(FrameOfReferenceUID="1.2.3", **lost)
    for path in files:
        one = pydicom.dcmread(path)
        if one.SOPClassUID != ComprehensiveSRStorage:
            assert {keyword: one.get(keyword) for keyword in lost} == lost
    assert errors_of(files[0]) == errors_of(files[1]) == []


@pytest.mark.parametrize(
    ("keyword", "value", "allowed"),
    [
        ("StudyInstanceUID", "1." + "2" * 62, True),
        ("StudyInstanceUID", "1." + "2" * 63, False),
        ("StudyInstanceUID", "1.02.3", True),  # in archives though not in the standard
        ("SeriesInstanceUID", "1.2.", False),
        ("SeriesInstanceUID", "1.2.a", False),
        ("FrameOfReferenceUID", "1.2\n", False),
        ("FrameOfReferenceUID", "", False),
        ("SOPInstanceUID", "12", False),
        ("PatientID", "", True),
        ("PatientID", "\u5c71" * 64, True),
        ("PatientID", "P" * 65, False),
        ("PatientID", "A\\B", False),
    ],
)
def test_what_an_archive_files_by_is_taken_over_exactly_or_not_at_all(oblique_study, keyword, value, allowed):
    (series,) = read_link(oblique_study.link).values()
    if keyword == "SOPInstanceUID":
        series = replace(series, images=(replace(series.images[0], uid=value), *series.images[1:]))
    else:
        series = replace(series, header={**series.header, keyword: value})
    if allowed:
        check_identity(series, "sub-01 T1w")
        assert valid(keyword, value) == value
    else:
        with pytest.raises(InputError, match=f"sub-01 T1w: its DICOM series has (a|no) {keyword}") as caught:
            check_identity(series, "sub-01 T1w")
        assert not value or value not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("M\u00fcller^J\u00fcrgen", True),
        ("a^b^c^d^e=" + "f" * 64 + "=g", True),
        ("a^b^c^d^e^f", False),
        ("a=" + "b" * 65, False),
    ],
)
def test_a_name_has_at_most_five_parts_and_three_spellings_of_64_letters(name, taken):
    assert valid("PatientName", name) == (name if taken else "")


def test_names_in_any_script_are_kept(another):
    name = "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"
    files = another(
        FrameOfReferenceUID="1.2.3",
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        PatientName=name,
        StudyID="S",
    )
    assert {str(pydicom.dcmread(path).PatientName) for path in files} == {name}


def test_a_series_without_a_frame_of_reference_is_left_out_with_the_reason(another):
    with pytest.raises(InputError, match="has no FrameOfReferenceUID; expected one"):
        another()


def test_a_scan_that_lies_beside_its_series_is_left_out(oblique_study, tmp_path):
    shutil.copytree(oblique_study.folders.root, tmp_path / "study")
    folders = type(oblique_study.folders)(tmp_path / "study")
    store = next(folders.maps.rglob("*.zarr"))
    geometry = stored_geometry(store)
    geometry["delivered"]["T1w"]["affine"][0][3] += 2.0
    change_attributes(store, geometry=geometry)
    with pytest.raises(InputError, match="lies 2 mm beside the DICOM series"):
        export(folders, tmp_path / "out", oblique_study.link)
