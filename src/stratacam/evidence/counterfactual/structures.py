"""Change of the logit when a structure of the truth is filled, and when shams of it are."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from stratacam.evidence.counterfactual.fall import SliceToFill, VolumeToFill
from stratacam.evidence.counterfactual.shams import HOTTEST, above_sham, sham_of, sham_regions
from stratacam.evidence.measures import ExplainedScan, Measure, Panel
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.values import Value

Mask = NDArray[np.bool_]

LOGIT_CHANGE = Measure(
    "logit_change",
    "change of the logit",
    "how far the logit of the class, less the mean of the other logits, falls when a region is filled with what the "
    "brain around it would show: a structure of the truth, or the hottest 5% of the brain by a layer's map",
    better="higher",
    unit="logits",
    held_against="sham regions of plain tissue of the same area and depth",
    panel=Panel(
        (above_sham(HOTTEST),),
        level=0.0,
        note="“Change of the logit”: how much more the network loses when a map's hottest region is filled than when a "
        "sham is.",
    ),
)


def structure_rows(explained: ExplainedScan) -> list[Value]:
    """See `falls_of_structures`; the rows name neither method nor layer."""
    target = explained.sampled_maps.target
    return list(
        falls_of_structures(explained.model, explained.sampled, target, explained.settings, explained.seed)
    )


@lru_cache(maxsize=1)
def falls_of_structures(
    model: nn.Module, scan: ScanSlices, target: int, settings: EvidenceSettings, seed: int
) -> tuple[Value, ...]:
    """Falls of every structure that some slice shows, of its shams, and the difference.

    They are the same for every method: those of the last scan are remembered.

    Args:
        model: in evaluation mode, on its device.
        scan: its slices, with the masks of structures.
        target: position of the class explained.
        settings: how regions are filled.
        seed: of the study.
    """
    masks = {name: mask & scan.brain for name, mask in scan.structures.items()}
    if scan.together:
        return _falls_in_volume(model, scan, target, settings, seed)
    # a slice without a structure loses nothing when it is filled
    falls = {name: np.zeros((2, len(scan))) for name, mask in masks.items() if mask.any()}
    for index in range(len(scan)):
        one = SliceToFill(scan, index, settings.filling, seed)
        filled = _regions_of_slice(one, masks)
        if not filled:
            continue
        found = one.falls(model, target, list(chain.from_iterable(filled.values())), settings.batch_size)
        ends = np.cumsum([len(several) for several in filled.values()])
        for name, (of_structure, *of_shams) in zip(filled, np.split(found, ends[:-1]), strict=True):
            falls[name][:, index] = of_structure, np.mean(of_shams) if of_shams else np.nan
    return _rows(falls)


def _regions_of_slice(one: SliceToFill, masks: Mapping[str, Mask]) -> dict[str, list[Mask]]:
    """By structure that a slice shows, its region there and those of its shams."""
    # the pixels beside a structure hold a part of it
    regions = {
        name: ndimage.binary_dilation(mask[one.index]) & one.brain
        for name, mask in masks.items()
        if mask[one.index].any()
    }
    if not regions:
        return {}
    allowed = one.plain & ~np.any(list(regions.values()), axis=0)
    return {name: [region, *sham_regions(one, region, allowed, name)] for name, region in regions.items()}


def _falls_in_volume(
    model: nn.Module, scan: ScanSlices, target: int, settings: EvidenceSettings, seed: int
) -> tuple[Value, ...]:
    """As `falls_of_structures`, with each structure, and each sham, filled in all slices together."""
    whole = VolumeToFill(scan, settings.filling, seed)
    masks = {name: mask & scan.brain for name, mask in scan.structures.items()}
    in_slices = [_regions_of_slice(one, masks) for one in whole.slices]
    falls = {}
    for name in (name for name, mask in masks.items() if mask.any()):
        parts = {index: regions[name] for index, regions in enumerate(in_slices) if name in regions}
        filled = [
            {index: part[number] for index, part in parts.items() if number < len(part)}
            for number in range(max(map(len, parts.values())))
        ]
        of_structure, *of_shams = whole.falls(model, target, filled)
        falls[name] = np.array([[of_structure], [np.mean(of_shams) if of_shams else np.nan]])
    return _rows(falls)


def _rows(falls: Mapping[str, NDArray[np.float64]]) -> tuple[Value, ...]:
    """Of falls by structure, (2, n): of the structure and of its shams."""
    return tuple(
        row
        for name, (of_structure, of_sham) in falls.items()
        for against, numbers in (
            (name, of_structure),
            (sham_of(name), of_sham),
            (above_sham(name), of_structure - of_sham),
        )
        for row in LOGIT_CHANGE.rows("", "", numbers, against)
    )
