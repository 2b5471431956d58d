"""A study of two networks in folds with baselines, its leakage, and new scans classified by one of its models."""

import csv
import json
import re
import shutil
import sys

import nibabel
import numpy as np
import pytest
import SimpleITK

from stratacam import cli
from stratacam.errors import InputError
from stratacam.evidence.claims import TITLES
from stratacam.evidence.planting.plant import CLASSES
from stratacam.evidence.regions.template_space import template_grid
from stratacam.evidence.rows import read_rows
from stratacam.evidence.sequences.by_class import SequenceSummary
from stratacam.evidence.sequences.values import SequenceValue
from stratacam.evidence.values import Summary
from stratacam.maps import differences_of, find_maps
from stratacam.networks import load_model
from stratacam.scans.prepared import find_prepared
from stratacam.study.folders import StudyFolders
from stratacam.study.log import read_logs
from stratacam.study.status import Look
from stratacam.study.status.order import RUN
from stratacam.study.truth_benchmark.summary import ScoreRow

STUDY = """\
name = "honest"
out = "study"
[cohort]
input = "cohort"
groups = ["control", "RRMS", "SPMS"]
[prepare]
template = false
[pictures]
size = 32
every = 4
[network]
architecture = ["nets.py:make", "small_cnn"]
[split]
folds = 3
[training]
epochs = 2
frozen = ["body1"]
[explain]
nifti_layers = ["body2"]
every = 4
[run]
workers = 1  # to start others takes longer than the work
[evidence]
methods = ["gradcam"]
every = 3
slices = 1
sanity_slices = 1
sanity_draws = 2
independent = true
fractions = [0.3]
controls = 2
strangers = 2
donors = 2
surrogates = 3
untrained = 2
deletion = true
permutations = 2
"""

NETS = """\
from collections import OrderedDict
from torch import nn

def make(classes):
    return nn.Sequential(OrderedDict(
        body1=nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        body2=nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        gap=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), classifier=nn.Linear(8, classes)))
"""


def run(*arguments):
    """Run the command line in this process; return its exit code."""
    before, sys.argv = sys.argv, ["stratacam", *map(str, arguments)]
    try:
        cli.app(standalone_mode=False)
    except SystemExit as ended:
        return ended.code
    finally:
        sys.argv = before
    return 0


def rows(path):
    with path.open() as table:
        return list(csv.DictReader(table, delimiter="\t"))


