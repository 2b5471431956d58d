"""A whole study of a network that is guided by the masks of lesions, on cached activations."""

import json

import numpy as np
import pytest

from stratacam import cli
from stratacam.errors import InputError
from stratacam.networks import load_model
from stratacam.scans.prepared import find_prepared

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
architecture = "small_cnn"
[split]
folds = 3
[training]
frozen = ["block1_*", "block2_*"]
epochs = 2
relevance = 2
relevance_mask = "lesion"
relevance_method = "gradcam"
[run]
workers = 1
"""


@pytest.fixture(scope="module")
def folder(copy_prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("guided")
    copy_prepared(folder, control=3, RRMS=3)
    (folder / "study.toml").write_text(STUDY)
    cli.app(["run", str(folder / "study.toml")], standalone_mode=False)
    return folder


def test_masks_are_cut_with_the_pictures_and_kept_with_every_copy(folder):
    study = folder / "study"
    (cached,) = (study / "activations").iterdir()
    lesions = {}
    for scan in find_prepared(study / "prepared"):
        mask = np.load(study / "pictures" / f"{scan.name}_label-lesion.npy")
        assert mask.shape == np.load(study / "pictures" / f"{scan.name}_brain.npy").shape
        copies = np.load(cached / f"{scan.name}_label-lesion.npy")
        assert np.array_equal(copies[0], mask)
        lesions[scan.name] = mask.sum()
    assert any(lesions.values())


def test_the_card_says_what_guided_the_model_and_what_other_air_does_to_it(folder):
    model = folder / "study/models/small_cnn_seed-0_fold-1"
    _, card = load_model(model)
    settings = card.training["settings"]
    assert settings["relevance"] == 2
    assert settings["relevance_mask"] == "lesion"
    assert settings["relevance_layer"] == "block4_conv2"
    assert settings["relevance_method"] == "gradcam"
    history = json.loads((model / "history.json").read_text())
    assert card.training["heat_outside"] == history["epochs"][card.training["best_epoch"] - 1]["heat_outside"]
    assert 0 < card.training["heat_outside"] <= 1
    assert set(card.training["air"]) == {"change", "spread", "flipped", "accuracy", "accuracy_after"}


def test_the_report_says_so(folder):
    cli.app(["report", str(folder / "study")], standalone_mode=False)
    page = (folder / "study/report.html").read_text()
    assert "Training was guided: the loss held 2 times the share of heat outside masks of lesion" in page


def test_a_label_without_a_mask_is_named_with_those_there_are(folder):
    other = folder / "other.toml"
    other.write_text(STUDY.replace('"lesion"', '"tumour"'))
    with pytest.raises(
        InputError,
        match=r"found 'tumour', of which no scan has a mask; expected \"brain\", or one of .*lesion",
    ):
        cli.app(["run", str(other)], standalone_mode=False)
