"""Insertion, deletion and ROAD of every layer's map and of its control, in batches through the network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.faithfulness.control import control_map
from stratacam.evidence.faithfulness.imputation import impute
from stratacam.evidence.faithfulness.ranking import least, most, ranks
from stratacam.evidence.heat import Heat, SliceMaps
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.values import Value, mean_of

Mask = NDArray[np.bool_]

NOISE = 0.01
"""Standard deviation of the noise of ROAD's imputation, in units of the picture, [0, 1]."""

FRACTIONS = (0.1, 0.2, 0.4, 0.6, 0.8)

SIGNS = {"deletion": -1, "insertion": 1, "road_most": -1, "road_least": 1, "road": 1}
"""1 where more is more faithful."""

CONTROL, ABOVE = "control", "above control"


def faithfulness(
    model: nn.Module,
    scan: ScanSlices,
    maps: SliceMaps,
    *,
    fractions: Sequence[float] = FRACTIONS,
    batch_size: int = 32,
    seed: int = 0,
) -> list[Value]:
    """Every measure of every layer's map, of its random control, and how much more faithful the map is than that.

    Shares of the brain's pixels are removed; what is measured is the probability of the class explained.

    - deletion: area under it while the hottest pixels are set to black, 0 to all of them (V. Petsiuk et al., "RISE",
      2018); low is faithful.
    - insertion: area under it while the hottest pixels are put into the empty picture; high is faithful.
    - road_most, road_least: mean over `fractions` when the hottest, or the coldest, are replaced by noisy linear
      imputation; road: the second less the first; high is faithful.

    A slice whose map of a layer is blank is left out for that layer: it ranks nothing.

    Args:
        model: in evaluation mode, on its device.
        scan: a few slices.
        maps: of these slices.
        fractions: shares of the brain's pixels, ascending, between 0 and 1.
        batch_size: pictures at once.
        seed: of ties, controls and noise.
    """
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for index in range(len(scan)):
        shown = [
            layer for layer in maps.layers if maps.heat(layer, scan.shape)[index][scan.brain[index]].any()
        ]
        if not shown:
            continue
        heat = np.stack([maps.heat(layer, scan.shape)[index] for layer in shown])
        controls = np.stack(
            [
                control_map(maps.raw[layer][index], one, scan.brain[index], seed=seed + 1000 * index + number)
                for number, (layer, one) in enumerate(zip(shown, heat, strict=True))
            ]
        )
        scores = scores_of_slice(
            model,
            scan.images[index],
            scan.brain[index],
            np.concatenate([heat, controls]),
            maps.target,
            fractions=fractions,
            batch_size=batch_size,
            seed=seed + index,
        )
        for measure, numbers in scores.items():
            for layer, own, control in zip(shown, *np.split(numbers, 2), strict=True):
                rows = found.setdefault((layer, measure), {"": [], CONTROL: [], ABOVE: []})
                rows[""].append(float(own))
                rows[CONTROL].append(float(control))
                rows[ABOVE].append(SIGNS[measure] * float(own - control))
    return [
        value
        for (layer, measure), rows in found.items()
        for against, numbers in rows.items()
        for value in mean_of(maps.method, layer, measure, numbers, against)
    ]


