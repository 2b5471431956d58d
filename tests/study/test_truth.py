"""What is truth in a study: which masks of which scans."""

import json

import numpy as np
import pytest

from stratacam.errors import InputError
from stratacam.evidence.settings import EvidenceSettings
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.volume import write_nifti
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.network_check import check_explained
from stratacam.study.truth import find_truth

GROUPS = {"sub-01": "control", "sub-02": "RRMS", "sub-03": "SPMS"}
PHANTOM = {"control": [], "RRMS": ["lesion"], "SPMS": ["lesion", "ventricle", "blackhole"]}


def cohort(tmp_path, labels=("lesion", "ventricle", "blackhole"), statement=PHANTOM):
    """Three subjects with masks of every label, and what the data set says of them."""
    bids, scans = tmp_path / "bids", []
    for name in GROUPS:
        scan = PreparedScan(tmp_path / "prepared", name.removeprefix("sub-"), None, ("T1w",))
        scan.record.parent.mkdir(parents=True)
        scan.record.write_text(
            json.dumps({"Sequences": ["T1w"], "Delivered": {"T1w": str(bids / f"{name}_T1w.nii.gz")}})
        )
        for label in labels:
            path = bids / "derivatives/truth" / name / "anat" / f"{name}_label-{label}_mask.nii.gz"
            write_nifti(path, np.ones((2, 2, 2), np.uint8), np.eye(4))
        scans.append(scan)
    if statement is not None:
        (bids / "derivatives/truth").mkdir(parents=True, exist_ok=True)
        (bids / "derivatives/truth/truth.json").write_text(json.dumps(statement))
    return bids, scans


def find(folder, *, groups=GROUPS, **settings):
    return find_truth(folder[0], EvidenceSettings(**settings), folder[1], groups)


def test_the_truth_of_a_scan_is_that_of_its_class(tmp_path):
    found = find(cohort(tmp_path))
    assert found.of("sub-03", "SPMS") == ("lesion", "ventricle", "blackhole")
    assert found.of("sub-02", "RRMS") == ("lesion",)
    assert found.remark == ""


def test_spots_of_controls_are_no_truth(tmp_path):
    found = find(cohort(tmp_path))
    assert "lesion" in dict(found.masks["sub-01"])  # the mask is there
    assert found.of("sub-01", "control") == ()


def test_what_the_study_states_wins(tmp_path):
    found = find(cohort(tmp_path), truth={"SPMS": ["ventricle"]})
    assert found.of("sub-03", "SPMS") == ("ventricle",)
    assert found.of("sub-02", "RRMS") == ()
    assert "RRMS, control: evidence.truth says nothing of them" in found.remark


def test_masks_alone_are_no_statement(tmp_path):
    found = find(cohort(tmp_path, statement=None))
    assert found.of("sub-03", "SPMS") == ()
    assert [name for name, _ in found.masks["sub-03"]] == ["blackhole", "lesion", "ventricle"]
    assert "nothing says which of them tell a class from the others" in found.remark
    assert "[evidence.truth] control = [" in found.remark


def test_where_there_are_no_masks_it_is_said(tmp_path):
    found = find(cohort(tmp_path, labels=(), statement=None))
    assert found.of("sub-03", "SPMS") == ()
    assert "no masks" in found.remark


def test_a_scan_that_lacks_a_mask_of_its_class_has_no_truth(tmp_path):
    folder = cohort(tmp_path)
    next((folder[0] / "derivatives/truth/sub-03/anat").glob("*ventricle*")).unlink()
    found = find(folder)
    assert found.of("sub-03", "SPMS") == ()
    assert "1 scan that lack a mask of a structure of their class, such as sub-03" in found.remark


def test_an_unknown_class_is_an_error_that_names_the_near_one(tmp_path):
    with pytest.raises(InputError, match=r"evidence\.truth: 'RMS' is no class .* did you mean RRMS"):
        find(cohort(tmp_path), truth={"RMS": ["lesion"]})


def test_an_unknown_label_is_an_error_that_names_the_near_one(tmp_path):
    with pytest.raises(InputError, match=r"no scan has a mask of 'ventricel'.* did you mean ventricle"):
        find(cohort(tmp_path), truth={"SPMS": ["ventricel"]})


def test_classes_of_the_data_set_that_the_study_leaves_out_are_no_fault(tmp_path):
    folder = cohort(tmp_path, labels=("lesion",))
    found = find((folder[0], folder[1][:2]), groups={"sub-01": "control", "sub-02": "RRMS"})
    assert found.of("sub-02", "RRMS") == ("lesion",)
    assert found.remark == ""


def test_a_class_that_is_misspelled_is_found_before_anything_is_prepared(tmp_path):
    configuration = StudyConfiguration(
        out=tmp_path,
        cohort={"input": tmp_path},
        network={"architecture": "small_cnn"},
        evidence={"truth": {"RMS": ["lesion"]}},
    )
    with pytest.raises(InputError, match="did you mean RRMS"):
        check_explained(configuration, ["RRMS", "control"], ["sub-01"])
