"""Agreement of maps with the change of the logit, parcel by parcel.

A parcel that is filled may lower the logit or raise it, and a map says both: what a region speaks for, less what it
speaks against. So the signed map is averaged over a parcel; that of heat alone, rectified pixel by pixel first, counts
noise as evidence, and is given beside it.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam.evidence.counterfactual.fall import SliceToFill, VolumeToFill
from stratacam.evidence.counterfactual.parcels import HALVINGS_OF_VOLUMES, parcels
from stratacam.evidence.measures import SIGNED, Column, Criterion, ExplainedScan, Measure, Panel
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.similarity import rank_correlation
from stratacam.evidence.values import Value

HEAT = "heat"
"""What rows of the rectified map are against."""

REGION_AGREEMENT = Measure(
    "region_agreement",
    "agreement with the change of the logit",
    "rank correlation, over 16 parcels of equal area of each slice (of a volume over 64 of the brain), of the mean of "
    "the signed map with how far the logit of the class, less the mean of the other logits, falls when the parcel is "
    "filled; slices count by the standard deviation of the falls; against `heat` the same of the rectified map",
    better="higher",
    panel=Panel(
        limits=(-0.2, 1.02),
        level=0.0,
        note="“Agreement with the change of the logit”: whether the network loses most where maps say so; 0 by chance.",
    ),
    column=Column(interval=True),
    criteria=(
        Criterion(
            "at least",
            0.5,
            "mean",
            rule="its signed maps agree well with the change of the logit by region",
            quantity="rank correlation",
            fault="its maps agree too little with the change of the logit by region",
            unshown="its maps were not shown to agree enough with the change of the logit by region",
            unmeasured="counterfactuals by region",
        ),
        Criterion(
            "above",
            0.0,
            "lower bound",
            rule="that agreement is not chance",
            quantity="same",
            fault="its maps do not agree with the change of the logit by region",
            unshown="its maps were not shown to agree with the change of the logit by region",
            unmeasured="counterfactuals by region",
        ),
    ),
    limits=SIGNED,
)


def agreement_rows(explained: ExplainedScan) -> list[Value]:
    """The weighted mean over slices of the rank correlation, for every layer.

    Weights are the standard deviations of the falls in a slice, whatever the map: where nothing is lost anywhere, their
    order is noise. Slices whose map is blank are left out.
    """
    if explained.scan.together:
        return _rows_of_volume(explained)
    scan, maps = explained.sampled, explained.sampled_maps
    found = parcel_falls(explained.model, scan, maps.target, explained.settings, explained.seed)
    weights = np.array([np.std(falls) if len(falls) else 0.0 for _, falls in found])
    rows = []
    for layer in maps.layers:
        heat = maps.heat(layer, scan.shape)
        shown = heat.any(axis=(1, 2))
        for against, values in (("", maps.signed(layer, scan.shape)), (HEAT, heat)):
            numbers = np.array(
                [agreement(one, parts, falls) for one, (parts, falls) in zip(values, found, strict=True)]
            )
            known = ~np.isnan(numbers) & shown
            if known.any():
                mean = float(np.average(numbers[known], weights=weights[known]))
                rows.append(Value(maps.method, layer, REGION_AGREEMENT.name, against, mean, int(known.sum())))
    return rows


def _rows_of_volume(explained: ExplainedScan) -> list[Value]:
    """The rank correlation over parcels of the brain, each filled in all slices together, for every layer."""
    scan, maps = explained.scan, explained.maps
    parts, falls = volume_falls(explained.model, scan, maps.target, explained.settings, explained.seed)
    rows = []
    for layer in maps.layers:
        heat = maps.heat(layer, scan.shape)
        for against, values in (("", maps.signed(layer, scan.shape)), (HEAT, heat)):
            number = agreement(values, parts, falls) if heat.any() else float("nan")
            if not np.isnan(number):
                rows.append(Value(maps.method, layer, REGION_AGREEMENT.name, against, number, len(scan)))
    return rows


def agreement(values: NDArray[np.float32], parts: NDArray[np.bool_], falls: NDArray[np.float64]) -> float:
    """Rank correlation of the mean of a map with falls; NaN where either is the same in all parcels.

    Args:
        values: (rows, columns), of a map; or of all slices of a scan.
        parts: (parcels, *values.shape), of one size.
        falls: (parcels,).
    """
    if not len(parts):
        return float("nan")
    means = np.array([values[part].mean() for part in parts], dtype=np.float32)
    everywhere = np.ones((1, len(parts)), dtype=bool)
    return float(rank_correlation(means[None, None], falls[None, None].astype(np.float32), everywhere)[0])


@lru_cache(maxsize=1)
def volume_falls(
    model: nn.Module, scan: ScanSlices, target: int, settings: EvidenceSettings, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Parcels of a brain whose slices the network sees together, and their falls; remembered as `parcel_falls`."""
    spacing = (scan.geometry.spacing_mm, scan.pixel_mm, scan.pixel_mm)
    parts = parcels(scan.brain, HALVINGS_OF_VOLUMES, spacing)
    filled = VolumeToFill(scan, settings.filling, seed)
    return parts, filled.falls(model, target, [dict(enumerate(part)) for part in parts])


@lru_cache(maxsize=1)
def parcel_falls(
    model: nn.Module, scan: ScanSlices, target: int, settings: EvidenceSettings, seed: int
) -> tuple[tuple[NDArray[np.bool_], NDArray[np.float64]], ...]:
    """Parcels of every slice and their falls; the same for every method: those of the last scan are remembered."""
    found = []
    for index in range(len(scan)):
        one = SliceToFill(scan, index, settings.filling, seed)
        parts = parcels(one.brain)
        found.append((parts, one.falls(model, target, list(parts), settings.batch_size)))
    return tuple(found)
