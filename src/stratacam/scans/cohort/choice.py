"""Which of several files of one sequence is taken: a rule, and a filter by BIDS entities."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from stratacam.errors import InputError
from stratacam.scans.cohort.kind import other_kind
from stratacam.scans.image_file import sidecar_path
from stratacam.scans.sequences import DEFAULT_SEQUENCES

RULE = "images of another kind only when asked for, then the smallest number of further entities, then natural order"
Choose = Mapping[str, Mapping[str, str]]
"""By sequence, the BIDS entities that its file must have, such as {"T1w": {"acq": "mprage"}}."""

FURTHER = re.compile(r"_([A-Za-z0-9]+)-([A-Za-z0-9+]+)")


def entities(path: Path) -> dict[str, str]:
    """The BIDS entities of a file beyond subject and session.

    Example:
        >>> entities(Path("sub-01_ses-2_acq-mprage_run-02_T1w.nii.gz"))
        {'acq': 'mprage', 'run': '02'}
    """
    found = dict(FURTHER.findall("_" + path.name))
    return {key: value for key, value in found.items() if key not in {"sub", "ses"}}


def read_sequences(text: str | None) -> tuple[str, ...]:
    """The sequences that "T1w,FLAIR" names; all three if None.

    Raises:
        InputError: one is empty, or no name of a sequence.
    """
    if text is None:
        return DEFAULT_SEQUENCES
    sequences = tuple(name.strip() for name in text.split(","))
    if not all(name.isalnum() for name in sequences):
        raise InputError(
            f"--sequences: found {text!r}; expected names with commas between: write, for example, T1w,FLAIR."
        )
    return sequences


def read_choices(texts: Sequence[str], sequences: Sequence[str]) -> dict[str, dict[str, str]]:
    """The entities that files must have, by sequence.

    Args:
        texts: such as "acq-mprage_T1w", or "run-2" for every sequence.
        sequences: that there are.

    Raises:
        InputError: a text has no entity, or names no sequence that there is.

    Example:
        >>> read_choices(["acq-mprage_run-2_T1w", "run-1_FLAIR"], ["T1w", "FLAIR"])
        {'T1w': {'acq': 'mprage', 'run': '2'}, 'FLAIR': {'run': '1'}}
    """
    choices: dict[str, dict[str, str]] = {}
    for text in texts:
        *wanted, last = text.split("_")
        if "-" in last:
            wanted, last = [*wanted, last], ""
        found = entities(Path("_".join(wanted)))
        if not wanted or len(found) != len(wanted) or (last and last not in sequences):
            raise InputError(
                f"--choose: found {text!r}; expected BIDS entities, and one of {', '.join(sequences)} or nothing after "
                "them: write, for example, acq-mprage_T1w or run-2."
            )
        for sequence in [last] if last else sequences:
            choices.setdefault(sequence, {}).update(found)
    return choices


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
    entity_names = " ".join(f"{key}-{value}" for key, value in wanted.items())
    kinds = {path: _unasked(path, wanted) for path in sorted(files, key=natural_order)}
    described = {path: path.name + (f" ({kind})" if kind else "") for path, kind in kinds.items()}
    passing = [path for path in files if not kinds[path] and same_entities(entities(path), wanted)]
    if not passing:
        reason = f"no {sequence} with {entity_names}" if entity_names else f"no plain {sequence}"
        return None, (
            f"{reason}; there is {', '.join(described.values())}; name the entities of one of them in "
            f"--choose or cohort.choose.{sequence}, or add the file"
        )
    best = min(passing, key=lambda path: (len(entities(path)), natural_order(path)))
    same = [path.name for path in passing if sidecar_path(path) == sidecar_path(best)]
    if len(same) > 1:
        return None, (
            f"{sequence}: both {' and '.join(sorted(same))} are there; expected one of them: remove the others"
        )
    if len(files) == 1:
        return best, ""
    others = ", ".join(text for path, text in described.items() if path != best)
    filtered = f" with {entity_names}" if entity_names else ""
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


def _plain(value: str) -> str:
    return str(int(value)) if value.isdecimal() else value
