"""A finished study in trackers of experiments."""

import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imsave

from stratacam.errors import InputError
from stratacam.export.trackers import TRACKERS, log_to, read_logged
from stratacam.export.trackers import registry as registry_module

pytestmark = pytest.mark.usefixtures("figure_made")


@pytest.fixture(scope="module")
def folders(small_study):
    """A study of one network with one split and a baseline."""
    return small_study("one", baselines={"volume": 0.9})


@pytest.fixture(scope="module")
def in_folds(small_study):
    return small_study("folds", split="folds")


@pytest.fixture(scope="module")
def small_study(tmp_path_factory):
    small = runpy.run_path(str(Path(__file__).parents[1] / "report" / "small_study.py"))

    def make(name, **settings):
        return small["write_study"](tmp_path_factory.mktemp(name), layers=small["FEW"], **settings)

    return make


@pytest.fixture(scope="module")
def figure_made(folders):
    """One figure of the report, a red square."""
    folders.figures.mkdir(exist_ok=True)
    imsave(folders.figures / "outcomes.png", np.broadcast_to([1.0, 0.0, 0.0], (8, 8, 3)))


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def test_a_study_has_settings_curves_scores_and_figures(folders):
    found = read_logged(folders)
    assert found.name == "A <small> study"
    assert found.parameters["split.train"] == "0.5"
    assert found.parameters["cohort.input"] == "bids"  # no place on the machine
    first, baseline = found.runs
    assert first.name == "vgg16_seed-3"
    assert first.curves["train_loss"] == [1.1, 0.9]
    assert first.curves["validation_accuracy"] == [0.5, 0.7]
    assert "heat_outside" not in first.curves
    assert first.parameters == {"network": "vgg16", "seed": "3", "best_epoch": "2"}
    assert first.scores["balanced_accuracy"] == 1.0
    assert first.scores["balanced_accuracy_low"] < 1.0
    assert baseline.name == "baseline_volume"
    assert set(baseline.scores) >= {"balanced_accuracy", "brier"}
    assert [file.name for file in found.figures] == ["outcomes.png"]


def test_folds_have_curves_and_their_network_the_scores(in_folds):
    runs = {run.name: run for run in read_logged(in_folds).runs}
    assert list(runs) == [*(f"vgg16_seed-3_fold-{fold}" for fold in (1, 2, 3)), "vgg16_seed-3"]
    assert runs["vgg16_seed-3_fold-2"].curves["validation_loss"] == [1.0, 0.8]
    assert not runs["vgg16_seed-3_fold-2"].scores
    assert runs["vgg16_seed-3"].scores["balanced_accuracy"] == 1.0


@needs("tensorboard")
def test_tensorboard_reads_back_what_was_written(folders, tmp_path):
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    assert (
        log_to("tensorboard", folders, str(tmp_path / "logs")) == f"tensorboard --logdir {tmp_path / 'logs'}"
    )
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == [
        "baseline_volume",
        "study",
        "vgg16_seed-3",
    ]
    events = reader.EventAccumulator(str(tmp_path / "logs/vgg16_seed-3"))
    events.Reload()
    curve = events.Scalars("training/validation_loss")
    assert [one.step for one in curve] == [1, 2]
    assert curve[1].value == pytest.approx(0.8)
    assert events.Scalars("held_out/balanced_accuracy")[0].value == 1.0
    study = reader.EventAccumulator(str(tmp_path / "logs/study"))
    study.Reload()
    assert (study.Images("outcomes")[0].width, study.Images("outcomes")[0].height) == (8, 8)
    with pytest.raises(InputError, match="holds something; expected a new or empty folder"):
        log_to("tensorboard", folders, str(tmp_path / "logs"))


@needs("mlflow")
def test_mlflow_reads_back_what_was_written(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # for the reader
    mlflow = importlib.import_module("mlflow")
    log_to("mlflow", folders, str(tmp_path / "runs"))
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "runs").as_uri())
    experiment = client.get_experiment_by_name("A <small> study")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"A <small> study", "vgg16_seed-3", "baseline_volume"}
    parent, child = runs["A <small> study"], runs["vgg16_seed-3"]
    assert parent.data.params["split.train"] == "0.5"
    assert [file.path for file in client.list_artifacts(parent.info.run_id, "figures")] == [
        "figures/outcomes.png"
    ]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.params["best_epoch"] == "2"
    assert child.data.metrics["held_out/balanced_accuracy"] == 1.0
    curve = client.get_metric_history(child.info.run_id, "training/train_loss")
    assert [(one.step, one.value) for one in curve] == [(1, 1.1), (2, 0.9)]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    log_to("mlflow", folders, str(tmp_path / "runs"))  # again: more runs
    assert len(client.search_runs([experiment.experiment_id])) == 6


@needs("mlflow")
def test_mlflow_says_why_a_place_cannot_be_used(folders):
    with pytest.raises(
        InputError, match=r"nowhere://x: MLflow cannot keep runs there .*; expected a folder, or"
    ):
        log_to("mlflow", folders, "nowhere://x")


def test_a_tracker_that_is_unknown_or_not_installed_is_refused_in_words(folders, tmp_path, monkeypatch, run):
    code, said = run("log-to", "tensorbord", folders.root, tmp_path / "logs")
    assert code == 2
    assert (
        "TRACKER: found 'tensorbord'; did you mean tensorboard? expected one of tensorboard, mlflow" in said
    )
    absent = registry_module.Tracker("stratacam_no_such_package", TRACKERS["tensorboard"].log)
    monkeypatch.setitem(TRACKERS, "tensorboard", absent)
    code, said = run("log-to", "tensorboard", folders.root, tmp_path / "logs")
    assert code == 2
    assert (
        "stratacam_no_such_package, which is not installed; expected it: pip install 'stratacam[tensorboard]'"
        in said
    )
    assert not (tmp_path / "logs").exists()


@needs("tensorboard")
def test_a_study_is_never_written_to(folders, tmp_path, run):
    with pytest.raises(InputError, match="inputs are never written to"):
        log_to("tensorboard", folders, str(folders.root / "logs"))
    code, said = run("log-to", "tensorboard", folders.root, tmp_path / "logs")
    assert code == 0
    assert f"Look: tensorboard --logdir {tmp_path / 'logs'}" in said