@pytest.fixture(scope="module")
def folder(copy_cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest")
    copy_cohort(folder / "cohort", control=3, RRMS=3, SPMS=3)
    (folder / "study.toml").write_text(STUDY)
    (folder / "nets.py").write_text(NETS)
    assert run("run", folder / "study.toml") == 0
    return folder


def test_every_subject_is_predicted_once_by_a_model_that_did_not_see_it(folder):
    study = folder / "study"
    runs = json.loads((study / "models/runs.json").read_text())["runs"]
    assert [entry["name"] for entry in runs] == [
        f"{name}_seed-0_fold-{fold}" for name in ("make", "small_cnn") for fold in (1, 2, 3)
    ]
    for entry in runs:
        part_of = {
            row["subject"]: row["part"] for row in rows(study / "models" / entry["name"] / "split.tsv")
        }
        assert {subject for subject, part in part_of.items() if part == "test"} == set(entry["held_out"])
    for model in ("make_seed-0", "small_cnn_seed-0"):
        subjects = [row["subject"] for row in rows(study / "evaluation" / model / "predictions_subjects.tsv")]
        assert subjects == [f"sub-{number:02}" for number in range(1, 10)]


def test_maps_of_a_scan_are_by_the_model_that_held_its_subject_out(folder):
    study = folder / "study"
    maps = {found.name: found for found in find_maps(study / "maps")}
    assert len(maps) == 9
    runs = json.loads((study / "models/runs.json").read_text())["runs"]
    predicted = rows(study / "evaluation/make_seed-0/predictions_slices.tsv")
    for entry in runs[:3]:
        for subject in entry["held_out"]:
            expected = {
                int(row["slice"]): [float(row[f"p_{name}"]) for name in maps[subject].classes]
                for row in predicted
                if row["subject"] == subject
            }
            for index, given in zip(maps[subject].slices, maps[subject].probabilities, strict=True):
                np.testing.assert_allclose(given, expected[int(index)], atol=2e-3)


def test_networks_and_baselines_stand_in_one_table(folder):
    table = rows(folder / "study/evaluation/comparison.tsv")
    assert [row["name"] for row in table] == [
        "make_seed-0",
        "small_cnn_seed-0",
        "baseline_majority",
        "baseline_age_sex",
        "baseline_intensity",
        "baseline_volume",
        "baseline_lesion_load",
        "baseline_all_measures",
    ]
    for row in table:
        metrics = json.loads((folder / "study/evaluation" / row["name"] / "metrics.json").read_text())
        assert float(row["balanced_accuracy"]) == pytest.approx(
            metrics["subjects"]["balanced_accuracy"]["value"], abs=1e-4
        )
        assert row["subjects"] == "9"
    first = float(table[0]["balanced_accuracy"])
    gains = [float(row["balanced_accuracy_gain_of_first"]) for row in table[1:]]
    assert gains == pytest.approx([first - float(row["balanced_accuracy"]) for row in table[1:]], abs=2e-4)


def test_a_study_that_ended_is_told_from_its_logs_with_what_every_task_took(folder):
    found = Look(StudyFolders(folder / "study")).now()
    assert found.state == "done"
    assert not [*found.running, *found.broken_off, *found.left_out]
    assert {step.step: (step.done, step.total) for step in found.steps if step.done != step.total} == {}
    events = list(read_logs(folder / "study/.stratacam"))
    begun = dict.fromkeys(event["step"].partition(" ")[0] for event in events if event["event"] == "step")
    assert [step for step in RUN if step in begun] == list(begun), "status lists steps in their order"
    took = rows(folder / "study/resources.tsv")
    assert len({(row["step"], row["name"]) for row in took}) == len(took)
    assert {row["step"].partition(" ")[0] for row in took} == {*begun} - {"report"}
    assert all(float(row["memory_mb"]) > 50 for row in took)


def test_a_second_run_does_nothing_again_even_without_the_kept_activations(folder, capsys):
    shutil.rmtree(folder / "study" / "activations")
    assert run("run", folder / "study.toml") == 0
    said = capsys.readouterr().out
    for step in ("prepare", "pictures", "train", "evaluate", "baselines", "comparison", "explain", "report"):
        assert f"{step}: unchanged" in said
    assert not (folder / "study" / "activations").exists()


def test_a_step_that_is_forced_is_run_again_and_no_other(folder, capsys):
    assert run("run", folder / "study.toml", "--force", "evaluate", "--force", "comparison") == 0
    said = capsys.readouterr().out
    assert said.count("evaluate: again, since --force asks for it") == 2
    assert "comparison: again, since --force asks for it" in said
    assert "train: unchanged" in said
    assert run("run", folder / "study.toml") == 0
    assert "again" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def evidence(folder):
    """Evidence of both networks; the heads of the phantoms are taken to lie in MNI152 space as they are."""
    for scan in find_prepared(folder / "study/prepared"):
        SimpleITK.WriteTransform(SimpleITK.AffineTransform(3), str(scan.template_transform))
    assert run("evidence", folder / "study.toml") == 0
    return folder / "study/evidence"


def test_evidence_has_every_layer_of_every_network_with_intervals(evidence):
    found = read_rows(evidence / "make_seed-0/layers.tsv", Summary)
    of_maps = {one.layer for one in found if one.method == "gradcam"}
    assert of_maps == {"body1.0", "body1.2", "body2.0", "body2.2", "body1.2+body2.2"}
    measures = {one.measure for one in found}
    assert measures >= {
        "lit_share", "gini", "inside_brain", "blank", "correlation", "road", "deletion", "insertion", "above_rank",
        "cascade_rank", "independent_ssim", "repeat_rank", "repeat_icc", "group_likeness",
    }  # fmt: skip
    changes = {one.against for one in found if one.measure == "repeat_rank"}
    assert changes >= {"neighbour", "shift", "noise", "fold"}
    assert all(one.low <= one.value <= one.high for one in found if one.subjects > 1 and one.low == one.low)
    assert (evidence / "small_cnn_seed-0/layers.tsv").is_file()


def test_the_provenance_says_when_evidence_was_measured(evidence):
    steps = json.loads((evidence.parent / "provenance.json").read_text())["steps"]
    measured = [one["finished"] for step, one in steps.items() if step.startswith("evidence")]
    assert min(measured) >= steps["explain"]["finished"]


def test_evidence_of_a_scan_is_by_the_model_that_held_its_subject_out(evidence, folder):
    about = json.loads((evidence / "make_seed-0/scans/sub-01_about.json").read_text())
    runs = json.loads((folder / "study/models/runs.json").read_text())["runs"]
    (held_out,) = [
        entry for entry in runs if entry["model"] == "make_seed-0" and "sub-01" in entry["held_out"]
    ]
    predicted = rows(folder / "study/evaluation/make_seed-0/predictions_subjects.tsv")
    assert about["explained"] == next(row["predicted"] for row in predicted if row["subject"] == "sub-01")
    assert about["group"] == rows(folder / "cohort/participants.tsv")[0]["group"]
    assert held_out["fold"] > 0
    seconds = json.loads((evidence / "make_seed-0/scans/.stratacam/seconds/sub-01.json").read_text())
    assert set(seconds) >= {"maps", "focus", "faithfulness", "sanity", "repeatability"}


def test_report_maps_evidence_and_evaluation_name_the_same_class_of_a_scan(evidence, folder):
    # slices differ: every fourth is explained and evaluated, every third is measured
    maps = {found.name: found.predicted for found in find_maps(folder / "study/maps")}
    evaluated = rows(folder / "study/evaluation/make_seed-0/predictions_subjects.tsv")
    measured = {
        path.name.partition("_")[0]: json.loads(path.read_text())["explained"]
        for path in (evidence / "make_seed-0/scans").glob("*_about.json")
    }
    assert maps == measured == {row["subject"]: row["predicted"] for row in evaluated}
    page = (folder / "study/report.html").read_text()
    (named,) = set(re.findall(r"(sub-\d+), group \w+ · predicted (\w+)", page))
    assert maps[named[0]] == named[1]


def test_every_sequence_has_its_value_in_every_scan_and_donors_are_of_other_classes(evidence, folder):
    group_of = {row["participant_id"]: row["group"] for row in rows(folder / "cohort/participants.tsv")}
    scans = evidence / "make_seed-0/scans"
    for path in scans.glob("*_sequences.tsv"):
        about = json.loads(path.with_name(path.name.replace("sequences.tsv", "about.json")).read_text())
        found = read_rows(path, SequenceValue)
        assert {row.sequence for row in found} == {"T1w", "T2w", "FLAIR"}
        assert {row.of_class for row in found} == {"control", "RRMS", "SPMS"}
        assert {group_of[row.donor] for row in found}.isdisjoint({about["explained"]})
        assert {row.donor for row in found}.isdisjoint({about["subject"]})
    summaries = read_rows(evidence / "make_seed-0/sequences.tsv", SequenceSummary)
    of_class = [one.value for one in summaries if one.explained == summaries[0].explained]
    assert sum(of_class[:3]) == pytest.approx(of_class[3], abs=1e-5)


def test_claims_and_recommendation_are_of_the_method(evidence):
    claims = json.loads((evidence / "make_seed-0/claims.json").read_text())["methods"]
    assert set(claims) == {"gradcam"}
    assert [claim["title"] for claim in claims["gradcam"]] == list(TITLES)
    reason = claims["gradcam"][2]["reason"]  # blocks are read from the names: body1, body2
    assert "9 subjects; 10 are needed" in reason
    recommended = json.loads((evidence / "make_seed-0/recommendation.json").read_text())["methods"]
    assert [one["method"] for one in recommended] == ["gradcam"]
    for one in recommended:
        for layer in one["layers"]:
            assert not (layer["verdict"] == "recommended" and layer["faults"])


def test_groups_are_compared_in_regions_and_voxels(evidence):
    folder = evidence / "make_seed-0"
    assert rows(folder / "comparison.tsv") == []  # nine subjects are too few
    groups = json.loads((folder / "groups.json").read_text())
    assert "2 kinds of maps (SPMS in everybody, own class of each scan), are " in groups["statement"]
    assert (
        "9 subjects (3 RRMS, 3 SPMS, 3 control); ANCOVA beside age and sex: of all groups in 0 of "
        in (groups["statement"])
    )
    assert len(groups["voxelwise"]) == 3
    assert all(
        "nothing was compared" in one["statement"] for one in groups["voxelwise"]
    )  # too few beside two
    assert "RRMS (3) less SPMS (3)" in groups["voxelwise"][0]["statement"]
    share = nibabel.load(folder / "group_maps/SPMS_gradcam_body22_SPMS_share.nii.gz")
    assert share.shape == template_grid(4.0).shape
    shares = np.asarray(share.dataobj)
    assert np.isnan(shares).any()  # where no slice reaches
    np.testing.assert_allclose(6 * shares, np.round(6 * shares))  # of one, two or three subjects


@pytest.mark.usefixtures("evidence")
def test_the_report_shows_the_evidence(folder):
    page = (folder / "study/report.html").read_text()
    assert "Which layer to believe: make" in page
    assert "Which layer to believe: small CNN" in page
    assert "The last convolution is the best compromise" in page
    assert list((folder / "study/figures").glob("figure-*-evidence-make_seed-0.png"))
    assert list((folder / "study/figures").glob("figure-*-sequences-make_seed-0.png"))


@pytest.mark.usefixtures("evidence")
def test_evidence_is_not_measured_again(folder, capsys):
    assert run("evidence", folder / "study.toml") == 0
    told = capsys.readouterr().out
    assert "evidence make_seed-0: unchanged (9)" in told
    assert "evidence tables: unchanged" in told
    assert "report: unchanged" in told
    assert run("run", folder / "study.toml") == 0
    assert "report: unchanged" in capsys.readouterr().out


@pytest.mark.usefixtures("evidence")
def test_evidence_for_a_class_that_is_not_there_says_which_are(folder):
    study = folder / "wrong_class.toml"
    study.write_text(STUDY.replace("[evidence]", '[evidence]\ntarget = "PPMS"'))
    with pytest.raises(InputError, match="found 'PPMS'; expected one of predicted, control"):
        run("evidence", study)


def test_leakage_trains_by_subject_and_by_slice_with_true_and_shuffled_groups(folder, capsys):
    assert run("leakage", folder / "study.toml", "--seeds", 2) == 0
    content = json.loads((folder / "study/leakage/leakage.json").read_text())
    assert [(row["unit"], row["labels"]) for row in content["conditions"]] == [
        ("subject", "true"), ("subject", "shuffled"), ("slice", "true"), ("slice", "shuffled"),
    ]  # fmt: skip
    for row in content["conditions"]:
        assert len(row["slices"]["per_seed"]) == 2
        assert row["slices"]["value"] == pytest.approx(np.mean(row["slices"]["per_seed"]))
    assert "slices of one person in training and test: accuracy is inflated" in capsys.readouterr().out
    page = (folder / "study/report.html").read_text()
    assert "shuffled" in page
    assert not list((folder / "study/leakage").rglob("model.safetensors"))


def test_a_network_in_folds_is_tested_by_training_on_permuted_groups(folder):
    study = folder / "study"
    assert "not tested" in (study / "report.html").read_text()
    assert run("permute", folder / "study.toml", "--times", 19) == 0
    content = json.loads((study / "permutations/permutations.json").read_text())
    assert content["network"] == "make_seed-0"
    metrics = json.loads((study / "evaluation/make_seed-0/metrics.json").read_text())["subjects"]
    for name in ("balanced_accuracy", "macro_auroc"):
        assert metrics[name]["p_value"] is None
        found = content[name]
        assert found["value"] == metrics[name]["value"]
        assert len(found["permuted"]) == 19
        as_high = sum(score >= found["value"] - 1e-9 for score in found["permuted"])
        assert found["p_value"] == pytest.approx((1 + as_high) / 20)
    of_subjects = (study / "report.html").read_text().split("majority of slices")[0]
    assert of_subjects.count("<td>not tested</td>") == 1  # accuracy
    made = {path: path.stat().st_mtime_ns for path in study.glob("permutations/runs/*/predictions.npz")}
    assert len(made) == 19 * 3
    assert run("permute", folder / "study.toml", "--times", 19) == 0
    assert made == {path: path.stat().st_mtime_ns for path in made}


def test_a_trained_model_classifies_scans_as_delivered_as_it_did_in_the_study(folder, tmp_path, capsys):
    study, name = folder / "study", "make_seed-0_fold-1"
    reference = str(folder / "nets.py") + ":make"
    runs = json.loads((study / "models/runs.json").read_text())["runs"]
    new = runs[0]["held_out"][:2]
    for subject in new:
        shutil.copytree(folder / "cohort" / subject, tmp_path / "new" / subject)
        masks = f"derivatives/masks/{subject}"
        shutil.copytree(folder / "cohort" / masks, tmp_path / "new" / masks)
    out = tmp_path / "out"
    predicting = "predict", study / "models" / name, tmp_path / "new", out
    assert run(*predicting, "--network", reference, "--workers", 1) == 0
    assert "not for diagnosis" in capsys.readouterr().out
    table = rows(out / "predictions.tsv")
    assert [row["scan"] for row in table] == new
    in_study = {
        row["subject"]: row for row in rows(study / "evaluation/make_seed-0/predictions_subjects.tsv")
    }
    assert {row["images_in_training"] for row in table} == {"test"}
    for row in table:
        for column in ("p_control", "p_RRMS", "p_SPMS", "calibrated_p_SPMS"):
            assert float(row[column]) == pytest.approx(float(in_study[row["scan"]][column]), abs=2e-3)


def test_a_network_that_a_user_wrote_is_not_run_on_the_cards_word(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "stratacam",
            "predict",
            str(folder / "study/models/make_seed-0_fold-1"),
            str(folder / "cohort"),
            str(tmp_path),
        ],
    )
    with pytest.raises(SystemExit):
        cli.main()
    assert "--network" in capsys.readouterr().err


