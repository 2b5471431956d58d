"""Groups of a study compared: regions, voxels, and maps of each group in MNI152 space."""

import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.evidence.covariates import covariates_of
from stratacam.evidence.inference.means import mean_known
from stratacam.evidence.regions.atlas import atlas_of
from stratacam.evidence.regions.comparison import GroupTest, compare_groups
from stratacam.evidence.regions.group_maps import group_maps
from stratacam.evidence.regions.region_values import RegionValue
from stratacam.evidence.regions.scan_heat import OWN_CLASS, template_key
from stratacam.evidence.regions.template_space import template_brain, template_grid
from stratacam.evidence.regions.voxelwise import compare_voxels
from stratacam.evidence.settings import EvidenceSettings
from stratacam.files import write_json, write_table
from stratacam.maps import entity
from stratacam.scans.volume import write_nifti

MINIMUM_SUBJECTS = 3
"""Subjects of a group that is compared voxel by voxel."""

GROUP_MAPS = "group_maps"
"""Folder of the maps of groups."""

STATISTICS = 2
"""Of a voxel-wise comparison: the largest t, and threshold-free cluster enhancement."""

CAUTION = (
    "Maps of the own class explain the class that the network gives each scan, so that those of two groups explain "
    "different classes: where they differ, the network's classes do, and perhaps nothing in the scans."
)


@dataclass(frozen=True)
class MeasuredScans:
    """Where the heat of every scan is.

    Attributes:
        subject_of: scan to subject.
        group_of: subject to group.
        regions: scan to the heat of its regions.
        templates: scan to its heat in MNI152 space.
        explained: what maps explain: one class in everybody, then, where it was asked for, `OWN_CLASS`.
    """

    subject_of: Mapping[str, str]
    group_of: Mapping[str, str]
    regions: Mapping[str, Sequence[RegionValue]]
    templates: Mapping[str, Path]
    explained: tuple[str, ...]

    def region_means(
        self, explained: str, method: str, layer: str, subjects: Sequence[str]
    ) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """Names of the regions, and their mean heat (subjects, regions); NaN where slices did not reach one."""
        found: dict[tuple[str, str], list[float]] = {}
        for scan, values in self.regions.items():
            for value in values:
                if (value.explained, value.method, value.layer) == (explained, method, layer):
                    found.setdefault((self.subject_of[scan], value.region), []).append(value.mean)
        names = tuple(dict.fromkeys(region for _, region in found))
        table = [[np.mean(found.get((subject, name), [math.nan])) for name in names] for subject in subjects]
        return names, np.array(table, dtype=np.float64).reshape(len(subjects), len(names))

    def on_template(
        self, explained: str, method: str, layer: str, subjects: Sequence[str]
    ) -> NDArray[np.float32]:
        """(subjects, X, Y, Z), the mean over a subject's scans; NaN where no slice reaches."""
        key = template_key(explained, method, layer)
        laid = []
        for subject in subjects:
            paths = [path for scan, path in self.templates.items() if self.subject_of[scan] == subject]
            laid.append(mean_known(np.stack([np.load(path)[key].astype(np.float32) for path in paths])))
        return np.stack(laid).astype(np.float32)


COLUMNS = (
    "explained", "method", "layer", "region", "groups", "test", "statistic", "p", "q", "family_wise", "effect",
    "subjects",
)  # fmt: skip


def write_groups(
    measured: MeasuredScans,
    people: Mapping[str, Mapping[str, str]],
    settings: EvidenceSettings,
    layers: Sequence[str],
    folder: Path,
    *,
    last: str,
    seed: int,
    executor: Executor,
) -> list[str]:
    """Write `comparison.tsv`, `groups.json` and `group_maps`; return a sentence about it.

    Args:
        measured: of a network.
        people: what they are compared beside, by subject.
        settings: of the evidence.
        layers: shallow to deep.
        folder: of the network's evidence.
        last: the last convolution, whose voxels are compared by default.
        seed: of permutations.
        executor: where voxels are compared.
    """
    shutil.rmtree(folder / GROUP_MAPS, ignore_errors=True)
    group_of = {subject: group for subject, group in sorted(measured.group_of.items()) if group}
    groups = list(group_of.values())
    without = sorted({measured.subject_of[scan] for scan, values in measured.regions.items() if not values})
    if len(set(groups)) < 2 or without:
        write_json(folder / "groups.json", {"statement": _why_not(without), "voxelwise": []})
        write_table(folder / "comparison.tsv", [COLUMNS])
        return []
    names, covariates = covariates_of(people, list(group_of), settings.covariates)
    beside: dict[str, Any] = {"covariates": covariates, "covariate_names": names, "seed": seed}
    keys, columns = [], []
    for maps_of in product(measured.explained, settings.methods, layers):
        regions, means = measured.region_means(*maps_of, list(group_of))
        keys += [(*maps_of, region) for region in regions]
        columns.append(means)
    comparison = compare_groups(np.hstack(columns), groups, **beside)
    statement = f"{_family(keys)} {comparison.statement}"
    _write_comparison(folder / "comparison.tsv", comparison.tests, keys)
    grid = template_grid(settings.voxel_mm)
    for maps_of in product(measured.explained, settings.methods, layers):
        maps = group_maps(measured.on_template(*maps_of, list(group_of)), groups)
        for (group, kind), volume in maps.items():
            write_nifti(folder / group_map_file(*maps_of, group, kind), volume, grid.affine)
    voxelwise = _voxelwise(
        measured, group_of, settings, layers, folder / GROUP_MAPS, last=last, executor=executor, beside=beside
    )
    write_json(
        folder / "groups.json",
        {
            "statement": statement,
            "subjects": dict(Counter(groups)),
            "explained": measured.explained,
            "caution": CAUTION if OWN_CLASS in measured.explained else "",
            "atlas": atlas_of(settings.atlas).title,
            "covariates": tuple(dict.fromkeys(names)),
            "voxelwise": voxelwise,
        },
    )
    return [statement, *(found["statement"] for found in voxelwise)]


