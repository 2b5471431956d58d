"""What the claims are held against: the same scores of surrogates of the maps, and of maps of untrained networks.

Scores are taken on a few slices, of the maps first and then of every draw. A surrogate has the map's resolution and
blur (`stratacam.evidence.surrogates`); an untrained network has the architecture and the picture, but all its weights
are drawn anew. A draw is the same for the whole cohort, so that what subjects have in common stays.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam.errors import InputError
from stratacam.evidence.draws import torch_seed
from stratacam.evidence.inference.means import mean_known
from stratacam.evidence.map_scores import map_scores
from stratacam.evidence.measure import plain_layers
from stratacam.evidence.regions.region_values import MINIMUM_PIXELS
from stratacam.evidence.sanity import randomised, weighted_layers
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.surrogates import noise_spectra, surrogates
from stratacam.files import whole_file
from stratacam.maps import Consensus
from stratacam.maps.heat import Heat, heat_of
from stratacam.maps.volumes import explain_methods
from stratacam.networks import inputs_of

Draws = NDArray[np.float32]


class Nulls(NamedTuple):
    """Scores of the maps of one method, and of their draws.

    Attributes:
        surrogates: (1 + draws, [subjects,] layers, columns), the maps themselves first. The columns are those of
            `Score`, then mean heat of every region of the atlas; NaN where there is none.
        untrained: the same of untrained networks.
    """

    surrogates: Draws
    untrained: Draws


def measure_nulls(
    model: nn.Module,
    scan: ScanSlices,
    settings: EvidenceSettings,
    *,
    target: int,
    labels: Sequence[int] = (),
    seed: int = 0,
) -> dict[str, Nulls]:
    """Scores of the maps of every method, of their surrogates, and of the maps of untrained networks.

    The trained network's maps explain the class that it gives the scan, and an untrained network's the class that it
    gives the slice; where the settings name a class, both explain that.

    Args:
        model: trained, in evaluation mode; it is put back as it was.
        scan: the slices; of those that the network sees together some are scored.
        settings: methods, layers, and how many draws.
        target: position of the class explained.
        labels: of the atlas's regions.
        seed: of the study; subjects share the draws.
    """
    classes: int | Literal["predicted"] = "predicted" if settings.target == "predicted" else target
    scored = scan.chosen(settings.sanity_slices) if scan.together else scan
    maps = _raw_maps(model, scan, scored, settings, target)
    untrained: dict[str, list[Draws]] = {
        method: [null_scores(raw, scored, labels=labels)] for method, raw in maps.items()
    }
    for number in range(settings.untrained):
        with randomised(model, weighted_layers(model), seed=torch_seed(seed, "untrained", number)):
            for method, raw in _raw_maps(model, scan, scored, settings, classes).items():
                untrained[method].append(null_scores(raw, scored, labels=labels))
    return {
        method: Nulls(
            null_scores(raw, scored, count=settings.surrogates, labels=labels, seed=seed),
            np.concatenate(untrained[method]),
        )
        for method, raw in maps.items()
    }


def null_scores(
    raw: Mapping[str, Heat], scan: ScanSlices, *, count: int = 0, labels: Sequence[int] = (), seed: int = 0
) -> Draws:
    """Scores of maps, then of their surrogates, (1 + count, layers, columns of `Nulls`).

    Args:
        raw: by layer, (n, h, w), signed.
        scan: the slices.
        count: number of surrogates.
        labels: of the atlas's regions.
        seed: of the study; subjects share the draws.
    """
    finest = tuple(max(sizes) for sizes in zip(*(maps.shape[1:] for maps in raw.values()), strict=True))
    spectra = noise_spectra(count, finest, seed=seed)
    members = _members(scan, labels)
    layers = []
    for maps in raw.values():
        drawn = np.concatenate([maps[None], surrogates(maps, spectra)])
        layers.append(_scores(drawn, scan, members))
    return np.stack(layers, axis=1)


def _raw_maps(
    model: nn.Module,
    scan: ScanSlices,
    scored: ScanSlices,
    settings: EvidenceSettings,
    classes: int | Literal["predicted"],
) -> dict[str, dict[str, Heat]]:
    """By method and layer, fused ones left out, (n, h, w) of the slices that are scored."""
    rows = [scan.geometry.slices.index(one) for one in scored.geometry.slices]
    layers, methods = plain_layers(model, settings), settings.methods
    if isinstance(model, Consensus):
        of_all = model.own_maps(
            scan.images, scan.brain, classes, methods, layers=layers, batch_size=settings.batch_size
        )
        return {method: maps.some(rows).raw for method, maps in of_all.items()}
    inputs = inputs_of(model, torch.from_numpy(scan.images), torch.from_numpy(scan.brain))
    found = explain_methods(model, inputs, methods, layers=layers, classes=classes)
    return {
        method: {maps.name: maps.raw[rows, 0].numpy() for maps in explanation}
        for method, explanation in found.items()
    }


def _members(scan: ScanSlices, labels: Sequence[int]) -> list[Draws]:
    """For each slice, (pixels, regions), 1 where a pixel of the brain is of a region."""
    if scan.regions is None:
        return [np.zeros((brain.size, len(labels)), dtype=np.float32) for brain in scan.brain]
    inside = np.where(scan.brain, scan.regions, 0).reshape(len(scan), -1, 1)
    return list((inside == np.array(labels, dtype=int)).astype(np.float32))


def _scores(raw: Heat, scan: ScanSlices, members: Sequence[Draws]) -> Draws:
    """Scores of one layer's maps (draws, n, h, w): (draws, columns), means over slices."""
    found, totals = [], []
    for index, member in enumerate(members):
        heat = heat_of(raw[:, index], scan.shape)
        truth = None if scan.truth is None else scan.truth[index]
        found.append(map_scores(heat, scan.brain[index], truth))
        totals.append(heat.reshape(len(heat), -1) @ member)
    pixels = np.sum([member.sum(axis=0) for member in members], axis=0)
    regions = np.where(pixels < MINIMUM_PIXELS, np.nan, np.sum(totals, axis=0) / np.maximum(pixels, 1))
    return np.hstack([mean_known(np.array(found)), regions]).astype(np.float32)


