"""A whole study of late fusion: a branch for every sequence, from training to evidence, report and new scans."""

import csv
import json

import numpy as np
import pytest
from rich.console import Console

from stratacam import cli
from stratacam.cam import match_layers
from stratacam.errors import InputError
from stratacam.evidence.measure import measured_fusions, plain_layers
from stratacam.evidence.rows import read_rows
from stratacam.evidence.sequences.by_class import SequenceSummary
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.values import Summary
from stratacam.maps import Consensus, classify_scan, find_maps
from stratacam.maps.heat import scale_of_signed
from stratacam.maps.slice_maps import explain_slices
from stratacam.maps.volumes import StackNetwork
from stratacam.networks import LateFusion, branches_of, load_model, make_network
from stratacam.scans.prepared import find_prepared
from stratacam.study.configuration import check_configuration, read_configuration
from stratacam.study.run import run_study

STUDY = """\
out = "study"
repeats = 2
[cohort]
input = "cohort"
[prepare]
template = false
[pictures]
size = 32
every = 4
sequences = ["T1w", "FLAIR"]
[network]
architecture = "small_cnn"
fusion = "late"
[split]
folds = 3
[training]
epochs = 2
frozen = ["*.block1_*"]
[explain]
models = "all"
[evidence]
networks = ["single", "consensus"]
methods = ["layercam"]
layers = ["*.block3_conv2", "*.block4_conv?"]
sanity_slices = 2
sanity_draws = 1
controls = 1
strangers = 1
donors = 1
surrogates = 1
untrained = 1
permutations = 0
[run]
workers = 1
"""
LAYERS = ("block3_conv2", "block4_conv1", "block4_conv2")
PLAIN = {f"{name}.{layer}" for name in ("T1w", "FLAIR") for layer in LAYERS}
FUSED = {f"{name}.block3_conv2+{name}.block4_conv2" for name in ("T1w", "FLAIR")}


