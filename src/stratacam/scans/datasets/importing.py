"""The import of a data set: who is taken, and who is left out and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stratacam.errors import InputError
from stratacam.files import check_apart, check_writable, whole_folder
from stratacam.scans.cohort.bids import LeftOut, check_sequences, scan_name
from stratacam.scans.cohort.delimited import is_missing
from stratacam.scans.datasets.layout import Found, Layout, Person
from stratacam.scans.datasets.write import Taken, write_dataset
from stratacam.scans.image_file import open_image
from stratacam.scans.sequences import DEFAULT_SEQUENCES

LESIONS = "label-lesion_mask"


@dataclass(frozen=True)
class ImportedDataset:
    """What an import did.

    Attributes:
        taken: the scans that were written.
        left_out: the scans that were not, and why.
        notes: what the user should know of the result.
    """

    taken: tuple[Taken, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def import_dataset(
    layout: Layout,
    folder: Path,
    out: Path,
    *,
    sequences: Sequence[str] = DEFAULT_SEQUENCES,
    group: str | None = None,
    group_column: str | None = None,
    raw: bool = False,
    copy: bool = False,
) -> ImportedDataset:
    """Write a downloaded data set as a BIDS folder of links to its files.

    Every image and mask that the layout knows is taken, of the scans that have all `sequences`. Masks go to
    `derivatives/<layout>`. `truth.json` says that lesions are the truth of the group, if one group holds everybody and
    the masks are in the space of the T1w.

    Args:
        layout: of the data set.
        folder: the data set, or a part of it.
        out: a new or empty folder.
        sequences: that a scan must have.
        group: of everybody; that of the layout if absent.
        group_column: column of the data set's own table that holds the group, in place of `group`.
        raw: take the images as scanned, not those registered to each other.
        copy: copy files instead of linking to them.

    Returns:
        What was written and what was left out.

    Raises:
        InputError: the folder is in another layout or ambiguous, nobody can be taken, nobody has a value in
            `group_column`, or `out` cannot be written or holds something.

    Example:
        >>> from stratacam.scans.datasets import find_layout
        >>> import_dataset(find_layout("msseg"), Path("gone"), Path("scans"))
        Traceback (most recent call last):
        stratacam.errors.InputError: gone: no such folder; expected the data set as downloaded: correct the path.
    """
    check_sequences(sequences)
    if group is not None and (is_missing(group) or group != " ".join(group.split())):
        raise InputError(
            f"--group: found {group!r}; expected a word that names a group, such as MS: give one."
        )
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the data set as downloaded: correct the path.")
    check_apart([folder], out)
    check_writable(out)
    folder = folder.resolve()
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: holds something; expected a new or empty folder: choose another.")
    people = layout.find(folder, raw)
    if not people:
        which = "raw" if raw else "registered"
        raise InputError(
            f"{folder}: holds no {which} images in the layout {layout.name}; expected {layout.expected}: name the "
            f"folder that holds them{'' if raw else ', or take the raw ones (--raw)'}."
        )
    groups = {person.label: _group(person, layout, group, group_column) for person in people}
    taken, left_out = _decide(people, groups, sequences)
    if not taken:
        raise InputError(
            f"{folder}: nobody can be taken; expected complete scans: "
            + "; ".join(f"{one.name}: {one.reason}" for one in left_out[:3])
        )
    if group_column and not any(one.values["group"] for one in taken):
        columns = sorted({column for one in people for column in one.values}) or ["none"]
        raise InputError(
            f"--group-column: nobody has a value of {group_column!r}; expected a column of the data set's "
            f"table: choose of {', '.join(columns)}, or name a group (--group)."
        )
    truth = (
        {taken[0].values["group"]: ["lesion"]}
        if not group_column and any(LESIONS in one.found.masks for one in taken)
        else {}
    )
    with whole_folder(out) as temporary:
        write_dataset(temporary, layout, folder, taken, left_out, truth=truth, copy=copy)
    return ImportedDataset(tuple(taken), tuple(left_out), tuple(_notes(taken, truth, group_column)))


def _decide(
    people: Sequence[Person], groups: Mapping[str, str], sequences: Sequence[str]
) -> tuple[list[Taken], list[LeftOut]]:
    """Take the scans that can be used; `groups` by label, "" where there is none."""
    taken, left_out = [], []
    for person in sorted(people, key=lambda one: (one.label, one.place)):
        values = {**person.values, "group": groups[person.label]}
        for found in person.scans:
            fault = _doubled(person, people) or _fault(found, sequences)
            if fault:
                left_out.append(LeftOut(scan_name(person.label, found.session), fault))
            else:
                taken.append(Taken(person.label, found, values))
    return taken, left_out


def _group(person: Person, layout: Layout, group: str | None, column: str | None) -> str:
    return person.values.get(column, "") if column else group or layout.group


def _doubled(person: Person, people: Sequence[Person]) -> str:
    """Which other folders are of the same person; empty if none is."""
    same = [one for one in people if one.is_same(person)]
    if len(same) == 1:
        return ""
    labels = sorted({f"sub-{one.label}" for one in same})
    found = f"are both {labels[0]}" if len(labels) == 1 else f"have the same number ({', '.join(labels)})"
    return (
        f"{' and '.join(str(one.place) for one in same)}: {found}; expected one folder for each person: rename or "
        "remove one, or import one at a time."
    )


def _fault(found: Found, sequences: Sequence[str]) -> str:
    """Why a scan cannot be taken; empty if it can."""
    missing = [name for name in sequences if name not in found.images]
    if missing:
        there = ", ".join(path.name for files in found.images.values() for path in files) or "no image"
        return (
            f"{found.place}: no {', '.join(missing)}; there is {there}; expected {', '.join(sequences)}: download the "
            "file, or ask for fewer sequences (--sequences)."
        )
    for what, files in {**found.images, **found.masks}.items():
        if len(files) > 1:
            return (
                f"{found.place}: {' and '.join(path.name for path in files)} are both {what}; expected one file: "
                "remove one."
            )
        try:
            with files[0].open("rb"):
                pass
        except OSError as fault:
            return (
                f"{files[0]}: cannot be read ({fault.strerror}); expected the file itself: download it again, or "
                "check its permissions."
            )
        try:
            with open_image(files[0]) as image:
                np.asarray(image.dataobj)  # to its end: a download may have been cut off
        except InputError as unusable:
            return str(unusable)
    return ""


def _notes(taken: Sequence[Taken], truth: dict[str, list[str]], group_column: str | None) -> list[str]:
    masks = {what for one in taken for what in one.found.masks}
    notes = []
    if not truth and LESIONS in masks:
        notes.append(
            "truth.json: not written, as lesions do not tell one type of the disease from another; if they do here, "
            "say so in [evidence.truth] of the study."
        )
    if f"space-FLAIR_{LESIONS}" in masks:
        notes.append(
            "Lesion masks are in the space of the raw FLAIR, not of the T1w, and are not used as truth: import the "
            "registered images for that."
        )
    nobody = [one.name for one in taken if not one.values["group"]]
    if nobody:
        notes.append(
            f"participants.tsv: {', '.join(nobody)} {'has' if len(nobody) == 1 else 'have'} no {group_column}, "
            "and so no group: fill it in, or a study leaves them out."
        )
    return notes