def write_nulls(path: Path, nulls: Mapping[str, Nulls]) -> None:
    """Write the nulls of a scan, by method."""
    arrays = {
        f"{method}/{name}": array
        for method, found in nulls.items()
        for name, array in found._asdict().items()
    }
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_nulls(path: Path) -> dict[str, Nulls]:
    """Read what `write_nulls` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with np.load(path) as file:
            methods = dict.fromkeys(name.rpartition("/")[0] for name in file.files)
            return {
                method: Nulls(*(file[f"{method}/{name}"] for name in Nulls._fields)) for method in methods
            }
    except (OSError, ValueError, KeyError) as fault:
        raise InputError(
            f"{path}: cannot be read ({fault}); expected scores of draws: remove it and run `stratacam evidence` "
            "again."
        ) from fault


def nulls_of_subjects(
    paths: Mapping[str, Path], subject_of: Mapping[str, str], subjects: Sequence[str]
) -> dict[str, Nulls]:
    """By method, the nulls of all subjects, the mean over a subject's scans.

    Args:
        paths: of the scans' files, by scan.
        subject_of: scan to subject.
        subjects: in the order wanted.

    Raises:
        InputError: a file is missing or damaged.
    """
    scans_of: dict[str, list[dict[str, Nulls]]] = {}
    for scan, path in paths.items():
        scans_of.setdefault(subject_of[scan], []).append(read_nulls(path))

    def together(method: str, field: int) -> Draws:
        means = [mean_known(np.stack([scan[method][field] for scan in scans_of[one]])) for one in subjects]
        return np.stack(means, axis=1).astype(np.float32)

    methods = dict.fromkeys(method for scans in scans_of.values() for scan in scans for method in scan)
    return {method: Nulls(together(method, 0), together(method, 1)) for method in methods}
