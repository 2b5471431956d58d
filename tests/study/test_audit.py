"""Audits: classifiers of others, and of this package, judged on scans without training."""

import csv
import json
import shutil

import pytest
import torch
from torch import nn

from stratacam import cli
from stratacam.errors import InputError
from stratacam.evidence.recommendation import criteria, rule
from stratacam.files import read_json
from stratacam.learning import ScanPictures
from stratacam.networks import ModelCard, build, load_model, save_model
from stratacam.scans.prepared import find_prepared
from stratacam.study.audit import write_audit
from stratacam.study.cohort import Cohort
from stratacam.study.configuration import read_configuration
from stratacam.study.folders import StudyFolders
from stratacam.study.planning import plan_runs

CARD = """\
[model]
classes = ["RRMS", "control"]
mean = [0.5]
deviation = [0.25]
trained_on = ["sub-01"]
[prepare]
template = false
[pictures]
size = 64
width_mm = 208
every = 4
[evidence]
methods = ["layercam"]
slices = 1
sanity_slices = 1
sanity_draws = 1
controls = 1
strangers = 1
surrogates = 1
untrained = 1
permutations = 0
[run]
workers = 1
"""


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(4, 2)

    def forward(self, pictures):
        return self.head(self.features(pictures).mean((2, 3)))


def write_model(folder, net=None):
    torch.manual_seed(0)
    axes = ({0: torch.export.Dim("count")},)
    program = torch.export.export((net or Net()).eval(), (torch.rand(2, 3, 64, 64),), dynamic_shapes=axes)
    torch.export.save(program, folder / "net.pt2")
    (folder / "card.toml").write_text(CARD)
    return folder / "net.pt2"


@pytest.fixture(scope="module")
def audit(copy_prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    copy_prepared(folder, control=3, RRMS=3, SPMS=1)
    model = write_model(folder)
    shutil.copytree(folder / "study/prepared", folder / "audit/study/prepared")
    command = ["audit", str(model), str(folder / "cohort"), str(folder / "audit")]
    cli.app([*command, "--card", str(folder / "card.toml"), "--accept-left-out"], standalone_mode=False)
    return folder / "audit"


pytestmark = pytest.mark.long


def test_the_audit_holds_the_classifier_its_card_and_a_study_that_can_be_run_again(audit):
    assert (audit / "model/net.pt2").is_file()
    configuration = read_configuration(audit / "study.toml")
    assert configuration.given.trained_on == ("sub-01",)
    assert configuration.cohort.groups == ("RRMS", "control")
    moved = audit.rename(audit.with_name("moved"))
    try:
        assert read_configuration(moved / "study.toml").given.file == moved / "model/net.pt2"
    finally:
        moved.rename(audit)


def test_predictions_are_the_classifiers_and_none_are_of_those_that_it_was_trained_on(audit):
    study = audit / "study"
    with (study / "evaluation/given_seed-0/predictions_subjects.tsv").open() as table:
        rows = {row["subject"]: row for row in csv.DictReader(table, delimiter="\t")}
    scans = find_prepared(study / "prepared")
    assert len(scans) == 6
    assert len(rows) == 5
    assert not any(name.endswith("01") for name in rows)


def test_people_of_a_class_that_the_classifier_does_not_know_are_left_out_and_listed(audit):
    study = audit / "study"
    with (study / "left_out.tsv").open() as table:
        (row,) = csv.DictReader(table, delimiter="\t")
    with (audit.parent / "cohort/participants.tsv").open() as table:
        (unknown,) = (
            row["participant_id"] for row in csv.DictReader(table, delimiter="\t") if row["group"] == "SPMS"
        )
    assert unknown in row.values()
    assert "SPMS" in " ".join(row.values())
    assert not (study / "pictures" / f"{unknown}.npy").exists()


def test_the_model_is_the_file_and_was_not_trained_here(audit):
    study = audit / "study"
    model, card = load_model(study / "models/given_seed-0")
    assert card.training["settings"] == {}
    assert card.training["temperature"] is None
    assert not (study / "models/given_seed-0/history.json").exists()
    assert isinstance(model.get_submodule("features.0"), nn.Module)


def test_the_report_says_that_nothing_was_trained(audit):
    page = (audit / "study/report.html").read_text(encoding="utf-8")
    assert "nobody was trained on here: it was asked of all 6 people" in page
    assert "trained on 1 of them, who are not judged" in page
    assert "There was no split." in page
    assert "Learning curves" not in page
    recommendation = read_json(audit / "study/evidence/given_seed-0/recommendation.json")
    (method,) = recommendation["methods"]
    assert not any("another training" in one for one in method["rule"]["criteria"])
    assert not any("other trainings" in reason for layer in method["layers"] for reason in layer["reasons"])


def test_nothing_is_done_again(audit, run):
    folder = audit.parent
    before = {file: file.stat().st_mtime_ns for file in (audit / "study/maps").rglob("zarr.json")}
    assert before
    model, cohort, card = folder / "net.pt2", folder / "cohort", folder / "card.toml"
    code, words = run("audit", model, cohort, audit, "--card", card)
    assert code == 3, words
    assert before == {file: file.stat().st_mtime_ns for file in (audit / "study/maps").rglob("zarr.json")}


def test_a_model_of_this_package_needs_no_card_and_is_shown_pictures_like_its_own(audit, tmp_path):
    model = build("small_cnn", 2, weights="none", brain="features")
    pictures = {"size": 64, "width_mm": 208, "shape": [64, 64], "pixel_mm": 3.25, "every": 4}
    sequences = {"sequences": ["T1w", "T2w", "FLAIR"], "prepared": ["T1w", "T2w", "FLAIR"]}
    card = ModelCard(
        architecture="small_cnn",
        classes=("RRMS", "control"),
        input={**pictures, **sequences, "normalisation": {"template": False}},
        training={},
        brain="features",
    )
    save_model(tmp_path / "mine", model, card)
    file = write_audit(tmp_path / "mine", audit.parent / "cohort", tmp_path / "audit")
    configuration = read_configuration(file)
    assert configuration.given.is_own
    assert (configuration.pictures.size, configuration.pictures.every) == (64, 4)
    assert configuration.prepare.template is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[model]", "[training]\nepochs = 2\n[model]"), "found the settings training"),
        (('"RRMS", ', ""), "expected those of the groups"),
    ],
)
def test_cards_that_do_not_fit_are_refused(audit, tmp_path, change, message):
    model = write_model(tmp_path)
    (tmp_path / "card.toml").write_text(CARD.replace(*change))
    command = ["audit", str(model), str(audit.parent / "cohort"), str(tmp_path / "out")]
    with pytest.raises(InputError, match=message):
        cli.app([*command, "--card", str(tmp_path / "card.toml")], standalone_mode=False)


