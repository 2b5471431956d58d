"""Maps of networks that were trained on planted lesions, scored by targets and by decoys.

A map that shows bright tissue finds both alike; one that shows what the network uses finds targets only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam import cam
from stratacam.evidence.draws import generator
from stratacam.evidence.localisation import AVERAGE_PRECISION, POINTING, scores_of
from stratacam.evidence.references import CEILING, EDGES, INTENSITY, edges_of, mask_at_layer
from stratacam.evidence.values import Value
from stratacam.maps.fused import candidate_fusions, is_fused
from stratacam.maps.heat import Heat, heat_of
from stratacam.maps.slice_maps import explain_slices_by
from stratacam.networks import inputs_of

SINGLE, CONSENSUS, NONE = "single", "consensus", "none"
"""Whose maps they are: of the first network, of all as one, or of no network at all."""

SMOOTHGRAD = "smoothgrad"
COPIES_OF_SMOOTHGRAD = 16
RANDOM = "random"

DECOYS, ABOVE_DECOYS = "decoys", "above decoys"
"""Against what a score stands: that on decoys, and that on targets less that on decoys."""

BY_DECOYS = (AVERAGE_PRECISION.name, POINTING.name)
"""Scores that are taken of decoys too."""


@dataclass(frozen=True, eq=False)
class PlantedSlice:
    """One slice with planted lesions.

    Attributes:
        group: its class.
        scan: that it was planted into.
        image: (3, rows, columns), as the network is given it.
        picture: (rows, columns), the channel that shows lesions best.
        truth: (rows, columns), the targets.
        decoys: (rows, columns).
        brain: (rows, columns).
        pixel_mm: edge of a pixel.
    """

    group: str
    scan: str
    image: NDArray[np.float32]
    picture: NDArray[np.float32]
    truth: NDArray[np.bool_]
    decoys: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    pixel_mm: float


@dataclass(frozen=True, eq=False)
class ScoredSlice:
    """Scores of every map of one slice.

    Attributes:
        values: the scores, by whose maps they are; references have no layer, or are "truth at layer".
        layers: of the networks, shallow to deep.
        fused: maps over several layers, see `stratacam.maps.fused`.
        heat: by networks, method and layer.
    """

    values: Mapping[str, list[Value]]
    layers: tuple[str, ...]
    fused: tuple[str, ...]
    heat: Mapping[tuple[str, str, str], Heat]


def score_maps(
    networks: Mapping[str, nn.Module],
    slices: Sequence[PlantedSlice],
    target: int,
    methods: Sequence[str],
    *,
    seed: int,
    smoothgrad: bool = True,
) -> Iterator[ScoredSlice]:
    """Score the maps of every layer and fused layer by each method, SmoothGrad, and the references.

    SmoothGrad is the magnitude of the mean input gradient over 16 noisy copies (D. Smilkov et al., 2017). The slices
    are explained together: scales of consensus and fused maps are over all of them.

    Args:
        networks: trained, in evaluation mode: one as `SINGLE`, and the consensus of several where there is one.
        slices: of one scan and class.
        target: position of their class.
        methods: that give a map for each layer.
        seed: of the random maps.
        smoothgrad: whether SmoothGrad is scored.
    """
    images, brain = np.stack([one.image for one in slices]), np.stack([one.brain for one in slices])
    fused = candidate_fusions(cam.match_layers(networks[SINGLE]))
    maps = {
        (name, method): found
        for name, network in networks.items()
        for method, found in explain_slices_by(
            network, images, brain, target, methods, layers=("all", *fused)
        ).items()
    }
    raw = next(iter(maps.values())).raw
    for place, one in enumerate(slices):
        shape = (one.brain.shape[0], one.brain.shape[1])
        heat = {
            (*whose, layer): heat_of(found.raw[layer][[place]], shape)[0]
            for whose, found in maps.items()
            for layer in raw
        }
        if smoothgrad:
            heat[SINGLE, SMOOTHGRAD, "input"] = _smoothgrad(networks[SINGLE], one, target)
        random = generator(seed, "random map", one.group, one.scan, place)
        references = {
            (NONE, EDGES, ""): edges_of(one.picture[None])[0] * one.brain,
            (NONE, INTENSITY, ""): one.picture * one.brain,
            (NONE, RANDOM, ""): random.random(one.brain.shape) * one.brain,
            **{
                (NONE, CEILING, layer): mask_at_layer(one.truth[None], cells.shape[1:])[0]
                for layer, cells in raw.items()
            },
        }
        every = {**heat, **references}
        values = {
            name: score_heat({key[1:]: found for key, found in every.items() if key[0] == name}, one)
            for name in (*networks, NONE)
        }
        yield ScoredSlice(values, tuple(layer for layer in raw if not is_fused(layer)), fused, heat)


def score_heat(heat: Mapping[tuple[str, ...], Heat], one: PlantedSlice) -> list[Value]:
    """Score heat by the targets of a slice, and average precision and pointing by the decoys too.

    Args:
        heat: (rows, columns) each, by method and layer.
        one: the slice.
    """
    stacked = np.stack([np.asarray(values, dtype=np.float32) for values in heat.values()])
    scores = scores_of(stacked, one.truth, one.brain, one.pixel_mm)
    decoys = scores_of(stacked, one.decoys, one.brain, one.pixel_mm)
    rows = {(measure, ""): numbers for measure, numbers in scores.items()}
    for measure in BY_DECOYS:
        rows[measure, DECOYS] = decoys[measure]
        rows[measure, ABOVE_DECOYS] = scores[measure] - decoys[measure]
    return [
        Value(method, layer, measure, against, float(numbers[place]), 1)
        for place, (method, layer) in enumerate(heat)
        for (measure, against), numbers in rows.items()
        if not np.isnan(numbers[place])
    ]


def _smoothgrad(model: nn.Module, one: PlantedSlice, target: int) -> Heat:
    explained = cam.explain(
        model,
        inputs_of(model, torch.from_numpy(one.image)[None], torch.from_numpy(one.brain)[None]),
        classes=target,
        method="input_gradient",
        smooth=COPIES_OF_SMOOTHGRAD,
    )
    raw = explained["input"].raw[:, 0].abs().numpy()
    return np.asarray(heat_of(raw, (one.brain.shape[0], one.brain.shape[1]))[0])