@pytest.fixture(scope="module")
def study(copy_prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fusion")
    copy_prepared(folder, control=3, RRMS=3)
    (folder / "study.toml").write_text(STUDY)
    cli.app(["run", str(folder / "study.toml")], standalone_mode=False)
    cli.app(["evidence", str(folder / "study.toml")], standalone_mode=False)
    return folder / "study"


@pytest.mark.long
def test_every_model_has_a_branch_for_each_sequence_with_its_frozen_layers(study):
    for folder in sorted((study / "models").glob("*seed-0_fold-*")):
        model, card = load_model(folder)
        assert isinstance(model, LateFusion)
        assert (card.fusion, card.branches, card.brain) == ("late", ("T1w", "FLAIR"), "features")
        assert card.training["settings"]["frozen"] == ["*.block1_*"]
    first, second = (load_model(study / f"models/small_cnn_seed-0_fold-{fold}")[0] for fold in (1, 3))
    frozen, trained = "FLAIR.block1_conv1", "FLAIR.block3_conv1"
    assert first.get_submodule(frozen).weight.equal(second.get_submodule(frozen).weight)
    assert not first.get_submodule(trained).weight.equal(second.get_submodule(trained).weight)
    assert not (study / "activations").exists()  # all layers are computed in every epoch


@pytest.mark.long
def test_maps_are_of_every_layer_of_every_branch(study):
    model, _ = load_model(study / "models/small_cnn_seed-0_fold-1")
    found = find_maps(study / "maps")
    assert len(found) == 6
    for maps in found:
        assert {*match_layers(model)} <= {*maps.layers}
        assert maps.raw("T1w.block4_conv2").any()
    names = {path.name for path in (study / "maps").rglob("*.nii.gz")}
    assert any("T1wblock4" in name.replace("-", "").replace(".", "") for name in names), names


@pytest.mark.long
def test_new_scans_are_predicted_as_by_the_model(study, tmp_path, run):
    model = study / "models/small_cnn_seed-0_fold-1"
    code, words = run("predict", model, study / "prepared", tmp_path / "out")
    assert code == 0, words
    with (tmp_path / "out/predictions.tsv").open() as table:
        predicted = {row["scan"]: float(row["p_RRMS"]) for row in csv.DictReader(table, delimiter="\t")}
    network, card = load_model(model)
    for scan in find_prepared(study / "prepared"):
        assert predicted[scan.name] == pytest.approx(classify_scan(network, card, scan)["RRMS"], abs=1e-5)
    code, words = run("explain", model, study / "prepared", tmp_path / "maps", "--subject", min(predicted))
    assert code == 0, words
    (maps,) = find_maps(tmp_path / "maps")
    assert "FLAIR.block4_pool" in maps.layers


@pytest.mark.long
@pytest.mark.parametrize("name", ["small_cnn_seed-0", "small_cnn_consensus"])
def test_evidence_is_of_all_branches_and_claims_over_depth_of_one(study, name):
    folder = study / "evidence" / name
    rows = read_rows(folder / "layers.tsv", Summary)
    assert {row.layer for row in rows} >= PLAIN | FUSED
    above = {row.layer: row.value for row in rows if row.measure == "above_rank"}
    assert {*above} == PLAIN | FUSED
    about = json.loads((folder / "about.json").read_text())
    assert about["last_convolution"] == "FLAIR.block4_conv2"
    claims = json.loads((folder / "claims.json").read_text())["methods"]["layercam"]
    names = [test["name"] for claim in claims for test in claim["tests"]]
    assert any("in the branch FLAIR" in one for one in names)
    assert any("FLAIR.block3_conv2 less FLAIR.block4_conv2" in one for one in names)
    assert not any("T1w" in one for one in names)
    values = read_rows(folder / "sequences.tsv", SequenceSummary)
    assert {row.sequence for row in values} == {"T1w", "FLAIR", "all"}


@pytest.mark.long
def test_the_report_says_how_sequences_are_joined(study):
    page = (study / "report.html").read_text(encoding="utf-8")
    assert "one branch for each sequence" in page


def test_fused_maps_tried_by_rule_are_within_a_branch():
    branches = ("T1w", "FLAIR")
    model = make_network("small_cnn", 2, weights="none", branches=branches)
    settings = EvidenceSettings(layers=("*_conv2",))
    found = measured_fusions(model, settings)
    assert {*FUSED} <= {*found}
    assert all(len({part.partition(".")[0] for part in name.split("+")}) == 1 for name in found)
    assert len(found) == 2 * 6
    with pytest.raises(ValueError, match="of 2 branches"):
        measured_fusions(model, EvidenceSettings(fused=("T1w.block4_conv2+FLAIR.block4_conv2",)))


def test_layers_that_patterns_match_are_measured_branch_by_branch():
    model = make_network("small_cnn", 2, weights="none", branches=("T1w", "FLAIR"))
    found = plain_layers(model, EvidenceSettings(layers=("*.block3_conv2", "*.block4_conv2")))
    assert found == tuple(f"{name}.{layer}" for name in ("T1w", "FLAIR") for layer in (LAYERS[0], LAYERS[2]))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_consensus_of_networks_with_branches_is_the_mean_of_their_scaled_maps(dimensions):
    """Of slices, and of volumes, whose maps are cut into slices."""
    members = [
        make_network(
            "small_cnn", 2, weights="none", seed=seed, brain="features", dimensions=dimensions,
            branches=("T1w", "FLAIR"),
        ).eval()
        for seed in (0, 1)
    ]  # fmt: skip
    if dimensions == 3:
        members = [StackNetwork(member, 32) for member in members]
    random = np.random.default_rng(0)
    images, brain = random.random((5, 3, 32, 32), dtype=np.float32), np.zeros((5, 32, 32), dtype=bool)
    brain[:, 4:28, 6:26] = True
    joined = Consensus(members)
    assert branches_of(joined) == ("T1w", "FLAIR")
    layers = ("*.block3_conv2", "FLAIR.block2_conv2+FLAIR.block3_conv2")
    found = explain_slices(joined, images, brain, 1, "layercam", layers=layers)
    each = [explain_slices(member, images, brain, 1, "layercam", layers=layers) for member in members]
    assert found.layers == ("T1w.block3_conv2", "FLAIR.block3_conv2", layers[1])
    for layer in found.layers:
        scaled = [one.raw[layer] / scale_of_signed(one.raw[layer], brain) for one in each]
        np.testing.assert_allclose(found.raw[layer], np.mean(scaled, axis=0), atol=1e-4)


def configured(**sections):
    content = {"out": "study", "cohort": {"input": "cohort"}, "network": {"fusion": "late"}}
    return check_configuration({**content, **sections}, "study.toml")


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"pictures": {"channels": "each"}}, 'choose pictures.channels = "sequences"'),
        ({"pictures": {"sequences": ["FLAIR"]}}, "expected two or more"),
        ({"cohort": {"input": "cohort", "sequences": ["T1w", "train"]}}, "named train"),
        ({"network": {"fusion": "late", "architecture": "given:card.toml"}}, "leave network.fusion out"),
        ({"network": {"fusion": "middle"}}, "early"),
    ],
)
def test_what_cannot_be_joined_late_is_refused(sections, message):
    with pytest.raises(InputError, match=message):
        configured(**sections)


def test_branches_see_three_channels_whatever_the_pictures_have():
    four = ["T1w", "T2w", "PDw", "FLAIR"]
    late = configured(cohort={"input": "cohort", "sequences": four})
    assert (late.channels, late.network_channels, late.branches) == (4, 3, tuple(four))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("epochs = 2", "epochs = 2\nrelevance = 1", "of the branch that is to be guided"),
        ('["*.block1_*"]', '["block1_*"]', "matches no layer"),
    ],
)
def test_layers_that_are_in_no_branch_are_refused_before_any_work(tmp_path, before, after, message):
    (tmp_path / "cohort").mkdir()
    (tmp_path / "study.toml").write_text(STUDY.replace(before, after))
    with pytest.raises(InputError, match=message):
        run_study(read_configuration(tmp_path / "study.toml"), Console(quiet=True))
