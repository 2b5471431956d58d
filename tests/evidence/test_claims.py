import types
from collections import OrderedDict

import numpy as np
import pytest
from torch import nn

from stratacam.cam import match_layers
from stratacam.cam.layers import pools_among
from stratacam.evidence.claims import TITLES, assess_claims, last_convolution
from stratacam.evidence.values import SubjectTable
from stratacam.files import read_json, write_json
from stratacam.networks import build
from stratacam.report.evidence.tables import claims_table

LAYERS = (
    "block3_conv1",
    "block4_conv1",
    "block4_conv2",
    "block4_pool",
    "block5_conv1",
    "block5_conv2",
    "block5_pool",
)
POOLS = ("block4_pool", "block5_pool")
SUBJECTS = tuple(f"sub-{number:02d}" for number in range(12))


def table(**measures):
    """A table of measures: for each a value for every layer, shallow to deep, the same for all subjects but noise."""
    noise = np.random.default_rng(0).normal(scale=0.01, size=(len(SUBJECTS), len(LAYERS)))
    keys, columns = [], []
    for name, values in measures.items():
        measure, _, against = name.partition("__")
        keys += [("gradcam", layer, measure, against.replace("_", " ")) for layer in LAYERS]
        columns.append(np.asarray(values) + noise)
    return SubjectTable(tuple(keys), SUBJECTS, np.hstack(columns))


def verdicts(found):
    return {claim.title: claim.verdict for claim in found}


def test_the_last_convolution_is_no_pool():
    assert last_convolution(LAYERS, POOLS) == "block5_conv2"


def test_pools_are_known_by_their_modules_whatever_their_names():
    own = nn.Sequential(
        OrderedDict(
            spool=nn.Conv2d(1, 2, 3), a=nn.MaxPool2d(2), whirlpool=nn.Conv2d(2, 2, 3), b=nn.AvgPool2d(2)
        )
    )
    for model, last in (
        (own, "whirlpool"),
        (build("densenet121", 2), "denseblock4_norm"),
        (build("resnet18", 2), "layer4_block2"),
        (build("small_cnn", 2), "block4_conv2"),
    ):
        layers = match_layers(model)
        assert last_convolution(layers, pools_among(model, layers)) == last


def test_maps_that_spread_with_depth_support_the_first_two_claims():
    rising = np.linspace(0, 1, len(LAYERS))
    found = assess_claims(table(gini=1 - rising, lit_share=rising), "gradcam", LAYERS, POOLS)
    assert verdicts(found)[TITLES[0]] == "supported"
    assert verdicts(found)[TITLES[1]] == "supported"
    assert found[0].tests[0].effect == pytest.approx(-1, abs=0.02)
    assert found[0].tests[0].subjects == len(SUBJECTS)


def test_maps_that_narrow_with_depth_contradict_them():
    rising = np.linspace(0, 1, len(LAYERS))
    found = assess_claims(table(gini=rising, lit_share=1 - rising), "gradcam", LAYERS, POOLS)
    assert verdicts(found)[TITLES[0]] == "contradicted"
    assert verdicts(found)[TITLES[1]] == "contradicted"


def test_tests_that_point_both_ways_are_mixed():
    rising = np.linspace(0, 1, len(LAYERS))
    found = assess_claims(table(gini=1 - rising, average_precision=rising), "gradcam", LAYERS, POOLS)
    assert verdicts(found)[TITLES[0]] == "mixed"


def test_a_test_that_decides_nothing_makes_a_verdict_partial():
    rising = np.linspace(0, 1, len(LAYERS))
    scattered = np.tile([1, -1], len(SUBJECTS) // 2)[:, None] * rising
    keys = [
        ("gradcam", layer, measure, "") for measure in ("lit_share", "group_likeness") for layer in LAYERS
    ]
    values = np.hstack([np.tile(rising, (len(SUBJECTS), 1)), scattered])
    found = assess_claims(SubjectTable(tuple(keys), SUBJECTS, values), "gradcam", LAYERS, POOLS)
    assert [test.verdict for test in found[1].tests] == ["supported", "undecided"]
    assert verdicts(found)[TITLES[1]] == "partly supported"


def test_maps_that_do_not_depend_on_depth_leave_the_claims_undecided():
    scattered = np.random.default_rng(1).normal(size=(len(SUBJECTS), len(LAYERS)))
    keys = tuple(("gradcam", layer, "lit_share", "") for layer in LAYERS)
    found = assess_claims(SubjectTable(keys, SUBJECTS, scattered), "gradcam", LAYERS, POOLS)
    assert verdicts(found)[TITLES[1]] == "undecided"
    assert verdicts(found)[TITLES[0]] == "not measured"


def test_the_block_before_the_last_is_held_against_the_last_convolution():
    blank = [0, 0, 0.5, 0, 0, 0.1, 0]
    (by_blank, by_area, by_truth) = assess_claims(
        table(blank=blank, lit_share=[0.2] * 7), "gradcam", LAYERS, POOLS
    )[2].tests
    assert by_blank.name == "share of blank maps, block4_conv2 less block5_conv2"
    assert by_blank.effect == pytest.approx(0.4, abs=0.02)
    assert by_blank.verdict == "supported"
    assert by_area.effect == pytest.approx(0, abs=0.02)
    assert by_truth.verdict == "not measured"


def test_a_layer_that_leads_in_everything_is_the_best_compromise():
    best_last = [0, 0.1, 0.2, 0.3, 0.4, 1, 0.5]
    (test,) = assess_claims(table(gini=best_last, group_likeness=best_last), "gradcam", LAYERS, POOLS)[
        3
    ].tests
    assert test.effect == pytest.approx(1 / 6)
    assert test.verdict == "supported"
    best_first = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    (test,) = assess_claims(table(gini=best_first, group_likeness=best_first), "gradcam", LAYERS, POOLS)[
        3
    ].tests
    assert test.name.endswith("(block3_conv1)")
    assert test.verdict == "contradicted"


def test_where_the_truth_is_known_it_decides_what_localises():
    falling, rising = np.linspace(1, 0, 7), np.linspace(0, 1, 7)
    (test,) = assess_claims(table(gini=rising, average_precision=falling), "gradcam", LAYERS, POOLS)[3].tests
    assert test.name.endswith("(block3_conv1)")


def test_a_claim_that_was_not_measured_is_shown_as_such_from_its_file(tmp_path):
    found = assess_claims(SubjectTable((), SUBJECTS, np.empty((len(SUBJECTS), 0))), "gradcam", LAYERS, POOLS)
    write_json(tmp_path / "claims.json", {"gradcam": [claim.as_json() for claim in found]})
    claims = read_json(tmp_path / "claims.json")
    assert claims["gradcam"][0]["tests"][0]["effect"] is None
    shown = claims_table(types.SimpleNamespace(claims=claims), "gradcam")
    assert {row[2:5] for row in shown.rows} == {("-", "0", "not measured")}


def test_networks_without_blocks_have_no_test_of_them():
    names = ("first", "second", "third")
    keys = tuple(("gradcam", layer, "gini", "") for layer in names)
    values = np.random.default_rng(0).normal(size=(len(SUBJECTS), 3))
    assert (
        assess_claims(SubjectTable(keys, SUBJECTS, values), "gradcam", names, ())[2].verdict == "not measured"
    )
