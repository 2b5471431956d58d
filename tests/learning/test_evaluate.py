import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from small_cohort import CLASSES, make_scans, make_set, plain, small_network
from torch import nn

from stratacam.errors import InputError
from stratacam.learning.dataset import ScanPictures, make_dataset
from stratacam.learning.evaluation.calibration import apply_temperature
from stratacam.learning.evaluation.evaluate import evaluate, evaluate_subjects
from stratacam.learning.evaluation.result import write_evaluation
from stratacam.learning.forward import compute_logits


def two_columns(patient):
    patient = np.asarray(patient, dtype=float)
    return np.stack([1 - patient, patient], 1)


def one_subject(folder, slices, group="control"):
    return make_dataset(make_scans(folder, {"sub-1": group}, slices=slices), CLASSES)


def test_logits_are_those_of_plain_slices_and_probabilities_their_softmax(tmp_path):
    dataset, model = make_set(tmp_path, 2), small_network()
    with torch.no_grad():
        expected = model(dataset.read(range(len(dataset))))
    logits = compute_logits(model, plain(dataset), len(dataset), batch_size=3)
    assert logits.dtype == np.float64
    np.testing.assert_allclose(logits, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(apply_temperature(logits, 1.0), expected.softmax(1).numpy(), atol=1e-6)


def test_any_module_predicts_and_in_evaluation_mode(tmp_path):
    class Brightness(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.9)

        def forward(self, images):
            mean = images.mean((1, 2, 3))
            return self.drop(torch.stack([torch.zeros_like(mean), mean], 1))

    dataset = make_set(tmp_path, 1)
    expected = dataset.read(range(len(dataset))).mean((1, 2, 3))
    np.testing.assert_allclose(
        compute_logits(Brightness().train(), plain(dataset), len(dataset))[:, 1], expected, rtol=1e-4
    )


def test_a_subject_has_the_mean_probability_of_all_slices_of_all_its_sessions(tmp_path):
    dataset = make_dataset(
        make_scans(tmp_path, {"sub-1": "control", "sub-2": "patient"}, slices=2, sessions=2), CLASSES
    )
    evaluation = evaluate(dataset, two_columns([0.1, 0.2, 0.9, 0.6, 0.4, 0.4, 0.4, 0.4]))
    np.testing.assert_allclose(evaluation.subject_probabilities[:, 1], [0.45, 0.4])
    assert evaluation.subjects.confusion == ((1, 0), (1, 0))
    assert evaluation.slices.confusion == ((2, 2), (4, 0))


def test_who_changes_group_is_judged_by_the_sessions_in_the_group_of_the_first(tmp_path):
    scans = make_scans(tmp_path, {"sub-1": "control"}, slices=2, sessions=2)
    scans[1] = ScanPictures(scans[1].file, "sub-1", scans[1].scan, "patient")
    dataset = make_dataset(scans, CLASSES)
    evaluation = evaluate(dataset, two_columns([0.1, 0.3, 0.9, 0.8]))
    np.testing.assert_allclose(evaluation.subject_probabilities[:, 1], [0.2])
    assert evaluation.slices.confusion == ((2, 0), (0, 2))
    assert evaluation.subjects.confusion == ((1, 0), (0, 0))
    assert evaluation.subject_majority.tolist() == [0]


def test_most_slices_may_say_otherwise_than_the_mean_probability(tmp_path):
    evaluation = evaluate(one_subject(tmp_path, 3), two_columns([0.6, 0.6, 0.0]))
    assert evaluation.subjects.confusion == ((1, 0), (0, 0))
    assert evaluation.subject_majority.tolist() == [1]
    assert evaluation.subjects_majority.confusion == ((0, 1), (0, 0))


@pytest.mark.parametrize(("patient", "expected"), [([0.9, 0.9, 0.4, 0.4], 1), ([0.6, 0.6, 0.1, 0.1], 0)])
def test_equal_votes_go_to_the_higher_mean_probability(tmp_path, patient, expected):
    assert evaluate(one_subject(tmp_path, 4), two_columns(patient)).subject_majority.tolist() == [expected]


def test_a_group_without_votes_does_not_win_by_its_mean_probability(tmp_path):
    # one vote each for the first and the second, none for the third, whose mean is the highest
    scans = make_scans(tmp_path, {"sub-1": "control"}, slices=2)
    dataset = make_dataset(scans, ("control", "patient", "other"))
    probabilities = np.array([[0.5, 0.02, 0.48], [0.02, 0.51, 0.47]])
    evaluation = evaluate(dataset, probabilities)
    assert evaluation.subject_probabilities.argmax(1).tolist() == [2]
    assert evaluation.subject_majority.tolist() == [1]


def test_calibrated_probabilities_stand_beside_and_predict_nothing(tmp_path):
    dataset = make_set(tmp_path, 2)
    logits = np.random.default_rng(0).normal(size=(len(dataset), 2))
    plain = evaluate(dataset, apply_temperature(logits, 1))
    both = evaluate(dataset, apply_temperature(logits, 1), calibrated=apply_temperature(logits, 4))
    only = evaluate(dataset, apply_temperature(logits, 4))
    assert plain.subjects.calibrated is plain.slices.calibrated is None
    assert replace(both.subjects, calibrated=None) == plain.subjects
    assert both.slices.calibrated.log_loss == only.slices.log_loss
    assert both.subjects.calibrated.brier == only.subjects.brier
    np.testing.assert_array_equal(both.subject_calibrated, only.subject_probabilities)


def test_subjects_alone_have_the_same_scores_as_with_their_slices(tmp_path):
    dataset = make_set(tmp_path, 4)
    full = evaluate(dataset, two_columns(np.random.default_rng(1).random(len(dataset))), seed=3)
    alone = evaluate_subjects(
        full.subject_names, full.subject_labels, full.subject_probabilities, CLASSES, seed=3
    )
    assert alone.subjects == full.subjects
    assert alone.slices is alone.subjects_majority is None


def test_what_is_written_says_the_same_as_the_evaluation(tmp_path):
    dataset = make_set(tmp_path, 3)
    logits = np.random.default_rng(0).normal(size=(len(dataset), 2))
    evaluation = evaluate(dataset, apply_temperature(logits, 1), calibrated=apply_temperature(logits, 2))
    write_evaluation(tmp_path / "out", evaluation, part="test", warning="not to be believed")
    slices = pd.read_csv(tmp_path / "out/predictions_slices.tsv", sep="\t")
    subjects = pd.read_csv(tmp_path / "out/predictions_subjects.tsv", sep="\t")
    given = ["group", "predicted", "p_control", "p_patient"]
    calibrated = ["calibrated_p_control", "calibrated_p_patient"]
    assert list(slices.columns) == ["subject", "scan", "slice", *given, *calibrated, "warning"]
    assert list(subjects.columns) == ["subject", *given, "predicted_majority", *calibrated, "warning"]
    for table in (tmp_path / "out").glob("*.tsv"):
        assert set(pd.read_csv(table, sep="\t")["warning"]) == {"not to be believed"}
    assert slices["slice"].tolist()[:4] == [10, 12, 14, 16]
    for column in ("p_patient", "calibrated_p_patient"):
        means = slices.groupby("subject")[column].mean()
        np.testing.assert_allclose(subjects.set_index("subject")[column], means, atol=1e-6)
    for unit, table in (("slices", slices), ("subjects", subjects)):
        confusion = pd.read_csv(tmp_path / f"out/confusion_{unit}.tsv", sep="\t", index_col="group")
        confusion = confusion.drop(columns="warning")
        counted = pd.crosstab(table["group"], table["predicted"]).reindex(columns=CLASSES, fill_value=0)
        assert confusion.to_numpy().tolist() == counted.to_numpy().tolist()
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["subjects_per_class"] == {"control": 3, "patient": 3}
    assert metrics["slices_per_class"] == {"control": 12, "patient": 12}
    for unit, column in (("subjects", "predicted"), ("subjects_majority", "predicted_majority")):
        right = (subjects["group"] == subjects[column]).mean()
        assert metrics[unit]["accuracy"]["value"] == pytest.approx(right)
    assert metrics["warning"] == "not to be believed"
    assert set(metrics["subjects"]) <= {*metrics["subjects_majority"], *metrics["methods"], "macro_auroc"}


def test_the_table_of_reliability_adds_up_to_the_calibration_error(tmp_path):
    dataset = make_set(tmp_path, 3)
    logits = np.random.default_rng(0).normal(size=(len(dataset), 2))
    evaluation = evaluate(dataset, apply_temperature(logits, 1), calibrated=apply_temperature(logits, 2))
    write_evaluation(tmp_path / "out", evaluation, part="test")
    table = pd.read_csv(tmp_path / "out/reliability.tsv", sep="\t")
    columns = ["unit", "calibrated", "bin_low", "bin_high", "count", "confidence", "accuracy"]
    assert list(table.columns) == columns
    assert len(table) == 2 * (15 + 5)
    for (unit, calibrated), bins in table.groupby(["unit", "calibrated"]):
        assert bins["count"].sum() == {"slices": 24, "subjects": 6}[unit]
        assert bins["confidence"].isna().equals(bins["count"] == 0)
        gaps = bins["count"] * (bins["confidence"] - bins["accuracy"]).abs()
        scores = getattr(evaluation, unit)
        scores = scores.calibrated if calibrated == "yes" else scores
        assert gaps.sum() / bins["count"].sum() == pytest.approx(
            scores.expected_calibration_error.value, abs=1e-5
        )


def test_an_evaluation_without_slices_is_written_without_their_tables(tmp_path):
    evaluation = evaluate_subjects(["sub-1", "sub-2"], [0, 1], two_columns([0.3, 0.4]), CLASSES)
    write_evaluation(tmp_path, evaluation, part="test")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "confusion_subjects.tsv",
        "metrics.json",
        "predictions_subjects.tsv",
        "reliability.tsv",
    ]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["slices"] is metrics["slices_per_class"] is metrics["subjects_majority"] is None
    assert metrics["subjects"]["accuracy"]["value"] == 0.5
    assert "warning" not in metrics


