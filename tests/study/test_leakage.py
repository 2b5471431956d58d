"""By subject and by slice, with true and with shuffled groups."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from stratacam.learning import ScanPictures, SliceDataset, pool_seeds
from stratacam.study.leakage import shuffle_groups

CLASSES = ("control", "patient")


def held_out(label, subject):
    subjects = tuple(f"sub-{number}" for number in np.unique(subject))
    label, subject = np.asarray(label), np.asarray(subject)
    numbers = np.searchsorted(np.unique(subject), subject)
    zeros = np.zeros(len(label), dtype=np.int64)
    scans = tuple(ScanPictures(Path("none"), name, name, "control") for name in subjects)
    return SliceDataset(scans, CLASSES, subjects, numbers, zeros, zeros, label, numbers)


def certain(predicted):
    return np.eye(2)[np.asarray(predicted)]


def test_groups_are_shuffled_over_subjects_with_all_their_sessions_and_their_sizes_stay():
    labels = {f"sub-{number:02}": "AB"[number % 3 == 0] for number in range(30)}
    pictures = [
        ScanPictures(Path("none"), subject, f"{subject}_ses-{session}", group)
        for subject, group in labels.items()
        for session in (1, 2)
    ]
    shuffled = shuffle_groups(pictures, labels, 1)
    of_subject = {}
    for scan in shuffled:
        of_subject.setdefault(scan.subject, set()).add(scan.group)
    assert all(len(groups) == 1 for groups in of_subject.values())
    assert sum(groups == {"B"} for groups in of_subject.values()) == 10
    changed = sum(of_subject[subject] != {group} for subject, group in labels.items())
    assert 5 < changed < 20  # 30 * 2 * (1/3) * (2/3) = 13 of independent draws
    assert shuffled != shuffle_groups(pictures, labels, 2)
    assert shuffled == shuffle_groups(pictures, labels, 1)


def test_the_value_is_the_mean_over_trainings_of_slices_and_of_subjects():
    first = held_out([0, 0, 0, 1, 1, 1], [1, 1, 1, 2, 2, 2]), certain([0, 0, 1, 1, 0, 0])
    second = held_out([0, 0, 1, 1], [3, 3, 4, 4]), certain([0, 0, 1, 1])
    slices, subjects = pool_seeds([first, second])
    wanted = [balanced_accuracy_score(dataset.label, given.argmax(1)) for dataset, given in (first, second)]
    assert slices.per_seed == pytest.approx(wanted)
    assert slices.value == pytest.approx(np.mean(wanted))
    assert subjects.per_seed == pytest.approx(
        [0.5, 1.0]
    )  # the patient of the first is given two wrong slices


def test_chance_is_what_the_same_predictions_give_for_permuted_groups():
    generator = np.random.default_rng(0)
    label = np.repeat([0, 1], 10)
    trainings = [(held_out(label, range(20)), certain(generator.integers(0, 2, 20))) for _ in range(4)]
    _, subjects = pool_seeds(trainings)
    # the mean over 4 of the share right of 20 at chance: about 0.5 +- 1.96 * 0.5 / sqrt(80)
    assert subjects.chance == pytest.approx((0.39, 0.61), abs=0.025)
    right = [(held_out(label, range(20)), certain(label))]
    low, high = pool_seeds(right)[1].interval  # 20 of 20 right do not show that all others would be
    assert 0.75 < low < 0.9
    assert high == 1.0
    assert pool_seeds(right)[1].chance[1] < 0.8


def test_the_interval_resamples_subjects_who_come_with_their_slices_in_every_training():
    generator = np.random.default_rng(1)
    label, right = np.repeat([0, 1], 15), generator.random(30) < 0.7
    one = held_out(np.repeat(label, 5), np.repeat(range(30), 5)), certain(np.repeat(label ^ ~right, 5))
    once, thrice = pool_seeds([one])[0], pool_seeds([one] * 3)[0]
    assert thrice.interval == pytest.approx(once.interval)  # repeating a training adds no subject
    low, high = once.interval
    assert 0.25 < high - low < 0.45  # 2 * 1.96 * sqrt(0.7 * 0.3 / 30) = 0.33
