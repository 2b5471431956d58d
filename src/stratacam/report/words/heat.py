"""Why heat is drawn outside the brain, and how much of it lies there."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stratacam.evidence.focus import INSIDE_BRAIN, inside_each
from stratacam.maps import ScanMaps
from stratacam.maps.fused import fused_title
from stratacam.networks import BrainUse
from stratacam.report.content import StudyContent
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.names import method_title
from stratacam.report.numbers import counted
from stratacam.scans.prepared import PreparedScan

SCANS = 40
"""Scans of which heat is counted, where evidence was not measured."""

SEES: dict[BrainUse, str] = {
    "features": "The network sees the brain alone: nothing outside it changes an answer, though the brain's "
    "outline can. Heat drawn beyond the rim belongs to coarse cells that hold some brain",
    "pooling": "The answer is an average over the brain alone, but features at its rim see the empty surroundings too. "
    "Heat drawn beyond the rim belongs to coarse cells that hold some brain",
    "off": "Outside the brain the picture is empty, but the network sees all of it, and its outline can be used: heat "
    "there may be what the network uses",
}
"""By what networks do with the brain."""

SHORT: dict[BrainUse, str] = {
    "features": "Maps are coarse: their cells at the rim reach beyond the brain.",
    "pooling": "Maps are coarse, and features at the rim of the brain see its surroundings.",
    "off": "The network sees the surroundings too, and may use the outline of the brain.",
}
"""The same in one line."""


class BrainShare(NamedTuple):
    """Share of the heat of a layer's maps that lies in the brain."""

    layer: str
    method: str
    share: str
    cell_mm: float


def why_outside(study: StudyContent, evidence: Sequence[EvidenceContent]) -> tuple[str, str]:
    """Why there is heat outside the brain: in one line, and then with how much of it lies in the brain."""
    shown = _shown(study)
    chosen = study.recommended.chosen if study.recommended and study.recommended_maps else None
    layer = chosen.layer if chosen else study.last_convolution
    found = brain_share(study, shown, layer, evidence)
    which = "the coarsest" if "+" in layer else "this"
    cells = f" ({found.cell_mm:.0f} mm wide at {which} layer)" if study.card.brain != "off" else ""
    share = f"{found.share} of the heat lies in the brain ({found.method}, {found.layer})."
    return SHORT[study.card.brain], f"{SEES[study.card.brain]}{cells}. {share}"


def _shown(study: StudyContent) -> dict[str, ScanMaps]:
    """The maps that the first figure is about."""
    chosen = study.recommended_maps or study.maps
    return {name: maps for name, maps in chosen.items() if name in study.scans}


def brain_share(
    study: StudyContent, shown: dict[str, ScanMaps], layer: str, evidence: Sequence[EvidenceContent]
) -> BrainShare:
    """As evidence measured it, with its interval, or else counted over the first scans."""
    one = next(iter(shown.values()))
    known_of = [one, *list(study.maps.values())[:1]]
    parts = [
        max(maps.raw(part).shape[1:]) for maps in known_of for part in layer.split("+") if part in maps.layers
    ]
    cell = max(one.geometry.size_mm) / min(parts or [max(one.raw(layer).shape[1:])])  # of the coarsest layer
    title, method = fused_title(layer), method_title(one.method)
    count = max(len(one.members), 1)
    for found in evidence:
        measured = found.of(one.method, layer, INSIDE_BRAIN)
        if found.network == study.main.network and found.about.get("networks", 1) == count and measured:
            low, high = (100 * limit for limit in (measured.low, measured.high))
            return BrainShare(
                title, method, f"{100 * measured.value:.0f} % ({low:.0f} to {high:.0f} %)", cell
            )
    names = sorted(shown)[:SCANS]
    shares = [_inside(shown[name], study.scans[name], layer) for name in names]
    known = [share for share in shares if np.isfinite(share)]
    share = (
        f"{100 * np.mean(known):.0f} % (mean of {counted(len(known), 'scan')})"
        if known
        else "An unknown share"
    )
    return BrainShare(title, method, share, cell)


def _inside(maps: ScanMaps, scan: PreparedScan, layer: str) -> float:
    """Share of the heat of a scan inside its brain, mean over slices; NaN where all maps are blank."""
    heat = maps.heat(layer, maps.geometry.size)
    brain = maps.geometry.cut(scan.load_brain_mask().astype(np.float32)) >= 0.5
    shares = inside_each(heat, brain)
    return float(np.nanmean(shares)) if np.isfinite(shares).any() else float("nan")
