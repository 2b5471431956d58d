import math

import numpy as np
import pytest

from stratacam.errors import InputError
from stratacam.evidence import registry
from stratacam.evidence.inference import mean_interval
from stratacam.evidence.rows import read_rows, write_rows
from stratacam.evidence.values import SubjectTable, Summary, Value, by_subject, mean_of, summarise

KEY = ("gradcam", "block5_conv3", "gini", "")


def row(value, measure="gini"):
    return Value("gradcam", "block5_conv3", measure, "", value, 3)


def test_a_mean_leaves_out_what_is_no_number_and_counts_the_rest():
    assert mean_of("gradcam", "gap", "gini", [1.0, math.nan, 3.0]) == [
        Value("gradcam", "gap", "gini", "", 2.0, 2)
    ]
    assert mean_of("gradcam", "gap", "gini", [math.nan]) == []


def test_scans_of_one_subject_weigh_as_one():
    table = by_subject(
        {"sub-1_ses-1": [row(0.0)], "sub-1_ses-2": [row(1.0)], "sub-2": [row(1.0)]},
        {"sub-1_ses-1": "sub-1", "sub-1_ses-2": "sub-1", "sub-2": "sub-2"},
    )
    assert table.subjects == ("sub-1", "sub-2")
    np.testing.assert_allclose(table.column(KEY), [0.5, 1.0])
    assert np.isnan(table.column(("gradcam", "gap", "gini", ""))).all()


def test_the_interval_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(size=25)
    (found,) = summarise(SubjectTable((KEY,), tuple(map(str, range(25))), values[:, None]))
    assert found == (*KEY, pytest.approx(values.mean()), *mean_interval(values), 25)


def test_subjects_without_a_value_are_left_out_of_the_mean_and_of_the_count():
    values = np.array([[1.0], [np.nan], [3.0], [2.0]])
    (found,) = summarise(SubjectTable((KEY,), ("a", "b", "c", "d"), values))
    assert (found.value, found.subjects) == (2.0, 3)
    assert found.low < 2 < found.high


def test_one_subject_has_no_interval():
    (found,) = summarise(SubjectTable((KEY,), ("a",), np.array([[1.0]])))
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_tables_come_back_as_they_were_written(tmp_path):
    values = [row(0.25), row(1e-7, "p95_raw")]
    write_rows(tmp_path / "values.tsv", values, Value)
    assert read_rows(tmp_path / "values.tsv", Value) == values
    summaries = summarise(by_subject({"sub-1": values}, {"sub-1": "sub-1"}))
    write_rows(tmp_path / "layers.tsv", summaries, Summary)
    (first, _) = read_rows(tmp_path / "layers.tsv", Summary)
    assert first.key == KEY
    assert first.value == 0.25
    assert math.isnan(first.low)


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "values.tsv").write_text("method\tlayer\n", encoding="utf-8")
    with pytest.raises(
        InputError,
        match=r"values\.tsv: cannot be read \(columns method, layer\); expected columns method, layer, measure",
    ):
        read_rows(tmp_path / "values.tsv", Value)
    with pytest.raises(InputError, match=r"gone\.tsv: cannot be read"):
        read_rows(tmp_path / "gone.tsv", Value)


def test_an_interval_ends_where_the_measure_does():
    keys = (("gradcam", "a", "pointing", ""), ("gradcam", "a", "pointing", "above others"))
    table = SubjectTable(keys, ("sub-1", "sub-2", "sub-3"), np.array([[0.0, -0.9], [0.5, 0.0], [1.0, 0.9]]))
    plain, within = summarise(table), summarise(table, registry.limits())
    assert plain[0].low < 0
    assert plain[0].high > 1
    assert (within[0].low, within[0].high) == (0, 1)
    assert (within[1].low, within[1].high) == (-1, 1)
