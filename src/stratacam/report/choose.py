"""Which scans and slices the figures show, each by a rule that can be printed under the figure."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.maps import ScanMaps
from stratacam.report.content import StudyContent, subject_label
from stratacam.report.shown import ShownScan
from stratacam.scans.planes import ENDS

PROGRESSIVE = "SPMS"
"""The group whose maps the abstract shows; a cohort without it shows another, see `choose_patient`."""

CONTROL = re.compile(r"(healthy.*|.*controls?|hc|cn|nc|normal)", re.IGNORECASE)
"""Names of groups without disease, shown only where there is nothing else."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the rule in words."""

    name: str
    rule: str


def choose_examples(study: StudyContent, among: Collection[str] | None = None) -> list[str]:
    """One scan of each group, in the order of the classes: the first held-out one by name, or else the first.

    Args:
        study: to choose from.
        among: names of scans; absent: of all.
    """
    names = sorted(study.scans) if among is None else sorted(set(study.scans) & set(among))
    chosen = []
    for group in study.card.classes:
        of_group = [name for name in names if study.group.get(subject_label(name)) == group]
        held_out = [name for name in of_group if subject_label(name) in study.held_out]
        chosen += (held_out or of_group)[:1]
    return chosen


def choose_level(scans: Sequence[ShownScan]) -> tuple[float, str]:
    """A level that all scans show, as a fraction of the way through the slices the network is for, and its rule."""
    known = [(scan, areas) for scan in scans if (areas := scan.lesion_areas) is not None]
    if not known:
        return 0.5, "the middle of the slices that the network is for"
    largest, areas = max(known, key=lambda pair: int(pair[1].max()))
    seen = largest.seen
    level = float(areas[seen].argmax() / max(len(seen) - 1, 1))
    return level, (
        f"{100 * level:.0f} % of the way from {' to '.join(ENDS[largest.volume.plane])} through the slices that the "
        f"network is for, where {largest.name} ({largest.group}) has the largest true lesion area of the subjects shown"
    )


def slice_at(scan: ShownScan, level: float) -> int:
    """The kept slice nearest to a level."""
    return int(scan.seen[round(level * (len(scan.seen) - 1))])


def explained_scans(study: StudyContent) -> list[ScanMaps]:
    """The maps of prepared scans.

    Raises:
        InputError: the maps are of other scans than were prepared.
    """
    mapped = [maps for maps in study.maps.values() if maps.name in study.scans]
    if not mapped:
        raise InputError(
            f"{study.folders.maps}: found maps of other scans; expected maps of those in {study.folders.prepared}: "
            "make them again with `stratacam run`."
        )
    return mapped


def choose_patient(study: StudyContent, asked: Sequence[str] = ()) -> Choice:
    """The scan whose maps are shown: the first of those asked for, or else by this rule.

    Held-out scans come before others, groups with disease before controls, scans that are classified right before
    wrong ones. Of these the group counts: SPMS, then the others from the last class to the first; and in the group the
    highest probability of it. With folds every subject was held out, and the maps of a scan
    are of the model that held it out.

    Raises:
        InputError: the maps are of other scans than were prepared.
    """
    if asked:
        return Choice(asked[0], "as asked for")
    mapped = explained_scans(study)
    last_first = list(study.card.classes[::-1])
    last_first.sort(key=lambda group: group != PROGRESSIVE)

    def group_of(maps: ScanMaps) -> str:
        return study.group.get(subject_label(maps.name), "")

    def kind(maps: ScanMaps) -> tuple[bool, bool, bool, int]:
        group = group_of(maps)
        held_out = subject_label(maps.name) in study.held_out
        return held_out, not CONTROL.fullmatch(group), maps.predicted == group, -last_first.index(group)

    known = [maps for maps in mapped if group_of(maps) in last_first]
    if not known:
        return Choice(mapped[0].name, "the first explained scan, as no explained subject has a known group")
    best = max(
        known, key=lambda maps: (kind(maps), maps.scan_probabilities.get(group_of(maps), 0.0), maps.name)
    )
    count = sum(kind(maps) == kind(best) for maps in known)
    fold = study.fold_of.get(subject_label(best.name))
    whose = f"; its maps are of the model of fold {fold}, which held the subject out" if fold else ""
    return Choice(best.name, _rule(kind(best), group_of(best), count) + whose)


def _rule(kind: tuple[bool, bool, bool, int], group: str, count: int) -> str:
    held_out, _, right, _ = kind
    scans = f"{'held-out' if held_out else 'explained'} {group} scan{'s' if count > 1 else ''}"
    scans += "" if held_out else " of people that the model was trained on or stopped by"
    scans += " classified right" if right else ""
    none = "" if right else " (none was classified right)"
    return f"of {count} {scans}, the one with the highest probability of {group}{none}"


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
