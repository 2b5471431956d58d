"""What the report says of folds, seeds, several networks, baselines and slices that were split."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from stratacam.files import write_json
from stratacam.learning import SLICES_OF_ONE_PERSON
from stratacam.report import write_report
from stratacam.report.choose import choose_patient
from stratacam.report.content import read_study
from stratacam.report.figure import Request
from stratacam.report.figures import STUDY_FIGURES
from stratacam.report.figures.confusion import confusion_matrices
from stratacam.report.figures.learning_curves import learning_curves
from stratacam.report.figures.reliability import reliability_plot
from stratacam.report.statements.methods import methods_section
from stratacam.report.tables.cohort import cohort_table
from stratacam.report.tables.confounds import confounds_table, what_confounds
from stratacam.report.tables.resources import resources_table
from stratacam.report.tables.results import (
    LISTED,
    class_table,
    comparison_table,
    leakage_table,
    predictions_table,
    probabilities_table,
    sample_size_table,
)
from stratacam.report.tables.training import training_table
from stratacam.report.words.done import how_it_was_split
from stratacam.report.words.found import how_all_did, what_baselines_do, what_leaks, what_was_found
from stratacam.study.folders import StudyFolders
from stratacam.study.steps.sample_size import what_can_be_shown

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def plain(plain_study):
    return read_study(plain_study)


@pytest.fixture(scope="module")
def folds(folds_study):
    return read_study(folds_study)


@pytest.fixture(scope="module")
def by_slice(slice_study):
    return read_study(slice_study)


def test_with_folds_everybody_is_held_out_once(folds):
    assert folds.held_out == set(folds.group)
    assert sorted(folds.fold_of.values()).count(1) == 4
    assert all(folds.part[subject] == f"held out in fold {fold}" for subject, fold in folds.fold_of.items())
    assert len(folds.predictions) == 12


def test_the_maps_shown_come_from_the_fold_that_held_the_subject_out(folds, folds_study):
    choice = choose_patient(folds)
    runs = json.loads(folds_study.runs.read_text())["runs"]
    (fold,) = {
        run["fold"] for run in runs if run["model"] == "vgg16_seed-3" and choice.name in run["held_out"]
    }
    assert choice.rule.endswith(f"its maps are of the model of fold {fold}, which held the subject out")


def test_without_folds_no_rule_speaks_of_one(plain):
    assert "fold" not in choose_patient(plain).rule


def test_the_cohort_is_counted_by_fold(folds):
    table = cohort_table(folds)
    counts = np.array([row[1:] for row in table.rows], dtype=int)
    np.testing.assert_array_equal(counts[:3].sum(axis=0), counts[3])
    assert counts[3].tolist() == [4, 4, 4, 12]
    assert [row[0] for row in table.rows] == [*(f"held out in fold {n}" for n in (1, 2, 3)), "all"]


def test_the_cohort_is_counted_by_part(plain):
    assert cohort_table(plain).rows[0] == ("RRMS", "1", "1", "2", "4")


def test_networks_folds_and_seeds_are_told_in_words(folds):
    told = dict(methods_section(folds))
    assert (
        "VGG16 [@vgg], starting from ImageNet weights [@imagenet], and small CNN, starting from random weights, with "
        "global average pooling." in told["Networks and training"]
    )
    masked = replace(folds, card=folds.card.model_copy(update={"brain": "features"}))
    networks = dict(methods_section(masked))["Networks and training"]
    assert "with global average pooling of features of the brain alone." in networks
    assert "Every subject was held out in one of 3 folds and predicted by" in told["Split"]
    assert "(108 slices)" in told["Split"]
    assert what_was_found(folds).startswith("VGG16 (seed 3) classified 11 of 12 held-out subjects correctly.")


def test_the_mean_over_seeds_stands_with_its_range(folds):
    models = list(folds.models)
    for number, value in ((0, 0.5), (1, 0.7)):
        subjects = models[number].metrics["subjects"]
        changed = {**subjects, "balanced_accuracy": {**subjects["balanced_accuracy"], "value": value}}
        models[number] = replace(models[number], metrics={**models[number].metrics, "subjects": changed})
    told = how_all_did(replace(folds, models=tuple(models)))
    # of four RRMS, four SPMS and four controls one is wrong: (1 + 3/4 + 1) / 3 = 0.917
    assert told == (
        "Balanced accuracy per subject, mean and range over 2 seeds: VGG16 0.60 (0.50 to 0.70) and small CNN 0.92 "
        "(0.92 to 0.92)."
    )


def test_one_model_has_no_range(plain):
    assert how_all_did(plain) == ""


def test_a_network_that_was_not_shown_to_beat_a_baseline_is_said_to_beat_none(folds):
    told = what_baselines_do(folds)
    assert told.startswith(
        "Better than chance is not better than simple measures: VGG16 (seed 3) was not shown to beat logistic "
        "regression on volume (balanced accuracy 0.92 against 1.00; "
        "difference -0.08, 95 % interval -0."
    )
    assert "beats" not in told
    assert "(To beat: the 95 % interval of the difference is above 0 and p is below 0.05.)" in told
    assert told.endswith(
        "Logistic regression on volume was right in all 12: nothing could be shown to be better."
    )


def compared(folds, of_volume, of_intensity):
    """The study with other differences from its two baselines: value, lower end, p-value."""
    rows = []
    for row in folds.comparison["rows"]:
        for name, (value, low, p_value) in (("volume", of_volume), ("intensity", of_intensity)):
            if row["name"] == f"baseline_{name}":
                gain = {"value": value, "interval": [low, value + 0.1], "p_value": p_value}
                against = {"balanced_accuracy": gain}
                row = {**row, "against_first": against, "smallest_difference": 0.31}  # noqa: PLW2901 - a copy
        rows.append(row)
    return replace(folds, comparison={"rows": rows})


def test_beats_is_said_only_where_every_baseline_is_beaten(folds):
    all_beaten = what_baselines_do(compared(folds, (0.3, 0.1, 0.01), (0.5, 0.2, 0.001)))
    assert all_beaten.startswith(
        "VGG16 (seed 3) beats every baseline. The best of them is logistic regression on volume"
    )
    for one in ((0.1, 0.0, 0.01), (0.1, 0.01, 0.2)):  # an interval that touches 0; a p-value above 5 %
        told = what_baselines_do(compared(folds, one, (0.5, 0.2, 0.001)))
        assert "beats" not in told
        assert "was not shown to beat logistic regression on volume (balanced" in told
        assert "interval of the difference is above 0 and p is below 0.05.)" in told
        assert "intensity" not in told


def test_of_several_baselines_that_are_not_beaten_the_best_alone_has_numbers(folds):
    study = compared(folds, (0.1, 0.0, 0.2), (0.1, 0.01, 0.07))
    rows = [
        {**row, "balanced_accuracy": {**row["balanced_accuracy"], "value": 0.75}}
        if row["name"] == "baseline_volume"
        else row
        for row in study.comparison["rows"]
    ]
    told = what_baselines_do(replace(study, comparison={"rows": rows}))
    assert "VGG16 (seed 3) was not shown to beat logistic regression on volume or" in told
    assert told.count("95 % interval") == 2  # of the rule, and of the best
    assert "The best of these is logistic regression on volume" in told
    assert "a difference from it below 0.31 would be missed in more than one of five such studies" in told


def test_calibration_that_made_subjects_worse_is_said_to_have(plain):
    subjects = plain.metrics["subjects"]
    changed = {
        **subjects,
        "log_loss": {**subjects["log_loss"], "value": 0.52},
        "brier": {**subjects["brier"], "value": 0.30},
        "calibrated": {
            "log_loss": {**subjects["log_loss"], "value": 0.59},
            "brier": {**subjects["brier"], "value": 0.28},
            "expected_calibration_error": subjects["expected_calibration_error"],
        },
    }
    first, *others = plain.models
    first = replace(first, metrics={**plain.metrics, "subjects": changed})
    table = probabilities_table(replace(plain, models=(first, *others)))
    assert "for held-out subjects it made log loss (0.52 to 0.59) worse" in table.note


def test_accuracy_stands_once_where_groups_are_of_equal_size(plain):
    told = what_was_found(plain)
    assert "Balanced accuracy (equal to accuracy, as groups are of equal size) 0.83" in told
    assert "Accuracy 0.83" not in told


def test_all_seeds_and_baselines_stand_in_one_table(folds):
    table = comparison_table(folds)
    assert [row[0] for row in table.rows] == [
        "VGG16 (seed 3)",
        "VGG16 (seed 4)",
        "small CNN (seed 3)",
        "small CNN (seed 4)",
        "logistic regression on volume",
        "logistic regression on intensity",
    ]
    assert table.rows[0][-2:] == ("-", "-")
    volume = table.rows[4]
    # all right, with 0.9 for the true group and 0.05 for two others: 0.01 + 2 x 0.0025
    assert volume[1:2] + volume[3:7] == ("12", "1.00", "1.00", "0.01", "0.10")
    assert volume[7].startswith("-0.08 (-0.")
    assert "age sex (no such columns)" in table.note


def test_a_study_without_comparison_has_no_such_table(plain):
    assert comparison_table(plain) is None
    assert what_baselines_do(plain) == ""


def test_every_group_has_sensitivity_specificity_and_auroc(plain):
    rows = {row[:2]: row[2:] for row in class_table(plain).rows}
    # one of two SPMS is called RRMS: 1/2 of SPMS, and 3/4 of those who have no RRMS, are right
    assert rows["subjects", "SPMS"][0] == "0.50 (0.03 to 0.97)"
    assert rows["subjects", "RRMS"][1] == "0.75 (0.24 to 0.99)"
    assert rows["subjects", "control"][2].startswith("1.00 (0.")
    assert rows["slices", "SPMS"][0] == "0.50"  # slices are not independent


def test_probabilities_are_scored_before_and_after_scaling(plain):
    rows = {row[:2]: row[2:] for row in probabilities_table(plain).rows}
    # 5 of 6 right with 0.8, 0.1, 0.1: 0.06; one wrong: 0.81 + 0.64 + 0.01; and with 0.6, 0.2, 0.2: 0.24 and 1.04
    as_given, scaled, chance = rows["subjects", "Brier score"]
    assert (as_given, scaled, chance) == (
        f"{(5 * 0.06 + 1.46) / 6:.2f}",
        f"{(5 * 0.24 + 1.04) / 6:.2f}",
        "0.67",
    )


def test_predictions_name_the_fold_and_end_with_a_count(folds):
    table = predictions_table(folds)
    assert table.columns[:3] == ("subject", "fold", "group")
    assert {row[0]: int(row[1]) for row in table.rows} == folds.fold_of
    many = replace(folds, predictions=folds.predictions * 20)
    table = predictions_table(many)
    assert len(table.rows) == LISTED
    assert table.note.endswith("… 40 more in evaluation/vgg16_seed-3/predictions_subjects.tsv.")


def test_confusion_matrices_of_all_networks_stand_side_by_side(folds):
    figure = confusion_matrices(folds, Request())
    titles = [axes.get_title().split("\n")[0] for axes in figure.figure.axes[:4]]
    assert titles == ["VGG16, subjects", "small CNN, subjects", "VGG16, slices", "small CNN, slices"]
    figure.figure.canvas.draw()
    left, right = (axes.get_position() for axes in figure.figure.axes[:2])
    assert left.y0 == pytest.approx(right.y0)
    assert left.x1 < right.x0
    assert "every subject by the one of 3 folds that held it out" in figure.words


def test_reliability_shows_confidence_against_accuracy_and_counts(plain):
    figure = reliability_plot(plain, Request()).figure
    subjects, slices, in_bins, _ = figure.axes
    given, scaled = subjects.lines[1:]
    np.testing.assert_allclose(given.get_xydata(), [[0.8, 5 / 6]], atol=1e-6)
    np.testing.assert_allclose(scaled.get_xydata(), [[0.6, 5 / 6]], atol=1e-6)
    assert subjects.get_title() == "subjects, n = 6\nECE 0.03, scaled 0.23"
    assert slices.get_title() == "slices, n = 54\nECE 0.03, scaled 0.23"
    # bins of 0.2 hold their upper end: 0.8 is in the fourth of five, 0.6 in the third
    assert [patch.get_data().values.tolist() for patch in in_bins.patches] == [
        [0, 0, 0, 6, 0],
        [0, 0, 6, 0, 0],
    ]


def test_learning_curves_have_a_line_for_each_training_and_mark_the_epoch_kept(folds):
    first, second = learning_curves(folds, Request()).figure.axes
    assert [first.get_title(), second.get_title()] == ["VGG16, 6 trainings", "small CNN, 6 trainings"]
    train, validation, kept = first.lines[:3]
    np.testing.assert_allclose(train.get_xydata(), [[1, 1.1], [2, 0.9]])
    np.testing.assert_allclose(validation.get_xydata(), [[1, 0.95], [2, 0.8]])
    np.testing.assert_allclose(kept.get_xydata(), [[2, 0.8]])
    assert len(first.lines) == 6 * 3


def test_several_trainings_are_listed_with_the_epoch_kept(folds, plain):
    table = training_table(folds)
    assert len(table.rows) == 12
    assert table.rows[0] == ("VGG16 (seed 3)", "1", "2 of 2", "0.900", "0.800", "0.700")
    assert [row[0] for row in training_table(plain).rows] == ["1", "2 (kept)"]


def test_time_and_memory_of_a_step_name_who_needed_most(plain):
    columns = ("step", "name", "tries", "seconds", "cpu_seconds", "memory_mb")
    rows = (
        ("prepare", "sub-01", "1", "60.0", "50.0", "900.0"),
        ("prepare", "sub-02", "3", "300.0", "110.0", "700.0"),
        ("baselines", "study", "1", "2.5", "2.0", "1500.0"),
    )
    study = replace(
        plain,
        resources=tuple(dict(zip(columns, row, strict=True)) for row in rows),
        left_out=({"name": "sub-03", "step": "prepare", "reason": "no T1w"},),
    )
    assert resources_table(study).rows == (
        ("prepare", "2", "3 min", "5 min (sub-02)", "3 min", "0.90 (sub-01)", "1", "1"),
        ("baselines", "1", "2.5 s", "2.5 s", "2.0 s", "1.50", "0", "0"),
    )
    assert resources_table(replace(plain, resources=())).rows == ()


def test_a_split_by_slice_is_marked_everywhere(slice_study):
    page = write_report(slice_study).read_text(encoding="utf-8")
    tables = re.findall(r'role="region" aria-label="([^"]*)"', page)
    free = ("Left out", "Settings", "Provenance", "How the numbers", "People of the study", "CLAIM", "TRIPOD")
    marked = [title for title in tables if not title.startswith(free)]
    assert len(marked) == 8
    assert all(SLICES_OF_ONE_PERSON in title for title in marked)
    captions = [line for line in page.splitlines() if line.startswith("<figcaption>")]
    free = [entry.name for entry in STUDY_FIGURES if not entry.depends_on_split]
    assert free == ["examples"]  # they are of the cohort, not of a split
    assert [SLICES_OF_ONE_PERSON in line.lower() for line in captions] == [
        entry.depends_on_split for entry in STUDY_FIGURES if entry.name != "classes"
    ]
    assert SLICES_OF_ONE_PERSON in page[: page.index("<main>")]
    assert "Held-out subjects" not in page


def test_slices_that_were_split_are_counted(by_slice):
    # 108 slices in 75, 10 and 15 per cent
    assert by_slice.slices_of_part == {"train": 81, "validation": 11, "test": 16}
    assert "81 for training, 11 for validation, 16 held out: slices of one person" in how_it_was_split(
        by_slice
    )
    assert not by_slice.held_out
    assert sum(int(row[2]) for row in cohort_table(by_slice).rows) == 16


def leakage(slice_shuffled):
    def found(value):
        return {"value": value, "low": value - 0.1, "high": value + 0.05, "chance": 1 / 3,
                "chance_low": 0.28, "chance_high": 0.39, "per_seed": [value]}  # fmt: skip

    values = {("subject", "true"): 0.6, ("subject", "shuffled"): 0.34, ("slice", "true"): 0.95,
              ("slice", "shuffled"): slice_shuffled}  # fmt: skip
    conditions = [
        {"unit": unit, "labels": labels, "slices": found(value), "subjects": found(value / 2)}
        for (unit, labels), value in values.items()
    ]
    return {"network": "vgg16", "seeds": [0, 1], "folds": 1, "conditions": conditions}


def test_leakage_is_reported_where_it_was_measured(plain_study, plain, tmp_path):
    folders = StudyFolders(shutil.copytree(plain_study.root, tmp_path / "study"))
    write_json(folders.leakage / "leakage.json", leakage(0.91))
    content = read_study(folders)
    said = what_leaks(content)
    rows = {(row["unit"], row["labels"]): row["slices"] for row in leakage(0.91)["conditions"]}
    for row in rows.values():
        assert f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})" in said
    assert "0.91" in said.split("when slices were split")[0]
    assert said.startswith(
        "Leakage, over 2 trainings of each kind: with shuffled groups, where there is nothing to learn"
    )
    assert "By slice: slices of one person in training and test: accuracy is inflated." in said
    table = leakage_table(content)
    assert SLICES_OF_ONE_PERSON in table.title
    assert table.rows[1] == (
        "subject", "shuffled", "0.34 (0.24 to 0.39)", "0.33 (0.28 to 0.39)", "0.17 (0.07 to 0.22)",
        "0.33 (0.28 to 0.39)",
    )  # fmt: skip
    assert [row[0] for row in table.rows] == ["subject", "subject", "slice (inflated)", "slice (inflated)"]
    assert leakage_table(plain) is None
    assert what_leaks(plain) == ""


def confound(name, verdict, *, reason="", value=0.4, p_value=0.5):
    """A row of the audit."""
    return {
        "name": name, "kind": "person", "measure": "Cramér's V", "subjects": 12, "missing": 1, "value": value,
        "interval": [0.1, 0.7], "p_value": p_value, "smallest": 0.62, "verdict": verdict, "reason": reason,
        "by_group": "RRMS: A (4 of 4)",
    }  # fmt: skip


def test_confounds_are_a_table_and_those_that_are_flagged_a_sentence(plain):
    same = confound("field strength", "not tested", reason="the same for all", value=None, p_value=None)
    group = [confound("age", "not flagged"), confound("site", "flagged", value=0.9, p_value=0.002), same]
    audited = replace(
        plain, confounds={"group": group, "outputs": [confound("age", "flagged")], "outputs_subjects": 12}
    )
    table = confounds_table(audited)
    assert [row[1] for row in table.rows] == ["age", "site", "age"]
    assert table.rows[1] == (
        "the group", "site", "12 (1 missing)", "RRMS: A (4 of 4)", "0.90 (0.10 to 0.70)", "0.0020", "0.62", "flagged",
    )  # fmt: skip
    assert "The same for all: field strength." in table.note
    assert what_confounds(audited) == (
        "The groups differ in site (association 0.90, p = 0.0020): the network may have learnt that, not the disease. "
        "Within a group, what the network says follows from age (association 0.40, p = 0.50)."
    )
    assert confounds_table(plain) is None
    assert what_confounds(plain) == ""


def test_what_so_many_subjects_can_show_is_a_small_table_and_a_paragraph(plain):
    found = what_can_be_shown({"MS": 10, "control": 10}, folds=5, columns=18)
    table = sample_size_table(replace(plain, sample_size=found))
    assert len(table.rows) == 7
    assert (
        "20 subjects are held out (MS 10, control 10), each in one of 5 folds, which makes intervals 1.3 times as"
        in table.note
    )
    assert "Of maps, verdicts are possible." in table.note
    few = what_can_be_shown({"MS": 4, "control": 4}, folds=1, columns=18)
    table = sample_size_table(replace(plain, sample_size=few))
    assert table.rows[-1][1] == "cannot say (8 subjects; 10 are needed)"
    assert "Of maps, every verdict will be “cannot say” (8 subjects; 10 are needed)." in table.note
    assert sample_size_table(plain) is None


def test_nothing_is_promised_where_nobody_of_a_group_is_held_out():
    assert what_can_be_shown({"MS": 0, "control": 0}, folds=1, columns=18) == {}