def test_a_classifier_without_card_and_one_that_gives_probabilities_are_refused(audit, tmp_path):
    cohort = str(audit.parent / "cohort")
    with pytest.raises(InputError, match="found no card"):
        cli.app(["audit", str(write_model(tmp_path)), cohort, str(tmp_path / "a")], standalone_mode=False)

    class Halves(Net):
        def forward(self, pictures):
            first = super().forward(pictures)[:, :1].sigmoid()
            return torch.cat([first, 1 - first], dim=1)

    model = write_model(tmp_path, Halves())
    command = ["audit", str(model), cohort, str(tmp_path / "b"), "--card", str(tmp_path / "card.toml")]
    with pytest.raises(InputError, match=r"probabilities, as .*; expected logits"):
        cli.app(command, standalone_mode=False)


def test_those_whom_a_model_of_this_package_learnt_from_are_known_by_their_images_and_not_judged(tmp_path):
    (tmp_path / "cohort").mkdir()
    card = ModelCard(
        architecture="small_cnn",
        classes=("MS", "control"),
        input={"size": 64, "width_mm": 208, "shape": [64, 64], "pixel_mm": 3.25, "sequences": ["T1w"]},
        training={"images": {"one": "train", "two": "validation", "three": "test"}},
    )
    save_model(tmp_path / "mine", build("small_cnn", 2, weights="none"), card)
    configuration = read_configuration(
        write_audit(tmp_path / "mine", tmp_path / "cohort", tmp_path / "audit")
    )
    images = {"sub-1": ("one", "other"), "sub-2": ("two",), "sub-3": ("three",), "sub-4": ("unknown",)}
    pictures = tuple(ScanPictures(tmp_path, name, name, "MS") for name in images)
    cohort = Cohort(pictures, ("MS", "control"), {}, images=images)
    (plan,) = plan_runs(configuration, StudyFolders(configuration.out), cohort, configuration.split)
    assert (plan.split.train, plan.split.test) == (("sub-1", "sub-2"), ("sub-3", "sub-4"))


def test_the_rule_for_a_given_classifier_lacks_other_trainings_alone():
    asked, of_given = criteria(), criteria(given=True)
    assert {*asked} - {*of_given} == {pair for pair in asked if pair[1].alternatives}
    assert len(asked) == len(of_given) + 1
    assert "no other training" in rule(given=True).remarks
    assert json.dumps(rule()._asdict()) != json.dumps(rule(given=True)._asdict())
