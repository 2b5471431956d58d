"""Sentences and tables of a quality page, from the record of the scan, without a path of this machine."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stratacam.scans.quality.measures import (
    DASH,
    as_text,
    information,
    number,
    part,
    per_cent,
)

FOLDERS = re.compile(
    r"(?<![^\s'\"(\[=])(?:file://|[A-Za-z]:)?[/\\](?=\S)(?:[^/\\:;,'\"()]+[/\\])+(?=[^/\\\s])"
)


def without_folders(text: str) -> str:
    """Return `text` with absolute paths cut down to their last part.

    Example:
        >>> without_folders("/data/ward 7/sub-01/anat/sub-01_T1w.nii.gz: all voxels are zero")
        'sub-01_T1w.nii.gz: all voxels are zero'
        >>> without_folders("T2w/T1w of bids:raw:sub-01/anat/sub-01_T1w.nii.gz")
        'T2w/T1w of bids:raw:sub-01/anat/sub-01_T1w.nii.gz'
    """
    return FOLDERS.sub("", text)


def facts(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the numbers of the whole scan: what, how much, and what to expect."""
    volume, slices = number(record.get("BrainVolume")), number(record.get("KeptSlices"))
    mask = without_folders(str(record.get("BrainMask", DASH)))
    dice = number(part(record, "Template").get("Dice"))
    return [
        ("Brain volume", as_text(volume, 0, "ml"), "an adult's: 900 to 2000 ml"),
        ("Slices kept", as_text(slices, 0), "where the brain is large enough in the plane"),
        ("Brain mask", mask, "found by deepbet, or supplied"),
        ("Fit to the template", as_text(dice, 2), "overlap of the brains (Dice)"),
    ]


def registration_facts(record: Mapping[str, Any], sequence: str) -> list[tuple[str, str]]:
    """Return the figures of a sequence's registration: name and value."""
    one = part(part(record, "Registration"), sequence)
    before = as_text(information(one.get("MetricBefore")), 3)
    after = as_text(information(one.get("MetricAfter")), 3)
    shared = as_text(number(one.get("SharedBefore")), 2), as_text(number(one.get("SharedAfter")), 2, "nats")
    unused = " (found, not used)" if fell_back(record, sequence) else ""
    return [
        ("Mutual information", f"{before} → {after}"),
        ("Shared in the brain", f"{shared[0]} → {shared[1]}"),
        (f"Moved at the brain's centre{unused}", as_text(number(one.get("Translation")), 1, "mm")),
        (f"Turned{unused}", as_text(number(one.get("Rotation")), 1, "°")),
        ("Started from", str(one.get("Start", DASH))),
    ]


def fell_back(record: Mapping[str, Any], sequence: str) -> bool:
    """Whether the registration of a sequence was given up and the position by the headers kept."""
    return part(part(record, "Registration"), sequence).get("FellBack") is True


def white_matter(record: Mapping[str, Any], sequence: str) -> float | None:
    """Return the normalised intensity that white matter is meant to have; None if the scan was scaled otherwise."""
    settings = part(record, "Settings")
    if settings.get("intensity", "white_matter") != "white_matter":
        return None
    multiple = number(part(settings, "full_scale").get(sequence, settings.get("full_scale_other")))
    return 1 / multiple if multiple else None


def bias_range(record: Mapping[str, Any], sequence: str) -> str:
    """Return the standard deviation of the bias field of a sequence inside the brain, as text."""
    return as_text(per_cent(part(record, "BiasRange").get(sequence)), 1, "%")


def tissue_contrast(record: Mapping[str, Any], sequence: str) -> str:
    """Return the contrast of grey and white matter before and after bias correction; "" where it is not recorded."""
    one = part(part(record, "TissueContrast"), sequence)
    before, after = number(one.get("Before")), number(one.get("After"))
    return "" if before is None or after is None else f"{before:.2f} → {after:.2f}"


def details(record: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the tables of settings, sources and versions: title, and rows of name and value."""
    return [
        (key, [(name, without_folders(value)) for name, value in _flat(part(record, key))])
        for key in ("Settings", "Sources", "Versions")
    ]


def notes(record: Mapping[str, Any]) -> list[str]:
    """Return the notes of the record."""
    found = record.get("Notes")
    return [without_folders(str(note)) for note in found] if isinstance(found, list) else []


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)
