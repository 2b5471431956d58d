"""Whether maps repeat: on the next slice, on a picture shifted or noisy by a little, and with another training."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam import cam
from stratacam.evidence.draws import generator
from stratacam.evidence.measures import SIGNED, Column, Criterion, ExplainedScan, Kind, Measure, Need, Panel
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.similarity import likeness, likeness_pair, likeness_rows
from stratacam.evidence.values import Value
from stratacam.maps.consensus import Consensus
from stratacam.maps.fused import parts_of
from stratacam.maps.heat import heat_of
from stratacam.maps.member_maps import LayerConsensus, in_units
from stratacam.maps.reliability import spearman_brown, splits
from stratacam.maps.slice_maps import SliceMaps, explain_slices_by

SHIFT_PX = 2
NOISE = 0.02
"""Standard deviation, as a share of the range of intensities."""

NEIGHBOUR, SHIFTED, NOISY = "neighbour", "shift", "noise"
SEED, FOLD, NETWORK = "seed", "fold", "network"
"""How other models differ."""

HALF = "half of the networks"
"""What one half of a consensus is compared with."""

MINIMUM_REPEATED = 0.5

REPEAT = likeness_pair(
    "repeat",
    "likeness of repeats",
    "with the map of the next slice (`neighbour`), of a picture shifted or noisy by a little (the draw of `noise` is "
    "much of its spread over subjects), and of models of another seed, fold or network; of a consensus, one half of "
    "its networks with the other, brought to all of them by the formula of Spearman and Brown",
    better="higher",
    panel=Panel(against=(NEIGHBOUR, SHIFTED, NOISY, SEED, FOLD, NETWORK, HALF), limits=(-0.3, 1.02)),
    column=Column(SHIFTED),
    criteria=(
        Criterion(
            "at least",
            MINIMUM_REPEATED,
            "lower bound",
            against=(SHIFTED, NOISY),
            rule="its maps repeat under small shifts, and under noise",
            quantity="rank correlation with each",
            fault="does not repeat under {against}",
            unshown="was not shown to repeat under {against}",
            unmeasured="repeats under {against}",
        ),
        Criterion(
            "at least",
            MINIMUM_REPEATED,
            "lower bound",
            against=(),
            alternatives=(SEED, FOLD, HALF),
            rule="its maps repeat with another training, of another seed or fold, or those of one half of its networks "
            "with the other",
            quantity="rank correlation with each that was measured",
            fault="does not repeat with another {against}",
            unshown="was not shown to repeat with another {against}",
            unmeasured="other trainings",
        ),
    ),
)
REPEAT_ICC = Measure(
    name="repeat_icc",
    title="intraclass correlation of repeats",
    definition="intraclass correlation of the regions' mean heat, each map by its highest heat",
    better="higher",
    limits=SIGNED,
)


def compare(maps: SliceMaps, other: SliceMaps, scan: ScanSlices, against: str) -> list[Value]:
    """Likeness of two maps of the same slices, for the layers that both have, where neither is blank.

    Args:
        maps: one.
        other: from another training, or of the same pictures after a change that was undone on the maps.
        scan: the slices; without regions there is no intraclass correlation.
        against: what differs, such as "seed".
    """
    values = []
    for layer in (name for name in maps.layers if name in other.raw):
        first, second = maps.heat(layer, scan.shape), other.heat(layer, scan.shape)
        values += likeness_rows(REPEAT, maps.method, layer, likeness(first, second, scan.brain), against)
        if scan.regions is not None and first.any() and second.any():
            means = [_region_means(heat / heat.max(), scan.regions) for heat in (first, second)]
            icc = intraclass_correlation(np.stack(means, axis=1))
            values += REPEAT_ICC.rows(maps.method, layer, [icc], against)
    return values


def neighbours(maps: SliceMaps, scan: ScanSlices) -> list[Value]:
    """Likeness of every slice's map to that of the next, inside both brains."""
    brain = scan.brain[:-1] & scan.brain[1:]
    values = []
    for layer in maps.layers:
        heat = maps.heat(layer, scan.shape)
        values += likeness_rows(REPEAT, maps.method, layer, likeness(heat[:-1], heat[1:], brain), NEIGHBOUR)
    return values


def other_models(
    models: Sequence[nn.Module], scan: ScanSlices, maps: Mapping[str, SliceMaps], against: str
) -> list[Value]:
    """Likeness to the maps of other models for the same class, of the layers that they have too; the mean over them.

    Args:
        models: the others.
        scan: the slices.
        maps: of these, by method.
        against: how the models differ.
    """
    one = next(iter(maps.values()))
    rows: dict[tuple[str, str, str, str], list[Value]] = {}
    for model in models:
        its = set(cam.match_layers(model))
        shared = tuple(layer for layer in one.layers if its.issuperset(parts_of(layer)))
        if not shared:
            continue
        others = explain_slices_by(model, scan.images, scan.brain, one.target, tuple(maps), layers=shared)
        for method, other in others.items():
            for value in compare(maps[method], other, scan, against):
                rows.setdefault(value.key, []).append(value)
    return [
        Value(*key, float(np.mean([one.value for one in found])), sum(one.slices for one in found))
        for key, found in rows.items()
    ]


