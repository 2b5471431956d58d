"""Strategies of a network's maps, written: a table of members, verdicts, and each strategy's typical map."""

import shutil
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from stratacam.evidence.by_class import About
from stratacam.evidence.groups import MeasuredScans, named_layers
from stratacam.evidence.inference.means import mean_known
from stratacam.evidence.regions.scan_heat import OWN_CLASS, template_key
from stratacam.evidence.regions.template_space import template_grid
from stratacam.evidence.rows import write_rows
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.strategies.cohort import Member, Strategies, strategies_of
from stratacam.evidence.strategies.profiles import Floats, pooled, profiles_of
from stratacam.files import write_json
from stratacam.maps import entity
from stratacam.networks import by_block
from stratacam.scans.volume import write_nifti

STRATEGIES, MEMBERS, TYPICAL_MAPS = "strategies.json", "strategies.tsv", "strategy_maps"
"""Verdicts, the strategy of every subject, and the folder of the typical maps."""

BLOCKS = 3
"""Last blocks, of which one layer each is analysed where none is recommended."""

CAUTION = (
    "Maps of the own class explain the class that the network gives each scan: those of two classes may differ because "
    "the classes do."
)


def write_strategies(
    measured: MeasuredScans,
    about: About,
    people: Mapping[str, Mapping[str, str]],
    settings: EvidenceSettings,
    folder: Path,
    *,
    layers_of: Mapping[str, Sequence[str]],
    seed: int,
) -> None:
    """Write `STRATEGIES`, `MEMBERS` and, where there are several strategies, their mean maps in `TYPICAL_MAPS`.

    Args:
        measured: of a network.
        about: by scan, the class that the network gives it, and the run that explains it.
        people: what else is known, by subject.
        settings: of the evidence.
        folder: of the network's evidence.
        layers_of: by method, the layers that are analysed; see `analysed_layers`.
        seed: of everything random.
    """
    shutil.rmtree(folder / TYPICAL_MAPS, ignore_errors=True)
    keys = [
        (explained, method, layer)
        for explained, (method, layers) in product(measured.explained, layers_of.items())
        for layer in layers
    ]
    without = sorted({measured.subject_of[scan] for scan, values in measured.regions.items() if not values})
    if without or not keys:
        reason = (
            f"the place in MNI152 space of {len(without)} subject(s) is not known; prepare with "
            "prepare.template = true"
            if without
            else "evidence.strategy_layers names no layer"
        )
        write_json(
            folder / STRATEGIES, {"statement": f"No strategies were sought: {reason}.", "analyses": []}
        )
        write_rows(folder / MEMBERS, [], Member)
        return
    known = _known(measured, about, people)
    found = []
    for key in keys:
        _, regions = measured.region_means(*key, list(known))
        cells = _cells(measured, key, list(known), settings.voxel_mm)
        found.append(strategies_of(key, profiles_of(cells, regions), known, analyses=len(keys), seed=seed))
    for one in found:
        _write_typical_maps(one, measured, settings, folder)
    write_rows(folder / MEMBERS, [member for one in found for member in one.members], Member)
    write_json(
        folder / STRATEGIES,
        {
            "statement": f"p-values of there being one strategy are corrected for {len(keys)} analyses (classes "
            "explained, methods and layers).",
            "caution": CAUTION if OWN_CLASS in measured.explained else "",
            "analyses": [one.as_json() for one in found],
        },
    )


def analysed_layers(
    settings: EvidenceSettings,
    layers: Sequence[str],
    pools: Sequence[str],
    recommended: Mapping[str, Sequence[str]],
) -> dict[str, tuple[str, ...]]:
    """By method, the layers of the settings; else those recommended; else the last layer of each of the last blocks.

    Raises:
        InputError: a pattern of the settings matches no layer.
    """
    if settings.strategy_layers is not None:
        return dict.fromkeys(
            settings.methods, named_layers(settings.strategy_layers, layers, "strategy_layers")
        )
    blocks = by_block([layer for layer in layers if layer not in pools] or layers)
    last = tuple(block[-1] for block in list(blocks.values())[-BLOCKS:])
    return {method: tuple(recommended.get(method, ())) or last for method in settings.methods}


def strategy_map_file(explained: str, method: str, layer: str, number: int) -> str:
    """The file of a strategy's mean heat, below the folder of a network's evidence."""
    names = "_".join(map(entity, (explained, method, layer)))
    return f"{TYPICAL_MAPS}/{names}_strategy-{number}_mean.nii.gz"


def _known(
    measured: MeasuredScans, about: About, people: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """By subject, its group, the classes given to its scans, the runs that explain them, and what else is known."""
    found = {}
    for subject in sorted(measured.group_of):
        scans = [about[scan] for scan, its in measured.subject_of.items() if its == subject]
        given, runs = ({one[key] for one in scans} for key in ("given", "run"))
        found[subject] = {
            "group": measured.group_of[subject],
            "given": " and ".join(sorted(given)),
            "run": " and ".join(sorted(runs)),
            **people.get(subject, {}),
        }
    return found


def _cells(
    measured: MeasuredScans, key: tuple[str, str, str], subjects: Sequence[str], voxel_mm: float
) -> Floats:
    """(subjects, cells), the mean over a subject's scans; one scan's volume is held at a time."""
    name = template_key(*key)
    of_subject: dict[str, list[Floats]] = {subject: [] for subject in subjects}
    for scan, path in measured.templates.items():
        of_subject[measured.subject_of[scan]].append(pooled(np.load(path)[name].astype(np.float32), voxel_mm))
    return np.stack([mean_known(np.stack(scans)) for scans in of_subject.values()])


def _write_typical_maps(
    found: Strategies, measured: MeasuredScans, settings: EvidenceSettings, folder: Path
) -> None:
    """The mean heat of each of several strategies in MNI152 space; NaN where no member's slices reach."""
    if found.verdict != "several":
        return
    key, affine = (found.explained, found.method, found.layer), template_grid(settings.voxel_mm).affine
    for number in range(1, len(found.stability) + 1):
        mean = mean_known(measured.on_template(*key, found.named(number)))
        write_nifti(folder / strategy_map_file(*key, number), mean.astype(np.float32), affine)
