from pathlib import Path

import numpy as np
import pytest

from stratacam.evidence.strangers import centred
from stratacam.scans.prepared import PreparedScan
from stratacam.study.runs import Run
from stratacam.study.steps.evidence_subjects import donors_of, strangers_of


def scans(count, sessions=(None,)):
    return [
        PreparedScan(Path("prepared"), f"{number:02d}", session, ("T1w",))
        for number in range(count)
        for session in sessions
    ]


def test_strangers_are_other_subjects_one_scan_each_and_differ_between_subjects():
    prepared = scans(12, sessions=("1", "2"))
    run = Run("vgg16", 0, 0)
    held_out = {f"sub-{number:02d}": run for number in range(12)}
    drawn = set()
    for scan in prepared:
        found = strangers_of(scan, prepared, held_out, 3, seed=0)
        subjects = {one.subject for one in found}
        assert len(found) == len(subjects) == 3
        assert scan.subject not in subjects
        drawn.add(frozenset(subjects))
    assert len(drawn) > 8
    assert strangers_of(prepared[0], prepared, held_out, 3, seed=1) != strangers_of(
        prepared[0], prepared, held_out, 3, seed=0
    )


def test_strangers_that_the_same_run_held_out_come_first():
    prepared = scans(12)
    held_out = {f"sub-{number:02d}": Run("vgg16", 0, 1 + number % 2) for number in range(8)}
    for scan in prepared[:8]:
        found = strangers_of(scan, prepared, held_out, 3, seed=0)
        assert all(held_out[f"sub-{one.subject}"] == held_out[f"sub-{scan.subject}"] for one in found)


def test_few_subjects_have_the_strangers_that_there_are():
    prepared = scans(3)
    assert {one.subject for one in strangers_of(prepared[0], prepared, {}, 3, seed=0)} == {"01", "02"}
    assert strangers_of(prepared[0], prepared[:1], {}, 3, seed=0) == ()


def test_donors_are_strangers_group_by_group():
    prepared = scans(9)
    group_of = {scan.name: "MS" if number < 4 else "control" for number, scan in enumerate(prepared[:8])}
    found = dict(donors_of(prepared[0], prepared, group_of, {}, 3, seed=0))
    assert list(found) == ["MS", "control"]
    for group, donors in found.items():
        assert len({one.subject for one in donors}) == 3
        assert {group_of[one.name] for one in donors} == {group}
        assert prepared[0] not in donors
    assert dict(donors_of(prepared[0], prepared, group_of, {}, 0, seed=0)) == {"MS": (), "control": ()}


@pytest.mark.parametrize("shape", [(4, 4), (6, 8), (9, 3)])
def test_pictures_are_cut_or_padded_about_their_centre(shape):
    image = np.zeros((1, 1, 5, 6), np.float32)
    image[0, 0, 2, 2:4] = 1
    found = centred(image, shape)
    assert found.shape == (1, 1, *shape)
    rows, columns = np.nonzero(found[0, 0])
    assert abs(rows.mean() - (shape[0] - 1) / 2) <= 0.5
    assert abs(columns.mean() - (shape[1] - 1) / 2) <= 0.5
