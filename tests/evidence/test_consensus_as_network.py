"""The evidence measures the consensus of several networks as it measures a network."""

import numpy as np
import pytest
from evidence_cases import blob_slices

from stratacam.evidence.measure import measure_scan
from stratacam.evidence.nulls import measure_nulls
from stratacam.evidence.references import reference_maps
from stratacam.evidence.repeatability import HALF
from stratacam.evidence.settings import EvidenceSettings
from stratacam.maps import Consensus
from stratacam.networks import build

SETTINGS = EvidenceSettings(
    slices=2, sanity_slices=1, sanity_draws=1, controls=1, surrogates=2, untrained=1, deletion=True
)

NEEDING_THE_NETWORK = {"road", "deletion", "above_rank", "cascade_rank", "repeat_rank", "logit_change"}
"""Measures that run the network again, whether or not it is right."""


@pytest.mark.parametrize("brain", ["off", "features"])
def test_every_kind_of_measure_and_null_is_measured_of_a_consensus(brain):
    members = [build("small_cnn", 2, weights="none", seed=seed, brain=brain).eval() for seed in (0, 1)]
    for name, layer in members[1].named_children():
        if name.startswith(("block1", "block2")):
            layer.load_state_dict(members[0].get_submodule(name).state_dict())
    scan = blob_slices(count=3, size=32, blobs=2)
    found = {}
    for name, model in (("one", members[0]), ("consensus", Consensus(members))):
        measured = measure_scan(
            model,
            scan,
            SETTINGS,
            target=0,
            true_class=0,
            references=reference_maps(scan, intensity=scan.images[:, 2]),
        )
        nulls = measure_nulls(model, scan, SETTINGS, target=0)
        found[name] = (
            {value.measure for value in measured.values} & NEEDING_THE_NETWORK,
            {method: [part.shape for part in draws] for method, draws in nulls.items()},
        )
        assert all(np.isfinite(value.value) for value in measured.values)
    assert found["one"] == found["consensus"]
    assert found["one"][0] == NEEDING_THE_NETWORK


@pytest.mark.parametrize(("count", "alike"), [(2, True), (3, True), (3, False)])
def test_halves_of_a_consensus_are_alike_as_far_as_its_networks_are(count, alike):
    members = [
        build("small_cnn", 2, weights="none", seed=0 if alike else seed).eval() for seed in range(count)
    ]
    scan = blob_slices(count=3, size=32, blobs=2)
    measured = measure_scan(Consensus(members), scan, SETTINGS.model_copy(update={"fractions": ()}), target=0)
    found = [one.value for one in measured.values if one.key[2:] == ("repeat_rank", HALF)]
    assert found
    if alike:
        assert min(found) > 1 - 1e-6
    else:
        assert np.mean(found) < 0.9
