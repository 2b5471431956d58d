"""The evidence of several methods is that of each alone; runs of the network are shared between them."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_cases import blob_slices
from torch import nn

from stratacam.evidence.measure import measure_scan
from stratacam.evidence.nulls import measure_nulls
from stratacam.evidence.regions.scan_heat import maps_for_groups
from stratacam.evidence.settings import EvidenceSettings
from stratacam.maps import Consensus
from stratacam.networks import build

METHODS = ("gradcam", "layercam")
REGIONS = np.tile(np.arange(1, 9).repeat(4)[:, None], (2, 1, 32))
SCAN = replace(blob_slices(count=2, size=32), regions=REGIONS)
SETTINGS = EvidenceSettings(
    methods=METHODS,
    slices=2,
    sanity_slices=1,
    sanity_draws=2,
    cascade=True,
    independent=True,
    fractions=(),
    surrogates=2,
    untrained=2,
    filled=(),
)


def network(seed):
    return build("small_cnn", classes=2, weights="none", seed=seed).eval()


MODELS = {"single": lambda: network(0), "consensus": lambda: Consensus([network(0), network(1)])}


def alone(settings):
    return [settings.model_copy(update={"methods": (method,)}) for method in settings.methods]


@pytest.mark.parametrize("kind", MODELS)
def test_every_value_is_that_of_its_method_alone(kind):
    model = MODELS[kind]()

    def measured(settings):
        return measure_scan(
            model, SCAN, settings, target=1, true_class=1, others={"seed": [network(2)], "fold": [network(3)]}
        )

    together = measured(SETTINGS)
    apart = [measured(settings) for settings in alone(SETTINGS)]
    expected = [value for one in apart for value in one.values]
    assert Counter(together.values) == Counter(dict.fromkeys(expected, 1))
    assert {value.measure for value in expected} >= {
        "above_rank",
        "cascade_rank",
        "independent_rank",
        "repeat_rank",
    }
    assert list(together.maps) == list(METHODS)


@pytest.mark.parametrize("kind", MODELS)
def test_nulls_and_heat_of_groups_are_those_of_each_method_alone(kind):
    model = MODELS[kind]()
    options = {"target": 1, "labels": range(1, 9), "seed": 3}
    together = measure_nulls(model, SCAN, SETTINGS, **options)
    maps = measure_scan(model, SCAN, SETTINGS, target=1).maps
    of_group = maps_for_groups(model, SCAN, maps, group_class=("control", 0), one_class=False)["control"]
    for settings in alone(SETTINGS):
        (method,) = settings.methods
        (expected,) = measure_nulls(model, SCAN, settings, **options).values()
        for found, one in zip(together[method], expected, strict=True):
            np.testing.assert_array_equal(found, one)
        by_itself = maps_for_groups(
            model, SCAN, {method: maps[method]}, group_class=("control", 0), one_class=False
        )
        for layer, raw in by_itself["control"][method].raw.items():
            np.testing.assert_array_equal(of_group[method].raw[layer], raw)


@pytest.mark.parametrize("kind", MODELS)
def test_more_methods_take_no_more_runs_where_only_maps_are_made(kind):
    model = MODELS[kind]()
    runs = Counter()
    first = model.members[0] if isinstance(model, Consensus) else model

    def counted(settings):
        runs.clear()
        with torch.no_grad():
            measure_nulls(model, SCAN, settings, target=1)
        return runs["runs"]

    def count(*_):
        runs["runs"] += 1

    handle = next(first.children()).register_forward_hook(count)
    try:
        assert counted(SETTINGS) == counted(alone(SETTINGS)[0]) > 0
    finally:
        handle.remove()


class Beside(nn.Module):
    """A network with a layer that the score does not depend on, of which only some methods have maps."""

    def __init__(self):
        super().__init__()
        self.first, self.aside = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 3, padding=1)
        self.last = nn.Linear(8, 2)

    def forward(self, given):
        self.aside(given)
        return self.last(torch.relu(self.first(given)).mean(dim=(2, 3)))


@pytest.mark.parametrize("methods", [("gradcam", "eigencam"), ("eigencam", "gradcam")])
def test_methods_with_maps_of_other_layers_keep_all_their_values(methods):
    torch.manual_seed(0)
    model = Beside().eval()
    settings = SETTINGS.model_copy(update={"methods": methods, "fused": (), "cascade": False})

    def measured(settings):
        return measure_scan(model, SCAN, settings, target=1, true_class=1)

    together = measured(settings)
    expected = [value for one in alone(settings) for value in measured(one).values]
    assert Counter(together.values) == Counter(dict.fromkeys(expected, 1))
    assert together.maps["eigencam"].layers == ("first", "aside")
    assert together.maps["gradcam"].layers == ("first",)
    heat = maps_for_groups(model, SCAN, together.maps, group_class=("control", 0), one_class=False)
    assert {method: maps.layers for method, maps in heat["control"].items()} == {
        method: maps.layers for method, maps in together.maps.items()
    }
