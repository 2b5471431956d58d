"""Maps of a network that was trained on planted lesions, scored by these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam import cam
from stratacam.evidence.heat import Heat, explain_slices, heat_of
from stratacam.evidence.localisation import AVERAGE_PRECISION, scores_of
from stratacam.evidence.references import CEILING, EDGES, INTENSITY, edges_of, mask_at_layer
from stratacam.evidence.values import Summary, Value

SMOOTHGRAD = "smoothgrad"
COPIES_OF_SMOOTHGRAD = 16
RANDOM = "random"

MINIMUM_ACCURACY = 0.6
"""Of a network whose maps say something; two classes."""


@dataclass(frozen=True, eq=False)
class PlantedSlice:
    """One slice with planted lesions.

    Attributes:
        title: its class and scan.
        image: (3, rows, columns), as the network is given it.
        picture: (rows, columns), the channel that shows lesions best.
        truth: (rows, columns), the planted lesions.
        brain: (rows, columns).
        pixel_mm: edge of a pixel.
    """

    title: str
    image: NDArray[np.float32]
    picture: NDArray[np.float32]
    truth: NDArray[np.bool_]
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
        maps = explain_slices(model, one.image[None], target, method)
        for layer in maps.layers:
            heat[method, layer] = maps.heat(layer, one.brain.shape)[0]
            cells[layer] = (maps.raw[layer].shape[1], maps.raw[layer].shape[2])
    heat[SMOOTHGRAD, "input"] = _smoothgrad(model, one.image, target)
    references = {
        (EDGES, ""): edges_of(one.picture[None])[0] * one.brain,
        (INTENSITY, ""): one.picture * one.brain,
        (RANDOM, ""): np.random.default_rng(seed).random(one.brain.shape) * one.brain,
        **{(CEILING, layer): mask_at_layer(one.truth[None], shape)[0] for layer, shape in cells.items()},
    }
    every = {**heat, **references}
    stacked = np.stack([np.asarray(values, dtype=np.float32) for values in every.values()])
    scores = scores_of(stacked, one.truth, one.brain, one.pixel_mm)
    values = [
        Value(method, layer, measure, "", float(numbers[place]), 1)
        for place, (method, layer) in enumerate(every)
        for measure, numbers in scores.items()
        if not np.isnan(numbers[place])
    ]
    return ScoredSlice(values, tuple(cells), heat)


def verdict(table: Sequence[Summary], accuracy: float, count: int) -> str:
    """A sentence on whether maps find what the network must be using.

    Args:
        table: scores over slices or subjects.
        accuracy: share of the held-out slices that were classified right; chance is a half.
        count: of these slices.
    """
    if accuracy < 0.5 + 2 * np.sqrt(0.25 / count) or accuracy < MINIMUM_ACCURACY:
        return (
            f"The network is right on {accuracy:.0%} of the held-out slices, chance being 50%: it has not learnt what "
            "was planted, and its maps say nothing of it."
        )
    precision = [one for one in table if one.measure == AVERAGE_PRECISION.name]
    references = {one.method: one for one in precision if not one.layer}
    maps = [one for one in precision if one.layer and one.method != CEILING]
    best = max(maps, key=lambda one: one.value)
    edges = references[EDGES]
    better = [one for one in maps if one.low > edges.high]
    names = ", ".join(
        f"{one.method} at {one.layer}" for one in sorted(better, key=lambda one: -one.value)[:5]
    )
    return (
        f"The network is right on {accuracy:.0%} of the held-out slices. Best is {best.method} at {best.layer}: "
        f"average precision {best.value:.2f} ({best.low:.2f} to {best.high:.2f}); edges {edges.value:.2f}, the "
        f"FLAIR itself {references[INTENSITY].value:.2f}, random maps {references[RANDOM].value:.2f}. "
        + (
            f"Better than edges beyond both intervals: {names}."
            if better
            else "No map is clearly better than edges."
        )
    )


def _smoothgrad(model: nn.Module, image: NDArray[np.float32], target: int) -> Heat:
    explained = cam.explain(
        model,
        torch.from_numpy(image)[None],
        classes=target,
        method="input_gradient",
        smooth=COPIES_OF_SMOOTHGRAD,
    )
    raw = explained["input"].raw[:, 0].abs().numpy()
    return np.asarray(heat_of(raw, (image.shape[1], image.shape[2]))[0])
