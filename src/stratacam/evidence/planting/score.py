"""Maps of a network that was trained on planted lesions, scored by targets and by decoys.

A map that shows bright tissue finds both alike; one that shows what the network uses finds targets only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam import cam
from stratacam.evidence.localisation import AVERAGE_PRECISION, scores_of
from stratacam.evidence.references import CEILING, EDGES, INTENSITY, edges_of, mask_at_layer
from stratacam.evidence.values import Value
from stratacam.maps.heat import Heat, heat_of
from stratacam.maps.slice_maps import explain_slices
from stratacam.networks import inputs_of

SMOOTHGRAD = "smoothgrad"
COPIES_OF_SMOOTHGRAD = 16
RANDOM = "random"

DECOYS, ABOVE_DECOYS = "decoys", "above decoys"
"""Against what average precision stands: that on decoys, and that on targets less that on decoys."""


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
        values: the scores; references have no layer, or are "truth at layer".
        layers: shallow to deep.
        heat: by method and layer.
    """

    values: list[Value]
    layers: tuple[str, ...]
    heat: Mapping[tuple[str, str], Heat]


def score_maps(
    model: nn.Module, one: PlantedSlice, target: int, methods: Sequence[str], *, seed: int
) -> ScoredSlice:
    """Score the maps of every layer by each method, SmoothGrad, and the references.

    SmoothGrad is the magnitude of the mean input gradient over 16 noisy copies (D. Smilkov et al., 2017).

    Args:
        model: trained, in evaluation mode.
        one: the slice.
        target: position of its class.
        methods: that give a map for each layer.
        seed: of the random map.
    """
    heat: dict[tuple[str, str], Heat] = {}
    cells: dict[str, tuple[int, int]] = {}
    for method in methods:
        maps = explain_slices(model, one.image[None], one.brain[None], target, method)
        for layer in maps.layers:
            heat[method, layer] = maps.heat(layer, one.brain.shape)[0]
            cells[layer] = (maps.raw[layer].shape[1], maps.raw[layer].shape[2])
    heat[SMOOTHGRAD, "input"] = _smoothgrad(model, one, target)
    references = {
        (EDGES, ""): edges_of(one.picture[None])[0] * one.brain,
        (INTENSITY, ""): one.picture * one.brain,
        (RANDOM, ""): np.random.default_rng(seed).random(one.brain.shape) * one.brain,
        **{(CEILING, layer): mask_at_layer(one.truth[None], shape)[0] for layer, shape in cells.items()},
    }
    return ScoredSlice(score_heat({**heat, **references}, one), tuple(cells), heat)


def score_heat(heat: Mapping[tuple[str, str], Heat], one: PlantedSlice) -> list[Value]:
    """Score heat by the targets of a slice, and its average precision by the decoys too.

    Args:
        heat: (rows, columns) each, by method and layer.
        one: the slice.
    """
    stacked = np.stack([np.asarray(values, dtype=np.float32) for values in heat.values()])
    scores = scores_of(stacked, one.truth, one.brain, one.pixel_mm)
    decoys = scores_of(stacked, one.decoys, one.brain, one.pixel_mm)[AVERAGE_PRECISION.name]
    rows = {(measure, ""): numbers for measure, numbers in scores.items()}
    rows[AVERAGE_PRECISION.name, DECOYS] = decoys
    rows[AVERAGE_PRECISION.name, ABOVE_DECOYS] = scores[AVERAGE_PRECISION.name] - decoys
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
