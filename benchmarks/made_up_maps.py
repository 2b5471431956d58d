"""Maps of made-up cohorts, of which it is known that they say nothing, or what they say: for the error rates of claims.

No network is needed: layers have the relative resolutions of VGG16's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.best_layer import PARTS
from stratacam.evidence.draws import generator
from stratacam.evidence.group_likeness import GROUP_CONTRAST, group_likeness
from stratacam.evidence.map_scores import Score, average_precision, map_scores
from stratacam.evidence.nulls import Nulls
from stratacam.evidence.surrogates import noise_spectra, surrogates
from stratacam.evidence.values import SubjectTable
from stratacam.maps.heat import heat_of

Maps = NDArray[np.float32]
Draw = Callable[[np.random.Generator, int, int], Maps]
"""From a stream, the number of subjects and the size of a layer's grid: (subjects, size, size)."""

SIZE = 32
GRIDS: Mapping[str, int] = {
    **dict.fromkeys(("block1_conv1", "block1_conv2"), 32),
    **dict.fromkeys(("block1_pool", "block2_conv1", "block2_conv2"), 16),
    **dict.fromkeys(("block2_pool", "block3_conv1", "block3_conv2", "block3_conv3"), 8),
    **dict.fromkeys(("block3_pool", "block4_conv1", "block4_conv2", "block4_conv3"), 4),
    **dict.fromkeys(("block4_pool", "block5_conv1", "block5_conv2", "block5_conv3"), 4),
    "block5_pool": 2,
}
POOLS = tuple(layer for layer in GRIDS if layer.endswith("pool"))
SURROGATES, UNTRAINED, OTHERS = 99, 39, 3


def white(random: np.random.Generator, subjects: int, size: int) -> Maps:
    """Independent normal numbers."""
    return random.standard_normal((subjects, size, size)).astype(np.float32)


