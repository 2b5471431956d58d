"""Claims hold their error rate under maps that say nothing, and find what was planted."""

import types
from collections import Counter, OrderedDict

import numpy as np
import pytest
from benchmarks.made_up_maps import GRIDS, POOLS, make_study, noise_study, white
from torch import nn

from stratacam.cam import match_layers
from stratacam.cam.layers import pools_among
from stratacam.evidence.claim_test import Held, decide
from stratacam.evidence.claims import TITLES, assess_claims, last_convolution
from stratacam.evidence.draws import generator
from stratacam.evidence.nulls import Nulls
from stratacam.evidence.values import SubjectTable
from stratacam.files import read_json, write_json
from stratacam.networks import build
from stratacam.report.evidence.tables import claims_table

LAYERS = tuple(GRIDS)


def claims_of(made, *, learnt=True, layers=LAYERS, pools=POOLS, **changed):
    given = {"table": made.table, "nulls": made.nulls, "groups": made.groups, **changed}
    found = assess_claims(
        given["table"],
        given["nulls"],
        ["gradcam"],
        layers,
        pools,
        groups=given["groups"],
        learnt=learnt,
    )
    return found["gradcam"]


def concentrated(random, subjects, *, depth_effect):
    """Noise whose maps are more peaked the shallower the layer, beyond what their resolution does."""
    found = {}
    for number, (layer, size) in enumerate(GRIDS.items()):
        noise = white(random, subjects, size)
        power = 1 + depth_effect * (1 - number / (len(GRIDS) - 1))
        found[layer] = np.sign(noise) * np.abs(noise) ** power
    return found


def planted(subjects, *, seed, depth_effect):
    random = generator(seed, "planted")
    one = concentrated(random, subjects, depth_effect=depth_effect)
    plain = [{layer: white(random, subjects, size) for layer, size in GRIDS.items()} for _ in range(19)]
    return make_study(one, plain, seed=seed, surrogate_count=39)


def test_claims_of_a_network_with_branches_are_those_of_one_of_them():
    made = planted(12, seed=3, depth_effect=1.0)
    alone = claims_of(made)
    branches = ("T1w", "FLAIR")
    both = tuple(f"{name}.{layer}" for name in branches for layer in LAYERS)
    twice = {
        method: Nulls(*(np.concatenate([np.flip(draws, axis=2), draws], axis=2) for draws in nulls))
        for method, nulls in made.nulls.items()
    }
    keys = [
        (method, f"{name}.{layer}", measure, f"{name}.{against}" if against in LAYERS else against)
        for name in branches
        for method, layer, measure, against in made.table.keys
    ]
    table = SubjectTable(tuple(keys), made.table.subjects, np.tile(made.table.values, 2))
    found = assess_claims(
        table, twice, ["gradcam"], both, [f"{name}.{pool}" for name in branches for pool in POOLS],
        branch=("FLAIR",), groups=made.groups, learnt=True,
    )["gradcam"]  # fmt: skip
    for one, other in zip(alone, found, strict=True):
        assert (one.verdict, len(one.tests)) == (other.verdict, len(other.tests))
        for before, after in zip(one.tests, other.tests, strict=True):
            assert after.effect == pytest.approx(before.effect, nan_ok=True)
            assert "FLAIR" in after.name


def test_the_last_convolution_is_no_pool():
    assert last_convolution(LAYERS, POOLS) == "block5_conv3"


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


@pytest.mark.parametrize("kind", ["white noise", "sparse noise", "one smooth map for everybody"])
def test_maps_that_say_nothing_decide_no_claim(kind):
    """Of white noise, the lit share rises with depth by a rank correlation of 0.63, and claim 1 was "supported"."""
    found = Counter()
    for seed in range(4):
        made = noise_study(kind, 12, seed=seed, untrained=19, surrogate_count=19)
        found.update(claim.verdict for claim in claims_of(made))
    assert found["cannot say"] >= 15  # of 16


def test_what_is_planted_beyond_the_resolution_is_found():
    found = claims_of(planted(12, seed=0, depth_effect=1.5))
    by_gini = found[0].tests[0]
    assert by_gini.name == "rank correlation of depth with Gini index of heat"
    assert by_gini.verdict == "supported"
    assert by_gini.effect < -0.5
    assert by_gini.subjects == 12
    assert set(by_gini.p) == {"subjects", "surrogates", "untrained networks"}
    assert max(by_gini.p.values()) <= 0.05
    assert found[0].verdict == "partly supported"  # no truth is found


def test_the_opposite_contradicts():
    found = claims_of(planted(12, seed=0, depth_effect=-0.7))
    assert found[0].tests[0].verdict == "contradicted"


