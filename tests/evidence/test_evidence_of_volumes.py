"""Evidence of a network that sees all slices together: what is changed is changed in all of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence_cases import blob_slices
from torch import nn

from stratacam.evidence.counterfactual.parcels import parcels
from stratacam.evidence.measure import measure_scan
from stratacam.evidence.nulls import measure_nulls
from stratacam.evidence.references import reference_maps
from stratacam.evidence.sequences.exchange import Exchange
from stratacam.evidence.sequences.values import sequence_values
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.strangers import Stranger
from stratacam.maps import Consensus
from stratacam.maps.volumes import StackNetwork
from stratacam.networks import build

SETTINGS = EvidenceSettings(
    methods=("gradcam", "layercam"),
    slices=2,
    sanity_slices=2,
    sanity_draws=1,
    controls=2,
    surrogates=2,
    untrained=1,
)
COUNT = 12


class Bright(nn.Module):
    """The logit of class 1 is the mean of bright voxels: what it sees is known, voxel by voxel."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 2, 1)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.bias.zero_()
            self.conv.weight[1] = 40.0
            self.conv.bias[1] = -90.0  # of three channels: above 0.75 in all
        self.relu = nn.ReLU()

    def forward(self, volumes):
        return 30 * self.relu(self.conv(volumes)).mean(dim=(2, 3, 4))


@pytest.fixture
def scan():
    one = blob_slices(count=COUNT, size=32, blobs=2)
    images = np.where(one.truth[:, None], 0.95, 0.5 * one.brain[:, None]).astype(np.float32)
    images = np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images
    return replace(one, images=images, together=True)


def rows(measured):
    return {value.key: value.value for value in measured.values}


def test_the_measures_of_a_network_that_sees_what_it_shows_say_so(scan):
    model = StackNetwork(Bright().eval())
    measured = measure_scan(
        model,
        replace(scan, structures={"lesion": scan.truth}, true_structures=("lesion",)),
        SETTINGS.model_copy(update={"methods": ("layercam",), "layers": ("conv",), "fused": ()}),
        target=1,
        true_class=1,
        references=reference_maps(scan, intensity=scan.images[:, 2]),
        strangers=[Stranger(scan.images[::-1].copy(), scan.brain)],
    )
    found = rows(measured)
    assert found["layercam", "conv", "road", "above control"] > 0.05
    assert found["layercam", "conv", "region_agreement", ""] > 0.9
    assert found["", "", "logit_change", "lesion above sham"] > 1
    assert found["layercam", "conv", "logit_change", "hottest above sham"] > 1


def test_every_measure_is_taken_of_a_consensus_of_networks_of_volumes(scan):
    members = [
        StackNetwork(build("small_cnn", 2, weights="none", dimensions=3, brain="features", seed=seed).eval())
        for seed in range(2)
    ]
    settings = SETTINGS.model_copy(
        update={"layers": ("block2_conv2", "block4_conv2"), "fused": ("block2_conv2+block4_conv2",)}
    )
    model = Consensus(members)
    with torch.no_grad():
        before = {name: value.clone() for name, value in model.state_dict().items()}
    measured = measure_scan(
        model,
        replace(scan, structures={"lesion": scan.truth}, true_structures=("lesion",)),
        settings,
        target=0,
        true_class=0,
        references=reference_maps(scan, intensity=scan.images[:, 2]),
        others={"seed": [members[0]]},
        strangers=[Stranger(scan.images[::-1].copy(), scan.brain[::-1].copy())],
    )
    kinds = {value.measure for value in measured.values}
    assert {"road", "region_agreement", "logit_change", "above_rank", "repeat_rank"} <= kinds
    assert all(np.isfinite(value.value) for value in measured.values)
    assert len(measured.maps["gradcam"].logits) == COUNT
    nulls = measure_nulls(model, scan, settings, target=0)
    assert nulls["gradcam"].surrogates.shape[0] == 1 + settings.surrogates
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_sequences_are_exchanged_in_all_slices_together(scan):
    model = StackNetwork(Bright().eval())
    dark = np.zeros_like(scan.images)
    exchange = Exchange(("A", "B", "C"), scan.images, dark, scan.brain, ("sub-9",) * COUNT)
    values = {
        (one.of_class, one.sequence): one.value for one in sequence_values(model, [exchange], ["0", "1"])
    }
    with torch.no_grad():
        whole = model(torch.from_numpy(scan.images))[0]
    total = sum(values["1", sequence] for sequence in "ABC")
    assert total == pytest.approx(float(whole[1] - whole[0]), rel=1e-4)
    assert values["1", "A"] == pytest.approx(values["1", "C"], rel=1e-4)


def test_parcels_of_a_brain_are_of_one_volume_and_cut_where_it_is_longest():
    brain = np.ones((4, 8, 8), dtype=bool)
    halves = parcels(brain, 1, (10.0, 1.0, 1.0))
    assert halves[0].all(axis=(1, 2)).tolist() == [True, True, False, False]
    eighths = parcels(brain, 3, (2.0, 1.0, 1.0))
    assert eighths.shape == (8, 4, 8, 8)
    assert (eighths.sum(axis=(1, 2, 3)) == 32).all()
    assert (eighths.sum(axis=0) == 1).all()
