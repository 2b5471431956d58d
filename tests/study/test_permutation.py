from pathlib import Path

import pytest

from stratacam.learning import ScanPictures, SplitSettings, hold_out_again, make_splits
from stratacam.study.cohort import Cohort
from stratacam.study.permutation import permuted_labels, with_groups
from stratacam.study.planning import Planned
from stratacam.study.runs import Run

GROUPS = {f"sub-{number:02}": "AAB"[number % 3] for number in range(18)}
SETTINGS = SplitSettings(folds=3)


@pytest.fixture
def cohort():
    pictures = [ScanPictures(Path(), name, f"{name}_ses-1", group) for name, group in GROUPS.items()]
    pictures += [
        ScanPictures(Path(), "sub-00", "sub-00_ses-2", "B"),  # changes its group
        ScanPictures(Path(), "sub-01", "sub-01_ses-2", "A"),
    ]
    return Cohort(tuple(pictures), ("A", "B"), {})


def planned(splits):
    return [Planned(Run("net", 0, number), None, None, split, None) for number, split in enumerate(splits, 1)]


def test_groups_are_permuted_within_folds_and_more_permutations_begin_with_the_same(cohort):
    splits = make_splits(GROUPS, SETTINGS)
    drawn = permuted_labels(cohort, planned(splits), 5, seed=0)
    assert drawn[:3] == permuted_labels(cohort, planned(splits), 3, seed=0)
    assert len({tuple(sorted(one.items())) for one in drawn}) == 5
    for labels in drawn:
        assert labels["sub-00"] == "A"  # whose group changes between sessions
        for split in splits:
            assert sorted(labels[one] for one in split.test) == sorted(GROUPS[one] for one in split.test)


def test_all_sessions_of_a_subject_get_its_permuted_group(cohort):
    labels = {**GROUPS, "sub-01": "B"}
    group = {scan.scan: scan.group for scan in with_groups(cohort, labels).pictures}
    assert group["sub-01_ses-1"] == group["sub-01_ses-2"] == "B"
    assert (group["sub-00_ses-1"], group["sub-00_ses-2"]) == ("A", "B")


def test_the_same_subjects_are_held_out_and_validation_has_every_permuted_group(cohort):
    splits = make_splits(GROUPS, SETTINGS)
    labels = permuted_labels(cohort, planned(splits), 1, seed=3)[0]
    for split in splits:
        again = hold_out_again(labels, split.test, SETTINGS, seed=0)
        assert again.test == split.test
        assert {labels[one] for one in again.validation} == {"A", "B"}
        assert hold_out_again(GROUPS, split.test, SETTINGS, seed=0) == split
