"""A whole study of a network of timm, from pictures to maps, report and new scans."""

import csv
import json

import pytest
from rich.console import Console

from other_packages import needed
from stratacam import cli
from stratacam.errors import InputError
from stratacam.maps import find_maps, predicted_class
from stratacam.networks import load_model
from stratacam.scans.prepared import find_prepared
from stratacam.study.configuration import read_configuration
from stratacam.study.run import run_study

NAME = "timm:test_resnet"
STUDY = """\
out = "study"
[cohort]
input = "cohort"
[prepare]
template = false
[pictures]
size = 64
every = 4
[network]
architecture = "timm:test_resnet"
[split]
folds = 3
[training]
frozen = ["conv1", "bn1", "layer1"]
epochs = 2
[run]
workers = 1
"""


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def study(copy_prepared, tmp_path_factory):
    needed("timm")
    folder = tmp_path_factory.mktemp("elsewhere")
    copy_prepared(folder, control=3, RRMS=3)
    (folder / "study.toml").write_text(STUDY)
    cli.app(["run", str(folder / "study.toml")], standalone_mode=False)
    return folder / "study"


def test_every_fold_has_a_model_that_its_card_builds(study):
    timm = needed("timm")
    for fold in (1, 2, 3):
        model, card = load_model(study / f"models/timm-test_resnet_seed-0_fold-{fold}")
        assert type(model) is type(timm.create_model("test_resnet"))
        assert (card.architecture, card.brain, card.config) == (NAME, "off", None)
        assert card.training["versions"]["timm"] == timm.__version__


def test_maps_have_the_names_of_timms_layers(study):
    model, _ = load_model(study / "models/timm-test_resnet_seed-0_fold-1")
    explained = find_maps(study / "maps")
    assert len(explained) == 6
    for maps in explained:
        assert (
            {"conv1.0", "layer1.0.conv1", "layer4.0.conv2"}
            <= set(maps.layers)
            <= {name for name, _ in model.named_modules()}
        )


def test_the_report_says_which_network_of_which_package_it_is(study):
    page = (study / "report.html").read_text(encoding="utf-8")
    assert "test_resnet (timm)" in page
    assert "starting from random weights" in page
    assert "Wightman" in page


def test_a_finished_study_does_nothing_again(study):
    before = {file: file.stat().st_mtime_ns for file in study.glob("models/*/model.safetensors")}
    run_study(read_configuration(study.parent / "study.toml"), Console(quiet=True))
    assert before == {file: file.stat().st_mtime_ns for file in study.glob("models/*/model.safetensors")}


def test_new_scans_are_classified_and_layers_listed(study, tmp_path, run):
    folder = study / "models/timm-test_resnet_seed-0_fold-1"
    code, words = run("predict", folder, study / "prepared", tmp_path / "out")
    assert code == 0, words
    with (tmp_path / "out/predictions.tsv").open() as table:
        predicted = {row["scan"]: row["predicted"] for row in csv.DictReader(table, delimiter="\t")}
    model, card = load_model(folder)
    for scan in find_prepared(study / "prepared"):
        assert predicted[scan.name] == card.classes[predicted_class(model, card, scan)]
    code, words = run("layers", folder)
    assert code == 0, words
    assert "layer4.0.conv2" in words
    assert json.loads((folder / "card.json").read_text())["architecture"] == NAME


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('architecture = "timm:deit_tiny_patch16_224"', "pictures of 64 x 64 pixels, with which timm:deit"),
        ('architecture = "timm:resnet5O"', "is not a classifier of timm"),
        ('architecture = "timm:test_resnet"\nbrain = "features"', "whose layers cannot be masked"),
        ('architecture = "tim:resnet18"', "module 'tim' is not found"),
        ('architecture = "resnet19"', "'resnet19' is not known"),
        (
            'architecture = ["timm:test_resnet", "timm:./test_resnet"]',
            "is not a classifier of timm",
        ),
    ],
)
def test_what_does_not_suit_is_refused_before_anything_is_computed(study, change, message):
    file = study.parent / "other.toml"
    words = STUDY.replace('architecture = "timm:test_resnet"', change).replace('"study"', '"other"')
    file.write_text(words.replace('frozen = ["conv1", "bn1", "layer1"]\n', ""))
    with pytest.raises(InputError, match=message):
        run_study(read_configuration(file), Console(quiet=True))
    assert not (study.parent / "other" / "pictures").exists()
