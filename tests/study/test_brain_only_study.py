"""A whole study of a network that sees the brain alone, from pictures to evidence and new scans."""

import csv
import json

import numpy as np
import pytest
import torch

from stratacam import cli
from stratacam.evidence.rows import read_rows
from stratacam.evidence.values import Summary
from stratacam.maps import explained_pictures, find_maps, predicted_class
from stratacam.networks import load_model, takes_brain
from stratacam.networks.masked import cells_of
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
brain = "features"
[split]
folds = 3
[training]
frozen = ["block1_*", "block2_*"]
epochs = 2
[evidence]
methods = ["layercam"]
layers = ["block2_conv2", "block4_conv2"]
fused = ["block2_conv2+block4_conv2"]
slices = 1
sanity_slices = 1
sanity_draws = 1
cascade = false
controls = 1
strangers = 1
surrogates = 1
untrained = 1
permutations = 0
[run]
workers = 1
"""


@pytest.fixture(scope="module")
def study(copy_prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("brain")
    copy_prepared(folder, control=3, RRMS=3)
    (folder / "study.toml").write_text(STUDY)
    cli.app(["run", str(folder / "study.toml")], standalone_mode=False)
    cli.app(["evidence", str(folder / "study.toml")], standalone_mode=False)
    return folder / "study"


def test_cached_activations_and_pictures_come_with_the_brain(study):
    (cached,) = (study / "activations").iterdir()
    for scan in find_prepared(study / "prepared"):
        brain = np.load(study / "pictures" / f"{scan.name}_brain.npy")
        assert brain.shape == np.load(study / "pictures" / f"{scan.name}.npy")[:, 0].shape
        assert 0.1 < brain.mean() < 0.9
        assert np.array_equal(np.load(cached / f"{scan.name}_brain.npy")[0], brain)


def test_maps_of_every_layer_are_0_outside_the_brain(study):
    model, card = load_model(study / "models/small_cnn_seed-0_fold-1")
    assert takes_brain(model)
    scans = {scan.name: scan for scan in find_prepared(study / "prepared")}
    explained = find_maps(study / "maps")
    assert len(explained) == 6
    for maps in explained:
        brain = torch.from_numpy(explained_pictures(card, scans[maps.name]).brain)[:, None].float()
        for layer in maps.layers:
            raw = torch.from_numpy(np.asarray(maps.raw(layer)))
            outside = cells_of(brain, raw)[:, 0] == 0
            assert not raw[outside].any()


def test_every_layer_asked_for_has_evidence(study):
    rows = read_rows(study / "evidence/small_cnn_seed-0/layers.tsv", Summary)
    layers = "block2_conv2", "block4_conv2"
    assert {row.layer for row in rows if row.measure == "repeat_rank"} == {*layers, "+".join(layers)}
    measures = {row.measure for row in rows}
    assert {"above_rank", "road", "gini"} <= measures


def test_a_scan_gets_the_class_in_every_way_that_it_is_classified(study, tmp_path):
    folder = study / "models/small_cnn_seed-0_fold-1"
    arguments = ["predict", str(folder), str(study / "prepared"), str(tmp_path / "out")]
    cli.app(arguments, standalone_mode=False)
    with (tmp_path / "out/predictions.tsv").open() as table:
        predicted = {row["scan"]: row["predicted"] for row in csv.DictReader(table, delimiter="\t")}
    model, card = load_model(folder)
    for scan in find_prepared(study / "prepared"):
        assert predicted[scan.name] == card.classes[predicted_class(model, card, scan)]
    assert json.loads((folder / "card.json").read_text())["brain"] == "features"