def smooth(random: np.random.Generator, subjects: int, size: int) -> Maps:
    """The same blur in the picture for all layers, as far as the layer can show it."""
    fields = ndimage.gaussian_filter(random.standard_normal((subjects, SIZE, SIZE)), (0, 2, 2))
    return (
        fields.reshape(subjects, size, SIZE // size, size, SIZE // size).mean(axis=(2, 4)).astype(np.float32)
    )


def smooth_by_cells(random: np.random.Generator, subjects: int, size: int) -> Maps:
    """The same blur in cells for all layers."""
    return ndimage.gaussian_filter(random.standard_normal((subjects, size, size)), (0, 1, 1)).astype(
        np.float32
    )


def uniform(random: np.random.Generator, subjects: int, size: int) -> Maps:
    """Uniform in [0, 1]: nothing is negative."""
    return random.random((subjects, size, size), dtype=np.float32)


def exponential(random: np.random.Generator, subjects: int, size: int) -> Maps:
    """Exponential: few cells are much hotter than the rest."""
    return random.exponential(size=(subjects, size, size)).astype(np.float32)


def sparse(random: np.random.Generator, subjects: int, size: int) -> Maps:
    """Nine of ten cells are 0."""
    return (
        random.exponential(size=(subjects, size, size)) * (random.random((subjects, size, size)) < 0.1)
    ).astype(np.float32)


def for_everybody(draw: Draw) -> Draw:
    """One map of each layer for all subjects."""
    return lambda random, subjects, size: np.repeat(draw(random, 1, size), subjects, axis=0)


NOISE: Mapping[str, Draw] = {
    "white noise": white,
    "smooth noise": smooth,
    "noise, smooth by cells": smooth_by_cells,
    "uniform noise": uniform,
    "exponential noise": exponential,
    "sparse noise": sparse,
    "one map for everybody": for_everybody(white),
    "one smooth map for everybody": for_everybody(smooth),
}


@dataclass(frozen=True)
class Made:
    """A made-up study of one method, "gradcam", ready for `assess_claims`."""

    table: SubjectTable
    nulls: Mapping[str, Nulls]
    groups: tuple[str, ...]


def make_study(
    maps: Mapping[str, Maps],
    untrained: list[Mapping[str, Maps]],
    *,
    seed: int,
    surrogate_count: int = SURROGATES,
    truth: bool = True,
) -> Made:
    """What the evidence of a study would be whose maps these are.

    Each subject has one slice with a round brain of six regions, and a truth of some blobs.

    Args:
        maps: by layer, (subjects, h, w), signed.
        untrained: the maps of untrained networks.
        seed: of truth and surrogates.
        surrogate_count: number of surrogates.
        truth: whether it is known.
    """
    subjects = len(next(iter(maps.values())))
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    brain = np.hypot(y, x) < 0.45 * SIZE
    angle = np.floor((np.arctan2(y, x) + np.pi) / (2 * np.pi) * 6 - 1e-9)
    member = ((angle[..., None] == np.arange(6)) & brain[..., None]).reshape(-1, 6).astype(np.float32)
    blobs = ndimage.gaussian_filter(
        generator(seed, "truth").standard_normal((subjects, SIZE, SIZE)), (0, 1.5, 1.5)
    )
    true = (blobs > np.quantile(blobs[:, brain], 0.95, axis=1)[:, None, None]) & brain if truth else None
    spectra = noise_spectra(surrogate_count, (SIZE, SIZE), seed=seed)

    def scores(raw: Maps) -> Maps:
        """(draws, subjects, columns) of one layer's maps (draws, subjects, h, w)."""
        heat = heat_of(raw.reshape(-1, *raw.shape[2:]), (SIZE, SIZE))
        found = map_scores(heat, brain, None).reshape(*raw.shape[:2], -1)
        inside = heat.reshape(*raw.shape[:2], -1)
        if true is not None:
            for subject, its in enumerate(true):
                found[:, subject, Score.AVERAGE_PRECISION] = average_precision(
                    inside[:, subject][:, brain.ravel()], its[brain]
                )
        return np.concatenate([found, inside @ member / member.sum(axis=0)], axis=2).astype(np.float32)

    of_surrogates, of_untrained = [], []
    for layer, raw in maps.items():
        of_surrogates.append(scores(np.concatenate([raw[None], surrogates(raw, spectra)])))
        of_untrained.append(scores(np.stack([raw, *(one[layer] for one in untrained)])))
    nulls = Nulls(np.stack(of_surrogates, axis=2), np.stack(of_untrained, axis=2))
    groups = tuple(("control", "RRMS", "SPMS")[number % 3] for number in range(subjects))
    return Made(_table(maps, nulls, brain, true, groups=groups, seed=seed), {"gradcam": nulls}, groups)


def noise_study(kind: str, subjects: int, *, seed: int, **options: int) -> Made:
    """A study whose maps, and those of untrained networks, are noise of one kind of `NOISE`."""
    random, draw = generator(seed, kind), NOISE[kind]
    one, *others = (
        {layer: draw(random, subjects, size) for layer, size in GRIDS.items()}
        for _ in range(1 + options.pop("untrained", UNTRAINED))
    )
    return make_study(one, others, seed=seed, **options)


def _table(
    maps: Mapping[str, Maps],
    nulls: Nulls,
    brain: NDArray[np.bool_],
    true: NDArray[np.bool_] | None,
    *,
    groups: tuple[str, ...],
    seed: int,
) -> SubjectTable:
    """Rows that the best layer is scored by: ROAD is the correlation of heat with what a made-up network uses."""
    subjects = len(groups)
    random = generator(seed, "table")
    used = ndimage.gaussian_filter(random.standard_normal((subjects, SIZE, SIZE)), (0, 2, 2))[:, brain]
    used = (used - used.mean(axis=1, keepdims=True)) / used.std(axis=1, keepdims=True)
    others = [
        random.choice(np.delete(np.arange(subjects), one), OTHERS, replace=False) for one in range(subjects)
    ]
    keys, columns = [], []
    (road, above), (precision, _), _ = PARTS
    for number, (layer, raw) in enumerate(maps.items()):
        inside = heat_of(raw, (SIZE, SIZE))[:, brain]
        centred = inside - inside.mean(axis=1, keepdims=True)
        share = centred @ used.T / (np.linalg.norm(centred, axis=1)[:, None] + 1e-9)  # (map of, used by)
        found = {(road, above): [share[one, one] - share[its, one].mean() for one, its in enumerate(others)]}
        if true is not None:
            scored = np.stack([average_precision(inside, its[brain]) for its in true], axis=1)
            found[precision, above] = [
                scored[one, one] - scored[its, one].mean() for one, its in enumerate(others)
            ]
        regions = nulls.surrogates[0, :, number, len(Score) :].astype(np.float64)
        found[GROUP_CONTRAST, ""] = list(group_likeness(regions, groups)[GROUP_CONTRAST])
        for (measure, against), values in found.items():
            keys.append(("gradcam", layer, measure.name, against))
            columns.append(values)
    names = tuple(f"sub-{number:03d}" for number in range(subjects))
    return SubjectTable(tuple(keys), names, np.array(columns, dtype=np.float64).T)
