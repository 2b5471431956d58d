"""Localisation of each class by its own truth, as tables and in the report."""

import math
from types import SimpleNamespace

import pytest

from stratacam.evidence.by_class import ClassSummary, summaries_by_class, truth_by_class
from stratacam.evidence.rows import read_rows, write_rows
from stratacam.evidence.values import Value
from stratacam.report.evidence.tables import truth_table
from stratacam.report.evidence.words import _truth

TRUTH = {"control": (), "RRMS": ("lesion",), "SPMS": ("lesion", "ventricle")}
ABOUT = {
    "sub-01": {"subject": "sub-01", "group": "control", "truth_slices": 0},
    "sub-02": {"subject": "sub-02", "group": "RRMS", "truth_slices": 5},
    "sub-03": {"subject": "sub-03", "group": "RRMS", "truth_slices": 4},
    "sub-04_ses-1": {"subject": "sub-04", "group": "SPMS", "truth_slices": 8},
    "sub-04_ses-2": {"subject": "sub-04", "group": "SPMS", "truth_slices": 8},
}


def value(number, slices, *, method="gradcam", layer="deep", measure="average_precision", against=""):
    return Value(method, layer, measure, against, number, slices)


VALUES = {
    "sub-01": [value(0.5, 9, measure="gini")],
    "sub-02": [value(0.2, 3), value(0.1, 3, method="edges", layer=""), value(0.4, 9, measure="gini")],
    "sub-03": [value(0.4, 4)],
    "sub-04_ses-1": [
        value(0.6, 8),
        value(0.9, 7, against="ventricle"),
        value(0.7, 8, method="truth at layer"),
    ],
    "sub-04_ses-2": [value(0.8, 2)],
}


def test_every_class_is_summarised_over_its_own_subjects(tmp_path):
    found = summaries_by_class(VALUES, ABOUT, TRUTH)
    by_key = {(one.group, one.method, one.against): one for one in found}
    assert set(by_key) == {
        ("RRMS", "gradcam", ""),
        ("RRMS", "edges", ""),
        ("SPMS", "gradcam", ""),
        ("SPMS", "gradcam", "ventricle"),
        ("SPMS", "truth at layer", ""),
    }
    assert by_key["RRMS", "gradcam", ""].value == pytest.approx(0.3)
    assert by_key["RRMS", "gradcam", ""].subjects == 2
    two_scans = by_key["SPMS", "gradcam", ""]
    assert (two_scans.value, two_scans.subjects) == (pytest.approx(0.7), 1)
    assert math.isnan(two_scans.low)
    write_rows(tmp_path / "table.tsv", found, ClassSummary)
    assert [one[:6] for one in read_rows(tmp_path / "table.tsv", ClassSummary)] == [
        (*one[:5], pytest.approx(one[5])) for one in found
    ]


def test_how_much_of_the_truth_is_scored_is_counted_by_class():
    found = truth_by_class(VALUES, ABOUT, TRUTH)
    assert found["control"]["subjects"] == found["control"]["slices"] == 0
    assert found["SPMS"] == {
        "structures": ["lesion", "ventricle"],
        "subjects": 1,
        "slices": 16,
        "scored_subjects": 1,
        "scored_slices": 10,
    }
    (words,) = _truth({"truth": found, "truth_remark": ""})
    assert "control: nothing; RRMS: lesion (7 of 9 slices, 2 of 2 subjects scored)" in words
    assert "which selects" in words


def test_why_localisation_is_not_measured_is_in_the_report():
    assert _truth({"truth": {}, "truth_remark": ""}) == []
    assert _truth({"truth": {}, "truth_remark": "Write this."}) == ["Write this."]


def test_the_report_shows_classes_structures_and_references_apart():
    by_class = {}
    for one in summaries_by_class(VALUES, ABOUT, TRUTH):
        by_class.setdefault(one.group, {})[one.summary.key] = one.summary
    evidence = SimpleNamespace(
        by_class=by_class, layers=("shallow", "deep"), folder=SimpleNamespace(name="vgg16")
    )
    table = truth_table(evidence, "gradcam")
    assert [row[:3] for row in table.rows] == [
        ("RRMS", "deep", "2"),
        ("RRMS", "edges", "1"),
        ("SPMS", "deep", "1"),
    ]
    assert table.columns[3:] == (
        "Average precision for the truth",
        "Average precision for the truth (ventricle)",
        "attainable average precision",
    )
    assert table.rows[2][3:] == ("0.70", "0.90", "0.70")
    assert truth_table(SimpleNamespace(by_class={}, layers=(), folder=None), "gradcam") is None
