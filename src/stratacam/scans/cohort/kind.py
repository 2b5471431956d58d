"""Which files of a sequence are images of another kind: after contrast agent, parts, echoes, derived, elsewhere."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from stratacam.scans.image_file import image_end

DERIVED = "derived from a scan"
KINDS = {
    "ce": "after contrast agent",
    "part": "a part of a complex image",
    "inv": "one of several inversions",
    "echo": "one of several echoes",
    "flip": "one of several flip angles",
    "mt": "of magnetisation transfer",
    "chunk": "a piece of the head",
    "space": "in another space",
    "desc": DERIVED,
    "res": DERIVED,
    "den": DERIVED,
    "label": DERIVED,
    "hemi": DERIVED,
}
"""Entities of BIDS that name another kind of image."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
SEQUENCE = "t|tw|w|d|mprage|mpr|spgr|fspgr|bravo|vibe|tfe|space|flash|tse|se"
AGENT = re.compile(
    rf"(?:with|plus|mit|avec|post|{SEQUENCE})*"
    r"(?:gd|gad|gado\w*|contrast\w*|ce|dce|km|gbca|dotarem|magnevist|omniscan|prohance|multihance|clariscan)"
)
AFTER = re.compile(rf"(?:{SEQUENCE})*post")
BEFORE = {"pre", "no", "non", "without", "wo", "sans", "ohne", "nativ", "native", "before"}
OTHER_IMAGE = re.compile(r"phase|imag|imaginary|real|subtr\w*|scout|locali[sz]er|survey|\w*spine|neck")
NO_AGENT = {"", "no", "none", "n/a", "na", "false", "0"}
IMAGE_TYPES = {"P": "phase", "PHASE": "phase", "PHASE MAP": "phase", "SUBTRACT": "a subtraction"}


class Kind(NamedTuple):
    """That an image is of another kind: why, and the entities by which it must be asked for."""

    reason: str
    entities: frozenset[str]


def other_kind(path: Path, entities: Mapping[str, str]) -> Kind | None:
    """Say of what other kind an image is by its entities and its JSON sidecar; None for the plain image.

    Args:
        path: of the image.
        entities: in its name.

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
    told = _by_sidecar(path)
    if told and not entities:
        told += ", and only an entity such as ce- in its name lets it be asked for"
    return Kind(f"its sidecar says {told}", frozenset(entities) or frozenset({"ce"})) if told else None


def _by_entity(key: str, value: str) -> str | None:
    if key == "part" and value == "mag":
        return None
    if key in KINDS:
        return KINDS[key]
    words = [word.casefold() for word in WORD.findall(value)]
    if names_agent(words):
        return KINDS["ce"]
    other = any(OTHER_IMAGE.fullmatch(word) for word in words) and "head" not in words
    if other or re.search(r"inv\d", value.casefold()):
        return "another image than the scan"
    return None


def names_agent(words: Sequence[str]) -> bool:
    """Whether words, in small letters, say that an image was taken after a contrast agent.

    "post" at the end, or before the agent or the sequence, does; before another word, such as "op", it does not.
    """
    words = [word for word in words if not word.isdecimal()]
    if "".join(words[-2:]) in {"tc", "twc"}:
        return True
    for place, word in enumerate(words):
        after = words[place + 1] if place + 1 < len(words) else "t"
        post = AFTER.fullmatch(word) and (AGENT.fullmatch(after) or re.fullmatch(SEQUENCE, after))
        if (post or AGENT.fullmatch(word)) and not BEFORE & set(words[:place]):
            return True
    return False


def _by_sidecar(path: Path) -> str | None:
    sidecar = path.with_name(path.name.removesuffix(image_end(path.name) or "") + ".json")
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict):
        return None
    for key, value in content.items():
        if key.startswith("ContrastBolus") and str(value).strip().casefold() not in NO_AGENT:
            return f"{KINDS['ce']} ({key}: {value})"
    types = content.get("ImageType")
    return next(
        (
            IMAGE_TYPES[kind]
            for kind in map(str, types if isinstance(types, list) else ())
            if kind in IMAGE_TYPES
        ),
        None,
    )
