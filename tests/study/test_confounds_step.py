"""The audit of confounds in a study: what is read of the scans, and what is written."""

import csv
import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from stratacam.files import write_json
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.slices import slice_areas, write_slices_table
from stratacam.scans.volume import write_nifti
from stratacam.study.steps.confounds import Confounds, Subject, Surroundings

SIZE, VOXEL_MM = 20, 8.0
AFFINE = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
CLASSES = ("control", "MS")


def made_up_scan(folder, number, *, skull):
    """A ball for a brain in a shell for a skull of some brightness."""
    random = np.random.default_rng(number)
    radius = np.linalg.norm(np.indices((SIZE, SIZE, SIZE)) - (SIZE - 1) / 2, axis=0)
    brain, shell = radius < 6, (radius > 7) & (radius < 9)
    image = 500 * brain + 800 * skull * shell + random.normal(0, 20, radius.shape)
    scan = PreparedScan(folder / "prepared", f"{number:02}", None, ("T1w",))
    delivered = folder / f"sub-{number:02}_T1w.nii.gz"
    write_nifti(delivered, np.abs(image).astype(np.float32), AFFINE)
    write_nifti(scan.brain_mask, brain.astype(np.uint8), AFFINE)
    write_slices_table(scan.slices_table, slice_areas(brain, AFFINE), np.arange(5, 15), AFFINE, brain.shape)
    write_json(scan.record, {"Sequences": ["T1w"], "Delivered": {"T1w": str(delivered)}})
    return scan


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    """Twenty subjects: skulls of the second group are brighter by a tenth, sex is not known of some."""
    folder = tmp_path_factory.mktemp("confounds")
    random = np.random.default_rng(0)
    subjects, rows = [], ["subject\tgroup\tpredicted\tp_control\tp_MS"]
    for number in range(20):
        group = CLASSES[number % 2]
        skull = (1.1 if group == "MS" else 1.0) * random.normal(1, 0.02)
        scan = made_up_scan(folder, number, skull=skull)
        file = folder / f"{scan.name}.json"
        Surroundings(scan, file).do()
        age = 30 + number // 2
        subjects.append(
            Subject(
                scan.name, group, {"age": str(age)} | ({"sex": "F"} if number > 4 else {}), {}, scan, file
            )
        )
        chance = 0.4 + 0.01 * age / 4 + (0.1 if group == "MS" else -0.1)  # follows age within a group
        rows.append(f"{scan.name}\t{group}\t{group}\t{1 - chance:.6f}\t{chance:.6f}")
    predictions = folder / "predictions_subjects.tsv"
    predictions.write_text("\n".join(rows) + "\n")
    return Confounds(tuple(subjects), CLASSES, (), folder, 0, folder / "confounds.json")


def test_a_brighter_skull_in_one_group_is_flagged_and_so_are_outputs_that_follow_age(audit):
    audit.do()
    content = json.loads(audit.out.read_text())
    verdicts = {part: {row["name"]: row["verdict"] for row in content[part]} for part in ("group", "outputs")}
    assert verdicts["group"] == {
        "age": "not flagged",
        "sex": "not tested",  # one sex alone
        "whether sex is known": "cannot say",  # five of twenty cannot be rare enough
        "head size": "not tested",
        "number of slices": "not tested",
        "surroundings of the brain": "flagged",
    }
    assert verdicts["outputs"]["age"] == "flagged"
    assert verdicts["outputs"]["surroundings of the brain"] == "not flagged"
    sex = next(row for row in content["group"] if row["name"] == "sex")
    assert (sex["subjects"], sex["missing"], sex["reason"]) == (15, 5, "the same for all")
    with audit.out.with_suffix(".tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {(row["follows"], row["name"]): row["verdict"] for row in rows} == {
        (part, name): verdict for part in verdicts for name, verdict in verdicts[part].items()
    }


def test_where_slices_were_split_the_groups_alone_are_audited(audit, tmp_path):
    replace(audit, evaluation=None, out=tmp_path / "confounds.json").do()
    content = json.loads((tmp_path / "confounds.json").read_text())
    assert (content["outputs"], content["outputs_subjects"]) == ([], 0)


def test_the_made_up_brain_is_left_out(audit):
    scan = audit.subjects[0].scan
    image = nibabel.load(scan.delivered("T1w")).get_fdata()
    found = json.loads(audit.subjects[0].surroundings.read_text())
    assert found["T1w_mean_64mm"] < 0.1 < found["T1w_mean_16mm"]
    assert np.median(image[scan.load_brain_mask()]) > 400
