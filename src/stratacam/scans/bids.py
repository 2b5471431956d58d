"""What a BIDS folder holds: the scans of every subject and session, and the group of every subject."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError

SUBJECT = re.compile(r"sub-([A-Za-z0-9+]+)")
SESSION = re.compile(r"ses-([A-Za-z0-9+]+)")
NOT_AVAILABLE = {"", "n/a", "N/A", "na", "NA", "nan", "NaN"}


@dataclass(frozen=True)
class Scan:
    """One session of one subject, as delivered."""

    subject: str  # "01"
    session: str | None
    images: Mapping[str, Path]  # sequence -> file, in the order asked for
    brain_mask: Path | None = None  # a mask supplied on the grid of the T1w
    notes: tuple[str, ...] = ()  # which file was taken where there was a choice

    @property
    def name(self) -> str:
        """The BIDS entities of the scan: "sub-01" or "sub-01_ses-2"."""
        return f"sub-{self.subject}" + (f"_ses-{self.session}" if self.session else "")


@dataclass(frozen=True)
class LeftOut:
    """A scan that cannot be used, and why."""

    name: str
    reason: str


def find_scans(
    bids: Path, sequences: Sequence[str] = ("T1w", "T2w", "FLAIR")
) -> tuple[list[Scan], list[LeftOut]]:
    """Find every session of every subject of a BIDS folder.

    Files are `sub-*/[ses-*/]anat/sub-*_[ses-*_][entities_]<sequence>.nii[.gz]`. Of several files of one
    sequence (runs, acquisitions), the first in sorted order is taken and noted: a name without further
    entities comes first. A brain mask is taken from
    `derivatives/*/sub-*/[ses-*/]anat/*_desc-brain_mask.nii[.gz]` if it is in the space of the T1w (no `space`
    entity, or `space-T1w`) and was not made by stratacam itself.

    Args:
        bids: the folder with the `sub-*` folders.
        sequences: the BIDS suffixes every scan must have. "T1w" must be one of them, as all others are
            registered to it.

    Returns:
        The scans, sorted by name, and the sessions that lack a sequence, with the reason.

    Raises:
        InputError: no such folder, no `sub-*` folder in it, or "T1w" is not among `sequences`.
    """
    if "T1w" not in sequences:
        raise InputError(
            f"sequences: found {', '.join(sequences) or 'none'}; expected T1w among them, as the others are "
            "registered to it: add it"
        )
    if not bids.is_dir():
        raise InputError(f"{bids}: no such folder; expected a BIDS data set with folders sub-*")
    subjects = [
        folder for folder in sorted(bids.glob("sub-*")) if folder.is_dir() and SUBJECT.fullmatch(folder.name)
    ]
    if not subjects:
        raise InputError(f"{bids}: has no folder sub-<label>; expected a BIDS data set: give its top folder")
    derivatives = [folder for folder in sorted(bids.glob("derivatives/*")) if not _made_by_stratacam(folder)]
    scans: list[Scan] = []
    left_out: list[LeftOut] = []
    for subject in subjects:
        for session in _sessions(subject):
            found = _find_scan(bids, subject.name, session, sequences, derivatives)
            if isinstance(found, Scan):
                scans.append(found)
            else:
                left_out.append(found)
    return scans, left_out


def read_groups(bids: Path, column: str = "group") -> dict[str, str]:
    r"""Read the group of every subject from `participants.tsv`.

    Args:
        bids: the folder with `participants.tsv`.
        column: the column that holds the group.

    Returns:
        Subject ("sub-01") to group; subjects whose group is "n/a" or empty are left out.

    Raises:
        InputError: the table is missing, is not tab-separated UTF-8, lacks a column, has a row of another
            length, or names a subject twice.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> table = "participant_id\tgroup\nsub-01\tRRMS\nsub-02\tn/a\n"
        >>> _ = (folder / "participants.tsv").write_text(table)
        >>> read_groups(folder)
        {'sub-01': 'RRMS'}
    """
    path = bids / "participants.tsv"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected a table with the columns participant_id and {column}, "
            "separated by tabs: write one"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8 text") from error
    rows = [row for row in csv.reader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE) if any(row)]
    if not rows:
        raise InputError(f"{path}: is empty; expected the columns participant_id and {column}")
    columns = [name.strip() for name in rows[0]]
    for needed in ("participant_id", column):
        if needed not in columns:
            separator = next((sign for sign in ",; " if len(columns) == 1 and sign in columns[0]), None)
            hint = (
                f"it seems to be separated by {separator!r}: save it with tabs"
                if separator
                else "name the column that there is, or add it"
            )
            raise InputError(f"{path}: has no column {needed!r}; it has {', '.join(columns)}; {hint}")
    groups: dict[str, str] = {}
    seen: set[str] = set()
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(columns):
            raise InputError(
                f"{path}: row {number} has {len(row)} fields; expected {len(columns)}, separated by tabs: "
                "write n/a where a value is missing"
            )
        values = dict(zip(columns, (value.strip() for value in row), strict=True))
        label = "sub-" + values["participant_id"].removeprefix("sub-")
        if label in seen:
            raise InputError(f"{path}: row {number} names {label} again; expected one row per subject")
        seen.add(label)
        if values[column] not in NOT_AVAILABLE:
            groups[label] = values[column]
    return groups


def _sessions(subject: Path) -> list[str | None]:
    """The sessions of a subject folder; None stands for scans that belong to no session."""
    sessions: list[str | None] = [
        folder.name
        for folder in sorted(subject.glob("ses-*"))
        if folder.is_dir() and SESSION.fullmatch(folder.name)
    ]
    return [None, *sessions] if (subject / "anat").is_dir() or not sessions else sessions


def _find_scan(
    bids: Path, subject: str, session: str | None, sequences: Sequence[str], derivatives: Sequence[Path]
) -> Scan | LeftOut:
    name = subject + (f"_{session}" if session else "")
    inside = Path(subject, session or "", "anat")
    images, notes, missing = {}, [], []
    for sequence in sequences:
        found = _files(bids / inside, name, sequence)
        if not found:
            missing.append(sequence)
            continue
        images[sequence] = found[0]
        if len(found) > 1:
            others = ", ".join(path.name for path in found[1:])
            notes.append(f"{sequence}: took {found[0].name}, the first in sorted order; also there: {others}")
    if missing:
        wanted = ", ".join(str(bids / inside / f"{name}_[...]{sequence}.nii[.gz]") for sequence in missing)
        return LeftOut(
            name, f"no {', '.join(missing)}: looked for {wanted}; add the file or ask for fewer sequences"
        )
    masks = [
        path
        for folder in derivatives
        for path in _files(folder / inside, name, "desc-brain_mask")
        if "_space-" not in path.name or "_space-T1w_" in path.name
    ]
    if len(masks) > 1:
        notes.append(f"brain mask: took {masks[0]}, the first of {len(masks)}")
    return Scan(
        subject.removeprefix("sub-"),
        session.removeprefix("ses-") if session else None,
        images,
        masks[0] if masks else None,
        tuple(notes),
    )


def _files(folder: Path, name: str, suffix: str) -> list[Path]:
    """The NIfTI files `<name>_[entities_]<suffix>` in a folder, sorted."""
    pattern = re.compile(
        rf"{re.escape(name)}_(?:[A-Za-z0-9]+-[A-Za-z0-9+]+_)*{re.escape(suffix)}\.nii(\.gz)?"
    )
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))


def _made_by_stratacam(derivative: Path) -> bool:
    try:
        description = json.loads((derivative / "dataset_description.json").read_text(encoding="utf-8-sig"))
        return any(maker.get("Name") == "stratacam" for maker in description.get("GeneratedBy", []))
    except (OSError, ValueError, AttributeError, TypeError):
        return False