def test_what_cannot_be_known_of_one_subject_is_null_and_never_nan(tmp_path):
    write_evaluation(tmp_path, evaluate(one_subject(tmp_path, 2), two_columns([0.3, 0.6])), part="test")
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    subject = json.loads(text)["subjects"]
    assert subject["brier"]["interval"] is subject["accuracy"]["p_value"] is subject["macro_auroc"] is None
    assert subject["sensitivity"]["patient"] is subject["specificity"]["control"] is None


def test_probabilities_that_do_not_belong_to_the_slices_are_refused(tmp_path):
    dataset = one_subject(tmp_path, 2)
    for wrong in (two_columns([0.1, 0.2, 0.3]), np.full((2, 3), 1 / 3), two_columns([0.1, np.nan])):
        with pytest.raises(InputError, match=r"probabilities of slices: found shape.*predict the same"):
            evaluate(dataset, wrong)
        with pytest.raises(InputError, match=r"probabilities of slices: found shape.*predict the same"):
            evaluate(dataset, two_columns([0.1, 0.2]), calibrated=wrong)
        with pytest.raises(InputError, match=r"probabilities of subjects.*predict the same"):
            evaluate_subjects(["sub-1", "sub-2"], [0, 1], wrong, CLASSES)
    with pytest.raises(InputError, match=r"found 2 names, 1 of them different.*give one row"):
        evaluate_subjects(["sub-1", "sub-1"], [0, 1], two_columns([0.1, 0.2]), CLASSES)