def halves(
    consensus: Consensus,
    scan: ScanSlices,
    target: int,
    methods: Sequence[str],
    layers: str | tuple[str, ...],
) -> list[Value]:
    """Likeness of the consensus of one half of the networks to that of the other, mean over splits, for all of them."""
    count = len(consensus.members)
    half = count // 2
    values = []
    by_method = consensus.member_maps(scan.images, scan.brain, target, methods, layers=layers)
    for method, layer, raw in (
        (method, layer, raw) for method, found in by_method.items() for layer, raw in found.raw.items()
    ):
        scaled = in_units(raw[:, 0], LayerConsensus.of(raw[:, 0], scan.brain).scales)
        alike = []
        for pair in splits(count, half):
            one, other = (heat_of(scaled[list(chosen)].mean(axis=0), scan.shape) for chosen in pair)
            alike.append(likeness(one, other, scan.brain))
        of_all = [[spearman_brown(number, count / half) for number in row] for row in np.mean(alike, axis=0)]
        values += likeness_rows(REPEAT, method, layer, np.array(of_all), HALF)
    return values


def perturbed(
    model: nn.Module,
    scan: ScanSlices,
    maps: Mapping[str, SliceMaps],
    *,
    shift_px: int = SHIFT_PX,
    noise: float = NOISE,
    seed: int = 0,
) -> list[Value]:
    """Likeness to maps of pictures that were shifted, shifted back, and of pictures with Gaussian noise in the brain.

    Args:
        model: whose maps they are.
        scan: the slices.
        maps: of these slices, by method.
        shift_px: rows and columns of the shift.
        noise: standard deviation.
        seed: of the noise, which is each slice's own.
    """
    drawn = [
        generator(seed, "noise", scan.name, index).normal(scale=noise, size=scan.images.shape[1:])
        for index in scan.geometry.slices
    ]
    noisy = np.where(scan.brain[:, None], scan.images + drawn, scan.images).clip(0, 1).astype(np.float32)
    one = next(iter(maps.values()))

    def explained(images: np.ndarray, brain: np.ndarray) -> dict[str, SliceMaps]:
        return explain_slices_by(model, images, brain, one.target, tuple(maps), layers=one.layers)

    of_shifted = explained(shift(scan.images, shift_px), shift(scan.brain, shift_px))
    of_noisy = explained(noisy, scan.brain)
    return [
        row
        for method, found in maps.items()
        for row in (
            *compare(found, _undone(of_shifted[method], scan, shift_px), scan, SHIFTED),
            *compare(found, of_noisy[method], scan, NOISY),
        )
    ]


def shift(values: np.ndarray, pixels: int) -> np.ndarray:
    """Move the last two axes down and right; what comes in is 0."""
    moved = np.zeros_like(values)
    rows, columns = values.shape[-2:]
    to, start = slice(max(pixels, 0), rows + min(pixels, 0)), slice(max(-pixels, 0), rows - max(pixels, 0))
    to_c, start_c = (
        slice(max(pixels, 0), columns + min(pixels, 0)),
        slice(max(-pixels, 0), columns - max(pixels, 0)),
    )
    moved[..., to, to_c] = values[..., start, start_c]
    return moved


def _undone(maps: SliceMaps, scan: ScanSlices, pixels: int) -> SliceMaps:
    """Heat on the grid of the picture, moved back: a shift is no whole number of a deep layer's cells."""
    raw = {layer: shift(maps.heat(layer, scan.shape), -pixels) for layer in maps.layers}
    return SliceMaps(maps.method, maps.target, maps.logits, raw, maps.blank)


def _region_means(heat: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Mean heat of every region that occurs, by its label."""
    counts = np.bincount(regions.ravel())
    totals = np.bincount(regions.ravel(), weights=heat.ravel())
    there = np.flatnonzero(counts[1:]) + 1
    return np.asarray(totals[there] / counts[there])


def intraclass_correlation(table: NDArray[np.float64]) -> float:
    """ICC(2, 1): two-way random effects, absolute agreement, one rater.

    P. E. Shrout, J. L. Fleiss, "Intraclass correlations: uses in assessing rater reliability" (1979).

    Args:
        table: (targets, raters).

    Returns:
        1 where all raters agree; NaN for fewer than two targets or raters, or where nothing varies.
    """
    targets, raters = table.shape
    if targets < 2 or raters < 2:
        return float("nan")
    grand = table.mean()
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    between = raters * ((rows - grand) ** 2).sum() / (targets - 1)
    of_raters = targets * ((columns - grand) ** 2).sum() / (raters - 1)
    error = ((table - rows[:, None] - columns + grand) ** 2).sum() / ((targets - 1) * (raters - 1))
    total = between + (raters - 1) * error + raters * (of_raters - error) / targets
    return float((between - error) / total) if total > 0 else float("nan")


def repeatability(explained: Sequence[ExplainedScan]) -> list[Value]:
    """Likeness to the next slice's map, to those of changed pictures, and to those of other models.

    Args:
        explained: one scan by several methods, whose maps are of the same layers.
    """
    one = explained[0]
    maps = {each.maps.method: each.sampled_maps for each in explained}
    values = [row for each in explained for row in neighbours(each.maps, each.scan)]
    values += perturbed(one.model, one.sampled, maps, seed=one.seed)
    for against, models in one.others.items():
        values += other_models(models, one.sampled, maps, against)
    if isinstance(one.model, Consensus):
        values += halves(one.model, one.sampled, one.maps.target, tuple(maps), one.sampled_maps.layers)
    return values


KIND = Kind(
    name="repeatability",
    question="whether maps repeat",
    needs=Need.MODELS,
    measures=(*REPEAT, REPEAT_ICC),
    of_methods=repeatability,
)
