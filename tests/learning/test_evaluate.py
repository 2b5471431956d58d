import json

import numpy as np
import pandas as pd
import pytest
import torch
from small_cohort import CLASSES, make_scans, make_set, small_network

from stratacam.learning import ScanPictures, evaluate, make_dataset, predict, write_evaluation


def test_probabilities_are_the_softmax_of_the_logits_of_plain_slices(tmp_path):
    dataset, model = make_set(tmp_path, 2), small_network()
    with torch.no_grad():
        expected = torch.softmax(model(dataset.read(range(len(dataset)))), 1)
    np.testing.assert_allclose(predict(model, dataset, batch_size=3), expected.numpy(), atol=1e-6)


def test_a_subject_has_the_mean_probability_of_all_slices_of_all_its_sessions(tmp_path):
    dataset = make_dataset(
        make_scans(tmp_path, {"sub-1": "control", "sub-2": "patient"}, slices=2, sessions=2), CLASSES
    )
    patient = np.array([0.1, 0.2, 0.9, 0.6, 0.4, 0.4, 0.4, 0.4])
    evaluation = evaluate(dataset, np.stack([1 - patient, patient], 1))
    np.testing.assert_allclose(evaluation.subject_probabilities[:, 1], [0.45, 0.4])
    assert evaluation.subjects.confusion == ((1, 0), (1, 0))
    assert evaluation.slices.confusion == ((2, 2), (4, 0))


def test_who_changes_group_is_judged_by_the_sessions_in_the_group_of_the_first(tmp_path):
    scans = make_scans(tmp_path, {"sub-1": "control"}, slices=2, sessions=2)
    scans[1] = ScanPictures(scans[1].file, "sub-1", scans[1].scan, "patient")
    dataset = make_dataset(scans, CLASSES)
    patient = np.array([0.1, 0.3, 0.9, 0.8])
    evaluation = evaluate(dataset, np.stack([1 - patient, patient], 1))
    np.testing.assert_allclose(evaluation.subject_probabilities[:, 1], [0.2])
    assert evaluation.slices.confusion == ((2, 0), (0, 2))
    assert evaluation.subjects.confusion == ((1, 0), (0, 0))


def test_what_is_written_says_the_same_as_the_evaluation(tmp_path):
    dataset = make_set(tmp_path, 3)
    patient = np.random.default_rng(0).random(len(dataset))
    evaluation = evaluate(dataset, np.stack([1 - patient, patient], 1))
    write_evaluation(tmp_path / "out", evaluation, part="test")
    slices = pd.read_csv(tmp_path / "out/predictions_slices.tsv", sep="\t")
    subjects = pd.read_csv(tmp_path / "out/predictions_subjects.tsv", sep="\t")
    assert list(slices.columns) == [
        "subject",
        "scan",
        "slice",
        "group",
        "predicted",
        "p_control",
        "p_patient",
    ]
    assert slices["slice"].tolist()[:4] == [10, 12, 14, 16]
    means = slices.groupby("subject")["p_patient"].mean()
    np.testing.assert_allclose(subjects.set_index("subject")["p_patient"], means, atol=1e-6)
    confusion = pd.read_csv(tmp_path / "out/confusion_slices.tsv", sep="\t", index_col="group")
    counted = pd.crosstab(slices["group"], slices["predicted"])
    assert confusion.to_numpy().tolist() == counted.to_numpy().tolist()
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["subjects_per_class"] == {"control": 3, "patient": 3}
    assert metrics["slices_per_class"] == {"control": 12, "patient": 12}
    right = (subjects["group"] == subjects["predicted"]).mean()
    assert metrics["subjects"]["accuracy"]["value"] == pytest.approx(right)
