"""Whether scans are what a model was trained on: told from headers before any is prepared, and from records after."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from rich.console import Console

from stratacam.errors import InputError
from stratacam.maps import differences_of, edges, edges_between, larger_pictures, within
from stratacam.maps.trained import part_in_training_of_any
from stratacam.networks import ModelCard
from stratacam.networks.cards import CARD
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.prepare import PrepareSettings
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import read_grid
from stratacam.study.progress import say

MAXIMUM_NAMED = 5
"""Scans that a line on the console names."""

TRAINED_ON = ("train", "validation")
"""Parts whose scans a model has learnt from."""


def settings_for(scan: Scan, card: ModelCard) -> PrepareSettings:
    """How a scan is prepared for a model: as the model's scans were, with voxels of the same size.

    Where the model's scans stayed on the grids of their T1w, so does a scan whose T1w has voxels of their size, within
    `TOLERANCE`; any other is resampled to the nearest edges that they had.

    Raises:
        InputError: the card does not say how, or in the words of another version.
    """
    try:
        settings = PrepareSettings.model_validate(card.input["normalisation"])
    except (KeyError, ValidationError) as fault:
        raise InputError(
            f"{CARD}: input.normalisation is not how this version prepares scans ({fault}); train the model again, or "
            "give prepared scans."
        ) from fault
    trained = card.input.get("voxels_mm")
    own = _delivered_edges({"T1w": scan.images["T1w"]}).get("T1w")
    if settings.grid != "T1w" or not trained or own is None or within(own, trained):
        return settings
    grid = tuple(round(float(edge), 4) for edge in np.clip(own, *trained))
    return settings.model_copy(update={"grid": grid})


def resolution_of(images: Mapping[str, Path], card: ModelCard) -> list[str]:
    """Say, of each sequence as delivered, whether its voxels are of another size than those of the model's scans.

    Headers alone are read; one that cannot be read is passed over, as preparation tells of it. Cards of earlier
    versions know the T1w's voxels alone.
    """
    trained: Mapping[str, Any] = card.input.get("delivered_mm") or {}
    if (
        not trained
        and card.input.get("normalisation", {}).get("grid") == "T1w"
        and card.input.get("voxels_mm")
    ):
        trained = {"T1w": card.input["voxels_mm"]}
    found = []
    for sequence, own in _delivered_edges(images).items():
        if sequence not in trained or within(own, trained[sequence]):
            continue
        coarse = not within(np.maximum(own, trained[sequence][0]), trained[sequence])
        loss = (
            "detail that the model may have learnt from is missing"
            if coarse
            else "finer detail is averaged away"
        )
        found.append(
            f"{sequence} was delivered with voxels of {edges(own)} mm, the model's scans with "
            f"{edges_between(trained[sequence])} mm: {loss}"
        )
    return found


def refuse_differences(
    scans: Sequence[PreparedScan], card: ModelCard, model: Path, *, accept: bool
) -> dict[str, list[str]]:
    """Refuse prepared scans that differ from those that a model was trained on.

    Args:
        scans: prepared.
        card: of the model.
        model: its folder, which messages name.
        accept: whether differences are accepted.

    Returns:
        By scan, in what it differs; scans that do not are left out.

    Raises:
        InputError: a scan differs, and that is not accepted.
    """
    unlike = {scan.name: found for scan in scans if (found := differences_of(scan, card))}
    if unlike and not accept:
        raise InputError(
            "\n".join(f"{name}: {'; '.join(found)}" for name, found in unlike.items())
            + f"\n{len(unlike)} of {len(scans)} scans are not what {model} was trained on. Remedy: give the scans as "
            "delivered to `stratacam predict`, which prepares them as the model's were, into OUT/prepared; or accept "
            "the differences (--accept-differences), and doubt the result."
        )
    return unlike


def say_larger(scans: Sequence[PreparedScan], card: ModelCard, console: Console) -> dict[str, list[str]]:
    """Say, and return by scan, that pictures are larger than the model's, where the brain is."""
    found = {scan.name: larger_pictures(card, scan) for scan in scans}
    say_differences(found, console)
    return found


def say_parts(cards: Mapping[PreparedScan, Sequence[ModelCard]], console: Console) -> None:
    """Say which scans one of their models was trained on, or that it cannot be known."""
    parts = {scan.name: part_in_training_of_any(scan, of_scan) for scan, of_scan in cards.items()}
    learnt = [name for name, part in parts.items() if part in TRAINED_ON]
    unknown = [name for name, part in parts.items() if part == "unknown"]
    if learnt:
        say(
            console,
            f"{_named(learnt)}: the model was trained on these images, whatever they are called here: what it says of "
            "them says nothing of how good it is.",
            "yellow",
        )
    if unknown:
        say(
            console,
            f"{_named(unknown)}: whether the model was trained on these images cannot be known, as the model or the "
            "prepared scan is of a version that did not keep their hashes; train the model again, or prepare the scan "
            "again.",
            "yellow",
        )


def say_differences(found: Mapping[str, Sequence[str]], console: Console) -> None:
    """Say in what scans differ from a model's, scans that differ alike in one line."""
    alike: dict[str, list[str]] = {}
    for name, sentences in found.items():
        for sentence in sentences:
            alike.setdefault(sentence, []).append(name)
    for sentence, names in alike.items():
        say(console, f"{_named(names)}: {sentence}.", "yellow")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAXIMUM_NAMED} more" if len(names) > MAXIMUM_NAMED else ""
    return ", ".join(names[:MAXIMUM_NAMED]) + more


def _delivered_edges(images: Mapping[str, Path]) -> dict[str, tuple[float, float, float]]:
    """Edges of each image's voxels, of those whose header can be read."""
    found = {}
    for sequence, path in images.items():
        try:
            found[sequence] = read_grid(path).voxel_mm
        except InputError:
            continue
    return found