def test_scans_that_were_prepared_otherwise_are_refused_unless_that_is_accepted(
    folder, tmp_path, monkeypatch, capsys
):
    prepared = tmp_path / "prepared"
    shutil.copytree(folder / "study" / "prepared", prepared)
    for record in prepared.rglob("*_record.json"):
        record.write_text(record.read_text().replace('"white_matter"', '"z_score"'))
    arguments = [
        "predict",
        str(folder / "study/models/make_seed-0_fold-1"),
        str(prepared),
        str(tmp_path / "out"),
        "--network",
        f"{folder / 'nets.py'}:make",
        "--workers",
        "1",
    ]
    monkeypatch.setattr(sys, "argv", ["stratacam", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == cli.UNUSABLE
    said = capsys.readouterr().err
    assert "prepare.intensity is 'z_score', the model's scans had 'white_matter'" in said
    assert "9 of 9 scans are not what" in said
    assert not (tmp_path / "out").exists()
    assert run(*arguments, "--accept-differences") == 0
    table = rows(tmp_path / "out/predictions.tsv")
    assert "prepare.intensity is 'z_score'" in table[0]["differences"]
    assert sum(row["images_in_training"] == "train" for row in table) >= 3
    capsys.readouterr()


def test_scans_of_other_voxels_than_the_models_differ(folder):
    (scan, *_) = find_prepared(folder / "study" / "prepared")
    _, card = load_model(folder / "study/models/small_cnn_seed-0_fold-1")
    assert differences_of(scan, card) == []
    finer = {**card.input, "voxels_mm": ((1.0, 1.0, 1.0), (1.2, 1.2, 3.0))}
    (found,) = differences_of(scan, card.model_copy(update={"input": finer}))
    assert found == "its voxels are 4 x 4 x 4 mm, the model's scans had 1 x 1 x 1 to 1.2 x 1.2 x 3 mm"


def test_a_split_that_cannot_be_made_is_told_before_any_scan_is_prepared(folder, tmp_path):
    for wrong, message in (
        ('group_by = "famly"', "famly"),
        ('table = "nothere.tsv"', "nothere.tsv"),
        ("folds = 99", "found 99"),
    ):
        text = STUDY.replace("folds = 3", wrong).replace('"cohort"', f'"{folder / "cohort"}"')
        text = text.replace("nets.py", f"{folder}/nets.py")
        (tmp_path / "study.toml").write_text(text)
        with pytest.raises(InputError, match=message):
            run("run", tmp_path / "study.toml")
        assert not (tmp_path / "study" / "prepared").exists()


def test_a_split_by_slice_carries_its_warning_into_model_metrics_tables_and_page(folder, tmp_path):
    warning = "slices of one person in training and test: accuracy is inflated"
    text = STUDY.replace("folds = 3", 'unit = "slice"').replace(
        '["nets.py:make", "small_cnn"]', '"small_cnn"'
    )
    text = text.replace('frozen = ["body1"]', "frozen = []").replace('["body2"]', '["block4_pool"]')
    (tmp_path / "study.toml").write_text(text.replace('"cohort"', f'"{folder / "cohort"}"'))
    shutil.copytree(folder / "study", tmp_path / "study")
    assert run("run", tmp_path / "study.toml") == 0
    study = tmp_path / "study"
    assert json.loads((study / "evaluation/small_cnn_seed-0/metrics.json").read_text())["warning"] == warning
    tables = [study / "evaluation/comparison.tsv", study / "models/small_cnn_seed-0/split.tsv"]
    for table in (*tables, *(study / "evaluation/small_cnn_seed-0").glob("*.tsv")):
        assert {row["warning"] for row in rows(table)} == {warning}, table
    assert load_model(study / "models/small_cnn_seed-0")[1].training["subjects"]["test"] == warning
    assert (study / "report.html").read_text().count(warning) > 3


BENCHMARK = (
    "--architecture", "small_cnn", "--method", "gradcam", "--size", 64, "--every", 3, "--copies", 1,
    "--epochs", 3, "--area", 16, "--targets", 1,
)  # fmt: skip


@pytest.fixture(scope="module")
def benchmark(folder):
    """Three prepared subjects, and what the benchmark with truth wrote about them."""
    prepared, out = folder / "three", folder / "benchmark"
    prepared.mkdir()
    shutil.copy(folder / "study/prepared/dataset_description.json", prepared)
    for name in ("sub-01", "sub-04", "sub-07"):
        shutil.copytree(folder / "study/prepared" / name, prepared / name)
    assert run("benchmark-truth", prepared, out, *BENCHMARK) == 0
    return prepared, out


def test_benchmark_with_truth_judges_every_layer_against_what_needs_no_network(benchmark):
    _, out = benchmark
    content = json.loads((out / "benchmark.json").read_text())
    assert content["subjects"] == ["sub-01", "sub-04", "sub-07"]
    assert 0 < content["scored_slices"] <= content["held_out_slices"]
    assert content["scored_slices"] == pytest.approx(
        content["accuracy"]["single"] * content["held_out_slices"]
    )
    table = read_rows(out / "table.tsv", ScoreRow)
    assert {one.group for one in table} <= set(CLASSES["shape"])
    assert {one.against for one in table if one.measure == "average_precision"} == {
        "",
        "decoys",
        "above decoys",
    }
    scored = {one.layer for one in table if (one.networks, one.method) == ("single", "gradcam")}
    assert scored == {*content["layers"], *content["fused"]}
    assert {one.method for one in table if one.networks == "none"} == {
        "edges",
        "intensity",
        "random",
        "truth at layer",
    }
    assert (out / "scores.png").is_file()
    assert not (out / "work").exists()


def test_benchmark_with_truth_does_not_use_what_another_one_left(benchmark, tmp_path, capsys):
    prepared, out = benchmark
    left = tmp_path / "work/activations"
    left.mkdir(parents=True)
    for scan in find_prepared(prepared):
        for group in CLASSES["shape"]:
            np.save(left / f"{scan.name}_{group}.npy", np.zeros(3, np.float16))
    assert run("benchmark-truth", prepared, tmp_path, *BENCHMARK) == 0
    assert (tmp_path / "table.tsv").read_bytes() == (out / "table.tsv").read_bytes()
    assert json.loads((out / "benchmark.json").read_text())["verdict"] in " ".join(
        capsys.readouterr().out.split()
    )


def test_benchmark_with_truth_needs_slices_to_decide_when_to_stop(benchmark, tmp_path):
    prepared, _ = benchmark
    with pytest.raises(InputError, match="too few slices to decide when to stop training"):
        run("benchmark-truth", prepared, tmp_path, *BENCHMARK, "--every", 12)