def scores_of_slice(
    model: nn.Module,
    image: Heat,
    brain: Mask,
    heat: Heat,
    target: int,
    *,
    fractions: Sequence[float] = FRACTIONS,
    noise: float = NOISE,
    batch_size: int = 32,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Every measure of maps of one picture.

    Args:
        model: in evaluation mode, on its device.
        image: (3, rows, columns).
        brain: (rows, columns).
        heat: (m, rows, columns).
        target: position of the class.
        fractions: shares of the brain's pixels.
        noise: standard deviation of the imputation's noise; the same noise for every map.
        batch_size: pictures at once.
        seed: of ties and noise.

    Returns:
        By measure, (m,).
    """
    order = ranks(heat, brain, seed=seed)
    pictures = _Pictures(image, noise, seed)
    full, empty = pictures.black(np.zeros_like(brain)), pictures.black(brain)
    steps = {
        "deletion": [
            [full, *(pictures.black(most(one, brain, f)) for f in fractions), empty] for one in order
        ],
        "insertion": [
            [empty, *(pictures.black(brain & ~most(one, brain, f)) for f in fractions), full] for one in order
        ],
        **_road_steps(pictures, order, brain, fractions),
    }
    curves = pictures.curves(steps, model, target, batch_size)
    shares = [0.0, *fractions, 1.0]
    areas = {
        measure: np.asarray(np.trapezoid(curves[measure], shares, axis=1))
        for measure in ("deletion", "insertion")
    }
    return {**areas, **_road(curves)}


def road_of_slice(
    model: nn.Module,
    image: Heat,
    brain: Mask,
    heat: Heat,
    target: int,
    *,
    fractions: Sequence[float] = FRACTIONS,
    noise: float = NOISE,
    batch_size: int = 32,
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """ROAD alone; arguments and result as those of `scores_of_slice`."""
    pictures = _Pictures(image, noise, seed)
    steps = _road_steps(pictures, ranks(heat, brain, seed=seed), brain, fractions)
    return _road(pictures.curves(steps, model, target, batch_size))


def _road_steps(
    pictures: "_Pictures", order: NDArray[np.int64], brain: Mask, fractions: Sequence[float]
) -> dict[str, list[list[int]]]:
    """The places of the pictures that ROAD needs, for every map and fraction."""
    return {
        "road_most": [[pictures.imputed(most(one, brain, f)) for f in fractions] for one in order],
        "road_least": [[pictures.imputed(least(one, brain, f)) for f in fractions] for one in order],
    }


def _road(curves: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Means over the fractions, and the difference of the two orders."""
    hottest, coldest = (curves[measure].mean(axis=1) for measure in ("road_most", "road_least"))
    return {"road_most": hottest, "road_least": coldest, "road": coldest - hottest}


@dataclass(frozen=True)
class _Removal:
    removed: Mask
    imputed: bool


class _Pictures:
    """Pictures from which pixels were removed, each listed once, however many maps ask for it."""

    def __init__(self, image: Heat, noise: float, seed: int) -> None:
        self.image = image
        self.noise = np.random.default_rng(seed).normal(scale=noise, size=image.shape).astype(np.float32)
        self.places: dict[tuple[bool, bytes], int] = {}
        self.removals: list[_Removal] = []

    def black(self, removed: Mask) -> int:
        """The place of the picture with these pixels set to 0."""
        return self._place(_Removal(removed, imputed=False))

    def imputed(self, removed: Mask) -> int:
        """The place of the picture with these pixels filled in."""
        return self._place(_Removal(removed, imputed=True))

    def curves(
        self, steps: Mapping[str, list[list[int]]], model: nn.Module, target: int, batch_size: int
    ) -> dict[str, NDArray[np.float64]]:
        """By measure, the probability of the class at every step of every map: (m, steps)."""
        probability = self._probabilities(model, target, batch_size)
        return {measure: probability[np.array(places)] for measure, places in steps.items()}

    def _probabilities(self, model: nn.Module, target: int, batch_size: int) -> NDArray[np.float64]:
        """(pictures,), of the class."""
        device = next(model.parameters()).device
        found = []
        with torch.inference_mode():
            for start in range(0, len(self.removals), batch_size):
                batch = np.stack(list(self._made(self.removals[start : start + batch_size])))
                given = torch.from_numpy(batch).to(device, memory_format=torch.channels_last)
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                    logits = model(given)
                found.append(logits.float().softmax(dim=1)[:, target].double().cpu().numpy())
        return np.concatenate(found)

    def _place(self, removal: _Removal) -> int:
        key = (removal.imputed, np.packbits(removal.removed).tobytes())
        if key not in self.places:
            self.places[key] = len(self.removals)
            self.removals.append(removal)
        return self.places[key]

    def _made(self, removals: Sequence[_Removal]) -> Iterator[Heat]:
        for removal in removals:
            if removal.imputed:
                yield np.where(removal.removed, impute(self.image, removal.removed) + self.noise, self.image)
            else:
                yield np.where(removal.removed, np.float32(0), self.image)
