"""Which files of a sequence are images of another kind: after contrast agent, parts, echoes, derived, elsewhere."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from stratacam.files import read_json
from stratacam.scans.image_file import sidecar_path
from stratacam.scans.signs import (
    ELSEWHERE,
    LOCALISER,
    PART,
    SIGNS,
    SUBTRACTION,
    agent_tag,
    names_agent,
    plain_text,
)

AFTER_AGENT = "after contrast agent"
KINDS = {
    "ce": AFTER_AGENT,
    "part": "a part of a complex image",
    "inv": "one of several inversions",
    "echo": "one of several echoes",
    "flip": "one of several flip angles",
    "mt": "of magnetisation transfer",
    "chunk": "a piece of the head",
    "space": "in another space",
} | dict.fromkeys(("desc", "res", "den", "label", "hemi"), "derived from a scan")
"""Entities of BIDS that name another kind of image."""

SIGNS_OF_NAMES = (LOCALISER, PART, SUBTRACTION, ELSEWHERE)


class Kind(NamedTuple):
    """Why an image is of another kind, and the entities that must be named to use it."""

    reason: str
    entities: frozenset[str]


def other_kind(path: Path, entities: Mapping[str, str]) -> Kind | None:
    """Say of what other kind an image is by the entities in its name and its JSON sidecar; None for the plain image.

    Example:
        >>> other_kind(Path("sub-01_acq-postGd_T1w.nii"), {"acq": "postGd"}).reason
        'acq-postGd: after contrast agent'
        >>> other_kind(Path("sub-01_acq-mprage_T1w.nii"), {"acq": "mprage"})
    """
    found = {
        key: f"{key}-{value}: {reason}"
        for key, value in entities.items()
        if (reason := _by_entity(key, value)) is not None
    }
    if found:
        return Kind("; ".join(found.values()), frozenset(found))
    reason = _by_sidecar(path)
    if reason and not entities:
        reason += ", and only an entity such as ce- in its name lets it be asked for"
    return Kind(f"its sidecar says {reason}", frozenset(entities or {"ce"})) if reason else None


def _by_entity(key: str, value: str) -> str | None:
    if key == "part" and value == "mag":
        return None
    if key in KINDS:
        return KINDS[key]
    text = plain_text(value)
    if names_agent(text):
        return AFTER_AGENT
    other = [name for name in SIGNS_OF_NAMES if SIGNS[name].words.search(text)]
    if (other and "head" not in text) or re.search(r"inv\d", text):
        return "another image than the scan"
    return None


def _by_sidecar(path: Path) -> str | None:
    content = read_json(sidecar_path(path))
    header = {key: str(value) for key, value in content.items()}
    if tag := agent_tag(header):
        return f"{AFTER_AGENT} ({tag}: {header[tag]})"
    types = content.get("ImageType")
    named = set(map(str, types)) if isinstance(types, list) else set()
    signs = ((name, sorted(SIGNS[name].image_types & named)) for name in SIGNS_OF_NAMES)
    return next((f"{name} (ImageType: {found[0]})" for name, found in signs if found), None)
