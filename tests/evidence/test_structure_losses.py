"""What is said of structures over subjects."""

import numpy as np
import pytest

from stratacam.evidence.counterfactual.losses import losses_by_class
from stratacam.evidence.counterfactual.shams import above_sham, sham_of
from stratacam.evidence.counterfactual.structures import LOGIT_CHANGE


def rows(**falls):
    """Rows of one scan: by structure, its fall and that of its sham."""
    return [
        row
        for name, (fall, sham) in falls.items()
        for against, number in ((name, fall), (sham_of(name), sham), (above_sham(name), fall - sham))
        for row in LOGIT_CHANGE.rows("", "", [number], against)
    ]


def cohort(count, effect, *, seed=0):
    """One scan of each subject: the ventricle's filling costs `effect` on average, the lesion's nothing."""
    random = np.random.default_rng(seed)
    return {
        f"sub-{number:02d}": rows(
            ventricle=(effect + random.normal(), 0.1 * random.normal()),
            lesion=(0.5 * random.normal(), 0.1 * random.normal()),
        )
        for number in range(count)
    }


def losses(scans, **options):
    return losses_by_class(scans, dict.fromkeys(scans, "SPMS"), {name: name for name in scans}, **options)


def test_a_structure_that_costs_is_lost_and_one_that_does_not_is_not_said():
    ventricle, lesion = losses(cohort(20, 4.0))
    assert (ventricle.structure, ventricle.verdict, ventricle.subjects) == ("ventricle", "lost", 20)
    assert ventricle.first == 20
    assert ventricle.low < ventricle.change < ventricle.high
    assert ventricle.sham == pytest.approx(0, abs=0.1)
    assert lesion.verdict.startswith("cannot say")
    assert lesion.first == 0


def test_below_ten_subjects_nothing_is_said():
    found = losses(cohort(9, 4.0))
    assert {one.verdict for one in found} == {"cannot say (9 subjects; 10 are needed)"}


def test_a_structure_that_speaks_against_the_class_is_gained():
    ventricle, _ = losses(cohort(20, -4.0))
    assert ventricle.verdict == "gained"
    assert ventricle.first == 20


def test_classes_are_apart_and_a_subject_counts_once():
    scans = {**cohort(12, 4.0), "sub-00_ses-2": rows(ventricle=(4.0, 0.0))}
    explained = {name: "SPMS" if name < "sub-06" else "RRMS" for name in scans}
    found = losses_by_class(scans, explained, {name: name[:6] for name in scans})
    assert [(one.explained, one.structure, one.subjects) for one in found] == [
        ("RRMS", "ventricle", 6),
        ("RRMS", "lesion", 6),
        ("SPMS", "ventricle", 6),
        ("SPMS", "lesion", 6),
    ]
    assert losses_by_class({"sub-01": []}, {"sub-01": "SPMS"}, {"sub-01": "sub-01"}) == []


def test_verdicts_hold_their_error_rate_where_filling_costs_no_more_than_shams():
    trials = 200
    false = sum(
        any(not one.verdict.startswith("cannot say") for one in losses(cohort(12, 0.0, seed=seed), seed=seed))
        for seed in range(trials)
    )
    assert false <= 18  # 10 expected at 5 %, 95 % quantile 15
