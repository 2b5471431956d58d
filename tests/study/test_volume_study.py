"""A whole study of a network of volumes, from pictures to evidence, report and new scans."""

import csv
import json

import numpy as np
import pytest
from rich.console import Console

from stratacam import cli
from stratacam.errors import InputError
from stratacam.evidence.rows import read_rows
from stratacam.evidence.values import Summary
from stratacam.maps import classify_scan, explained_pictures, find_maps
from stratacam.maps.volumes import for_slices
from stratacam.networks import load_model
from stratacam.scans.prepared import find_prepared
from stratacam.study.configuration import read_configuration
from stratacam.study.run import run_study

STUDY = """\
out = "study"
repeats = 2
[cohort]
input = "cohort"
[prepare]
template = false
[pictures]
dimensions = 3
size = 32
every = 4
[network]
architecture = "small_cnn"
brain = "features"
[split]
folds = 3
[training]
epochs = 2
[explain]
models = "all"
[evidence]
networks = ["consensus"]
methods = ["layercam"]
layers = ["block2_conv2", "block4_conv2"]
fused = ["block2_conv2+block4_conv2"]
sanity_slices = 2
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

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def study(copy_prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("volumes")
    copy_prepared(folder, control=3, RRMS=3)
    (folder / "study.toml").write_text(STUDY)
    cli.app(["run", str(folder / "study.toml")], standalone_mode=False)
    cli.app(["evidence", str(folder / "study.toml")], standalone_mode=False)
    return folder / "study"


def test_models_say_that_they_are_of_volumes_and_how_deep_these_are(study):
    models = sorted((study / "models").glob("*/card.json"))
    assert len(models) == 6
    for file in models:
        card = json.loads(file.read_text())
        assert (card["dimensions"], card["input"]["depth"], card["input"]["dimensions"]) == (3, 32, 3)
        assert card["training"]["settings"]["batch_size"] == 4


def test_every_scan_is_predicted_once_and_as_by_its_model(study, tmp_path, run):
    (folder,) = (study / "evaluation").glob("small_cnn_seed-0")
    with (folder / "predictions_slices.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert len(rows) == len({row["scan"] for row in rows}) == 6
    model = study / "models/small_cnn_seed-0_fold-1"
    code, words = run("predict", model, study / "prepared", tmp_path / "out")
    assert code == 0, words
    with (tmp_path / "out/predictions.tsv").open() as table:
        predicted = {row["scan"]: float(row["p_RRMS"]) for row in csv.DictReader(table, delimiter="\t")}
    network, card = load_model(model)
    for scan in find_prepared(study / "prepared"):
        given = classify_scan(for_slices(network, card), card, scan)
        assert predicted[scan.name] == pytest.approx(given["RRMS"], abs=1e-5)
    held_out = {row["scan"]: float(row["p_RRMS"]) for row in rows}
    split = {row.split("\t")[0]: row for row in (model / "split.tsv").read_text().splitlines()}
    tested = [name for name, row in split.items() if row.endswith("test") and name in held_out]
    assert all(held_out[name] == pytest.approx(predicted[name], abs=1e-4) for name in tested)


def test_maps_are_of_all_slices_that_the_network_sees(study):
    cards = [load_model(folder.parent)[1] for folder in (study / "models").glob("*/card.json")]
    explained = find_maps(study / "maps")
    assert len(explained) == 6
    for maps in explained:
        (scan,) = (one for one in find_prepared(study / "prepared") if one.name == maps.name)
        pictures = explained_pictures(cards[0], scan)
        assert maps.geometry.slices == pictures.geometry.slices
        raw = maps.raw("block1_conv2")
        assert raw.shape == (len(pictures.slices), *pictures.brain.shape[1:])
        assert not np.allclose(raw[0], raw[len(raw) // 2])
    assert list((study / "maps").rglob("*.nii.gz"))


def test_evidence_and_report_are_of_volumes(study):
    rows = read_rows(study / "evidence/small_cnn_consensus/layers.tsv", Summary)
    found = {row.measure for row in rows}
    assert {"road", "region_agreement", "above_rank", "repeat_rank"} <= found
    page = (study / "report.html").read_text(encoding="utf-8")
    assert "classifies whole volumes of T1w, T2w and FLAIR" in page
    assert "6 volumes were held out" in page


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("folds = 3", 'unit = "slice"', "networks see whole volumes"),
        ("every = 4", 'channels = "each"', "a volume has no other"),
        (
            '"small_cnn"\nbrain = "features"',
            '"timm:test_resnet"',
            "pictures only|not installed|import failed",
        ),
        ("[network]", '[network]\nweights = "imagenet"', "for volumes"),
    ],
)
def test_what_is_not_for_volumes_is_refused(study, tmp_path, before, after, message):
    file = tmp_path / "other.toml"
    cohort = f'input = "{study.parent / "cohort"}"'
    file.write_text(STUDY.replace(before, after).replace('input = "cohort"', cohort))
    with pytest.raises(InputError, match=message):
        run_study(read_configuration(file), Console(quiet=True))


def test_leakage_by_slice_is_not_measured_of_volumes(study):
    with pytest.raises(InputError, match="splits by slice"):
        cli.app(["leakage", str(study.parent / "study.toml")], standalone_mode=False)