@pytest.mark.parametrize("subjects", [5, 9])
def test_few_subjects_say_nothing(subjects):
    for claim in claims_of(planted(subjects, seed=0, depth_effect=1.5)):
        assert claim.verdict == "cannot say"
        assert f"{subjects} subjects; 10 are needed" in claim.reason


@pytest.mark.parametrize(
    ("learnt", "reason"),
    [(None, "whether the network learned was not measured"), (False, "not shown to do better than chance")],
)
def test_nothing_is_said_of_a_network_that_was_not_shown_to_learn(learnt, reason):
    for claim in claims_of(planted(12, seed=0, depth_effect=1.5), learnt=learnt):
        assert claim.verdict == "cannot say"
        assert reason in claim.reason


def test_one_map_for_everybody_is_one_map():
    """Whatever it shows: it says nothing of other subjects."""
    made = planted(12, seed=0, depth_effect=1.5)
    same = Nulls(*(np.repeat(found[:, :1], 12, axis=1) for found in made.nulls["gradcam"]))
    for claim in claims_of(made, nulls={"gradcam": same}):
        assert claim.verdict == "cannot say"
        assert "all subjects have the same map" in claim.reason


def test_without_untrained_networks_nothing_is_said():
    made = planted(12, seed=0, depth_effect=1.5)
    (nulls,) = made.nulls.values()
    found = claims_of(made, nulls={"gradcam": Nulls(nulls.surrogates, nulls.untrained[:1])})
    assert found[0].tests[0].reason == "no draws of untrained networks"


def test_every_null_hypothesis_has_to_go_in_one_direction():
    held = {"subjects": Held(0.01, -1), "surrogates": Held(0.05, -2)}
    assert decide(-1, held) == ("supported", "")
    assert decide(1, held) == ("contradicted", "")
    assert decide(1, {**held, "untrained networks": Held(0.02, 1)})[0] == "cannot say"
    kept = {**held, "untrained networks": Held(0.06, -1)}
    assert decide(-1, kept) == ("cannot say", "p above 0.05 against untrained networks")


def test_the_block_before_the_last_is_held_against_the_last_convolution():
    names = [test.name for test in claims_of(noise_study("white noise", 10, seed=0, untrained=0))[2].tests]
    assert names[0] == "share of blank maps, block4_conv3 less block5_conv3"


def best_study(best, subjects=20, effect=1.0):
    """A study whose layers score noise in one part, but one of them more."""
    made = noise_study("white noise", subjects, seed=0, untrained=0, surrogate_count=0)
    keys = tuple(key for key in made.table.keys if key[2] == "road")
    values = generator(0, "scores").standard_normal((subjects, len(keys)))
    values[:, [key[1] for key in keys].index(best)] += effect
    return claims_of(made, table=SubjectTable(keys, made.table.subjects, values))[3]


def test_a_layer_that_leads_is_the_only_one_that_may_be_best():
    found = best_study("block5_conv3", effect=3.0)
    assert found.verdict == "supported"
    assert found.may_be_best == ("block5_conv3",)
    found = best_study("block3_conv1", effect=3.0)
    assert found.verdict == "contradicted"
    assert found.may_be_best == ("block3_conv1",)


def test_where_several_layers_may_be_best_they_are_named():
    found = best_study("block5_conv3", effect=0.0)
    assert found.verdict == "cannot say"
    assert found.reason.startswith("may be best: block1_conv1, ")
    assert "block5_conv3" in found.may_be_best


def test_a_claim_that_was_not_measured_is_shown_as_such_from_its_file(tmp_path):
    made = noise_study("white noise", 10, seed=0, untrained=0, surrogate_count=0)
    found = claims_of(made, table=SubjectTable((), made.table.subjects, np.empty((10, 0))), nulls={})
    write_json(tmp_path / "claims.json", {"gradcam": [claim.as_json() for claim in found]})
    claims = read_json(tmp_path / "claims.json")
    assert claims["gradcam"][0]["tests"][0]["effect"] is None
    shown = claims_table(types.SimpleNamespace(claims=claims), "gradcam")
    assert {row[3:] for row in shown.rows} == {("cannot say (not measured)", "-", "0", "-")}


def test_networks_without_blocks_have_no_test_of_them():
    made = noise_study("white noise", 10, seed=0, untrained=0, surrogate_count=0)
    names = ("first", "second", "third")
    found = claims_of(made, nulls={}, layers=names, pools=())
    assert (found[2].verdict, found[2].reason) == ("cannot say", "nothing to compare")
    assert [claim.title for claim in found] == list(TITLES)
