"""Which of several files of one sequence is taken: a rule that can be told, and a filter by BIDS entities."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from stratacam.scans.cohort.kind import other_kind
from stratacam.scans.image_file import image_end

RULE = "images of another kind only when asked for, then the fewest further entities, then natural order"
FURTHER = re.compile(r"_([A-Za-z0-9]+)-([A-Za-z0-9+]+)")


def entities(path: Path) -> dict[str, str]:
    """The BIDS entities of a file beyond subject and session.

    Example:
        >>> entities(Path("sub-01_ses-2_acq-mprage_run-02_T1w.nii.gz"))
        {'acq': 'mprage', 'run': '02'}
    """
    found = dict(FURTHER.findall("_" + path.name))
    return {key: value for key, value in found.items() if key not in {"sub", "ses"}}


def choose_image(
    sequence: str, files: Sequence[Path], wanted: Mapping[str, str]
) -> tuple[Path, str] | tuple[None, str]:
    """Choose the file of a sequence by `RULE`, from those that have every entity wanted.

    Args:
        sequence: of the files, for the sentence.
        files: of one sequence of one scan.
        wanted: BIDS entity to value; `run = "1"` is also `run-01`.

    Returns:
        The file and a note that says what was taken where there was a choice, empty if there was none; or None
        and the reason why no file can be taken.
    """
    asked = " ".join(f"{key}-{value}" for key, value in wanted.items())
    kinds = {path: _unasked(path, wanted) for path in sorted(files, key=natural_order)}
    there = ", ".join(path.name + (f" ({kind})" if kind else "") for path, kind in kinds.items())
    passing = [path for path in files if not kinds[path] and same_entities(entities(path), wanted)]
    if not passing:
        reason = f"no {sequence} with {asked}" if asked else f"no plain {sequence}"
        return None, (
            f"{reason}; there is {there}; name the entities of one of them in --choose or cohort.choose.{sequence}, or "
            "add the file"
        )
    best = min(passing, key=lambda path: (len(entities(path)), natural_order(path)))
    same = [path.name for path in passing if _stem(path) == _stem(best)]
    if len(same) > 1:
        return None, (
            f"{sequence}: both {' and '.join(sorted(same))} are there; expected one of them: remove the others"
        )
    if len(files) == 1:
        return best, ""
    others = ", ".join(
        path.name + (f" ({kind})" if kind else "") for path, kind in kinds.items() if path != best
    )
    filtered = f" with {asked}" if asked else ""
    return best, f"{sequence}{filtered}: took {best.name} ({RULE}); also there: {others}"


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    """A key that sorts file names with numbers by their size: run-2 before run-10.

    Example:
        >>> sorted(map(Path, ["a_run-10", "a_run-2"]), key=natural_order)[0].name
        'a_run-2'
    """
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def same_entities(found: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether entities have every one wanted; run-1 is also run-01."""
    return all(key in found and _plain(found[key]) == _plain(value) for key, value in wanted.items())


def _unasked(path: Path, wanted: Mapping[str, str]) -> str | None:
    """Why a file is not the plain image of its sequence, unless its entity that says so is wanted."""
    kind = other_kind(path, entities(path))
    return kind.reason if kind and not kind.entities <= set(wanted) else None


def _stem(path: Path) -> str:
    return path.name.removesuffix(image_end(path.name) or "")


def _plain(value: str) -> str:
    return str(int(value)) if value.isdecimal() else value