def _family(keys: Sequence[tuple[str, ...]]) -> str:
    """What the columns of a comparison are."""
    explained, methods, layers, regions = (tuple(dict.fromkeys(values)) for values in zip(*keys, strict=True))
    words = [f"{one} of each scan" if one == OWN_CLASS else f"{one} in everybody" for one in explained]
    kinds = f"{len(words)} kinds of maps" if len(words) > 1 else "one kind of map"
    return (
        f"{len(regions)} regions, in {len(layers)} layers, {len(methods)} method{'s' if len(methods) > 1 else ''} and "
        f"{kinds} ({', '.join(words)}), are {len(keys)} columns, and one family of tests together."
    )


def _why_not(without: Sequence[str]) -> str:
    """Why nothing was compared."""
    if not without:
        return "All subjects are of one group: nothing was compared."
    return (
        f"Nothing was compared: the place in MNI152 space of {len(without)} subject(s) ({', '.join(without[:5])}"
        f"{' ...' if len(without) > 5 else ''}) is not known; prepare with prepare.template = true."
    )


def _write_comparison(path: Path, tests: Sequence[GroupTest], keys: Sequence[tuple[str, ...]]) -> None:
    def word(value: float) -> str:
        return "n/a" if math.isnan(value) else f"{value:.5g}"

    rows: list[tuple[str, ...]] = [COLUMNS]
    for test in tests:
        numbers = (test.statistic, test.p, test.q, test.family_wise, test.effect)
        rows.append((*keys[test.column], test.groups, test.test, *map(word, numbers), str(test.subjects)))
    write_table(path, rows)


def group_map_file(explained: str, method: str, layer: str, group: str, kind: str) -> str:
    """The file of a map of `group_maps`, below the folder of a network's evidence."""
    names = "_".join(map(entity, (explained, method, layer, group)))
    return f"{GROUP_MAPS}/{names}_{kind}.nii.gz"


def _voxelwise(
    measured: MeasuredScans,
    group_of: Mapping[str, str],
    settings: EvidenceSettings,
    layers: Sequence[str],
    folder: Path,
    *,
    last: str,
    executor: Executor,
    beside: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Every pair of groups at the chosen layers of the first method, by maps of one class in everybody.

    p-values are corrected for the number of pairs, layers and statistics.
    """
    if not settings.permutations:
        return []
    explained, method, wanted = measured.explained[0], settings.methods[0], settings.group_layers
    groups = list(group_of.values())
    chosen = (last,) if wanted is None else named_layers(wanted, layers, "group_layers")
    enough = sorted(group for group in set(groups) if groups.count(group) >= MINIMUM_SUBJECTS)
    grid = template_grid(settings.voxel_mm)
    brain = template_brain(grid)
    comparisons = {}
    for layer in chosen:
        maps = measured.on_template(explained, method, layer, list(group_of))
        for pair in combinations(enough, 2):
            comparisons[layer, pair] = executor.submit(
                compare_voxels,
                maps,
                groups,
                pair,
                brain,
                grid,
                subjects=list(group_of),
                permutations=settings.permutations,
                **beside,
            )
    results = {which: comparison.result() for which, comparison in comparisons.items()}
    count = STATISTICS * sum(result.voxels > 0 for result in results.values())
    found: list[dict[str, Any]] = []
    for (layer, pair), result in results.items():
        words = {"explained": explained, "method": method, "layer": layer, "pair": " - ".join(pair)}
        if not result.voxels:
            found.append({**words, "statement": result.statement})
            continue
        stem = f"{entity(explained)}_{entity(method)}_{entity(layer)}_{entity(pair[0])}-{entity(pair[1])}"
        for name, volume in (("t", result.t), ("logp", result.log_p), ("logptfce", result.log_p_tfce)):
            write_nifti(folder / f"{stem}_{name}.nii.gz", volume, grid.affine)
        statement = f"{result.statement} Corrected for {count} comparisons (statistics, pairs and layers)."
        found.append({**words, **result.summary(count), "statement": statement})
    return found


def named_layers(patterns: Sequence[str], layers: Sequence[str], setting: str) -> tuple[str, ...]:
    """The layers that any pattern of a setting of the evidence matches.

    Raises:
        InputError: a pattern matches none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(layer, pattern) for layer in layers):
            raise InputError(
                f"evidence.{setting}: found {pattern!r}; expected some of {', '.join(layers)}: correct the name."
            )
    return tuple(layer for layer in layers if any(fnmatchcase(layer, pattern) for pattern in patterns))
