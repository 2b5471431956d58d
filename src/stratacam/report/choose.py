"""Which scans and slices the figures show, each by a rule that can be printed under the figure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratacam.maps import ScanMaps
from stratacam.report.content import HELD_OUT, StudyContent, subject_label
from stratacam.report.shown import ShownScan

PROGRESSIVE = "SPMS"
"""The group whose maps the abstract shows; a cohort without it shows another, see `choose_patient`."""

CONTROL = re.compile(r"(healthy.*|.*controls?|hc|cn|nc|normal)", re.IGNORECASE)
"""Names of groups without disease, shown only where there is nothing else."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the rule in words."""

    name: str
    rule: str


def choose_examples(study: StudyContent) -> list[str]:
    """One scan of each group, in the order of the classes: the first held-out one by name, or else the first."""
    chosen = []
    for group in study.card.classes:
        of_group = [name for name in sorted(study.scans) if study.group.get(subject_label(name)) == group]
        held_out = [name for name in of_group if study.part[subject_label(name)] == HELD_OUT]
        chosen += (held_out or of_group)[:1]
    return chosen


def choose_level(scans: Sequence[ShownScan]) -> tuple[float, str]:
    """A level that all scans show, as a fraction of the way up through their kept slices, and its rule."""
    known = [(scan, areas) for scan in scans if (areas := scan.lesion_areas) is not None]
    if not known:
        return 0.5, "the middle of the kept slices of each"
    largest, areas = max(known, key=lambda pair: int(pair[1].max()))
    kept = largest.volume.kept
    level = float(areas[kept].argmax() / max(len(kept) - 1, 1))
    return level, (
        f"{100 * level:.0f} % of the way up through the kept slices of each, where {largest.name} "
        f"({largest.group}) has the largest true lesion area of the subjects shown"
    )


def slice_at(scan: ShownScan, level: float) -> int:
    """The kept slice nearest to a level."""
    kept = scan.volume.kept
    return int(kept[round(level * (len(kept) - 1))])


def choose_patient(study: StudyContent) -> Choice:
    """The scan whose maps are shown.

    Groups are tried in this order: SPMS, then the others from the last class to the first, groups that are
    called controls at the end. The first group with a held-out scan that is classified right gives its scan
    with the highest probability of its own group; if no scan is classified right, the same without that.
    """
    last_first = list(reversed(study.card.classes))
    order = sorted(last_first, key=lambda group: (group != PROGRESSIVE, bool(CONTROL.fullmatch(group))))
    mapped = [maps for maps in study.maps.values() if maps.name in study.scans]
    pools = {
        "held-out": [maps for maps in mapped if study.part.get(subject_label(maps.name)) == HELD_OUT],
        "explained": mapped,
    }
    for pool, candidates in pools.items():
        for right in (True, False):
            for group in order:
                found = [
                    maps
                    for maps in candidates
                    if study.group.get(subject_label(maps.name)) == group
                    and (maps.predicted == group or not right)
                ]
                if not found:
                    continue
                best = max(found, key=lambda maps: (probability(maps, group), maps.name))
                kind = f"{pool} {group} scans" + (" classified right" if right else "")
                rest = "" if right else f" (no {pool} scan of any group was classified right)"
                return Choice(
                    best.name, f"of the {len(found)} {kind}, the one with the highest probability{rest}"
                )
    first = mapped[0].name
    return Choice(first, "the first explained scan, as none of the explained subjects has a known group")


def probability(maps: ScanMaps, group: str) -> float:
    """Mean probability of a class over the explained slices."""
    return float(maps.probabilities[:, maps.classes.index(group)].mean())


def choose_slices(scan: ShownScan, count: int = 3) -> tuple[NDArray[np.intp], str]:
    """Neighbouring explained slices (indices in the volume, ascending), and the rule of the middle one."""
    explained = scan.explained.slices
    areas = scan.lesion_areas
    if areas is not None and areas[explained].any():
        centre, rule = int(areas[explained].argmax()), "the explained slice with the largest true lesion area"
    else:
        centre, rule = len(explained) // 2, "the middle one of the explained slices"
    start = min(max(centre - count // 2, 0), max(len(explained) - count, 0))
    return explained[start : start + count], rule
