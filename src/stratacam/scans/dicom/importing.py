"""The whole import: a folder of DICOM files to a BIDS folder."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import read_json, remove_leftovers
from stratacam.scans.cohort.sources import check_out
from stratacam.scans.dicom.choose import choose, subject_labels
from stratacam.scans.dicom.convert import ConversionError, convert, find_dcm2niix
from stratacam.scans.dicom.decide import Decision
from stratacam.scans.dicom.link import LINKED, add_to_link, check_link
from stratacam.scans.dicom.people import doubts
from stratacam.scans.dicom.rules import read_map
from stratacam.scans.dicom.series import read_folder
from stratacam.scans.dicom.visits import visit_notes
from stratacam.scans.dicom.write import (
    SOURCE,
    TIMES,
    image_path,
    merged_participants,
    source_digest,
    write_description,
    write_subject,
    write_tables,
)
from stratacam.scans.image_file import sidecar_path

SHOWN = {*TIMES, "SeriesDescription"}


@dataclass(frozen=True)
class Imported:
    """What an import did. It names patients and files, and is for the console, not for any file."""

    decisions: tuple[Decision, ...]
    labels: Mapping[str, str]  # PatientID -> label
    ignored: Mapping[str, int]  # kind of file -> how many
    damaged: tuple[str, ...]  # messages about files that cannot be read
    notes: tuple[str, ...]

    @property
    def left_out(self) -> int:
        """How many series and files were wanted and could not be used."""
        return sum(decision.state == "left out" for decision in self.decisions) + len(self.damaged)


def import_dicom(
    folder: Path, out: Path, map_path: Path | None = None, *, link: Path | None = None
) -> Imported:
    """Sort the DICOM series below a folder into sequences and write them as BIDS.

    A subject is written whole or not at all. One that is there already stays as it is; it is left out if it was made
    from other images. Nothing is written that names a patient, a date, an institution, or a source file; but for
    `link`, if it is asked for.

    Args:
        folder: DICOM files, in any order and under any names.
        out: the BIDS folder, new or made by an earlier import.
        map_path: TOML file with rules, labels and groups; the built-in rules if absent.
        link: file, apart from both folders, that leads the images back to their patients, see
            `stratacam.scans.dicom.link`; none is written if absent.

    Returns:
        What became of every series.

    Raises:
        InputError: the map is wrong, the folder holds no MR images, dcm2niix is missing, nothing can be taken,
            or `out` or `link` cannot be written.
    """
    # 1. Read the map and every header; sort the images into stacks, each of which is one volume.
    check_out(out, folder, may_hold_subjects=True)
    if link:
        check_link(link, (out, folder))
    wanted = read_map(map_path)
    contents = read_folder(folder, wanted.keywords | SHOWN | (LINKED if link else set()))
    program = find_dcm2niix()
    # 2. Decide what each stack is, and which is taken.
    labels = subject_labels(contents.stacks, wanted)
    decisions = choose(contents.stacks, wanted)
    chosen = sorted({one.subject for one in decisions if one.subject and one.state == "taken"})
    merged_participants(out, chosen, wanted.groups)  # raises before the work if its faults forbid it
    # 3. Convert and write what is taken, subject by subject; then the tables.
    existed = out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
        decisions = [
            done
            for label, found in _by_subject(decisions)
            for done in _import_subject(found, label, out, program)
        ]
        present = [label for label in sorted(set(labels.values())) if (out / f"sub-{label}").is_dir()]
        if present:
            write_description(out)
            write_tables(out, decisions, merged_participants(out, present, wanted.groups))
        if link:
            taken = [one.stack for one in decisions if one.state == "taken"]
            add_to_link(link, {source_digest(stack): stack for stack in taken})
    except OSError as fault:
        raise InputError(
            f"{out}: cannot be written ({fault.strerror or fault}); expected room and the right to write: "
            "make room, or choose another folder."
        ) from fault
    finally:
        if not existed:
            with suppress(OSError):
                out.rmdir()  # if it is empty: nothing was imported
    return Imported(
        decisions=tuple(decisions),
        labels=labels,
        ignored=contents.ignored,
        damaged=tuple(contents.damaged),
        notes=(
            *doubts(contents.stacks, labels, wanted.same_person),
            *visit_notes(decisions, list(dict.fromkeys(rule.sequence for rule in wanted.rule))),
            *(
                f"[subjects]: no files of {name!r}"
                for name in sorted(set(wanted.subjects or ()) - set(labels))
            ),
            *(f"[groups]: no files of {name}" for name in sorted(set(wanted.groups) - set(labels.values()))),
        ),
    )


def _by_subject(decisions: Sequence[Decision]) -> list[tuple[str | None, list[Decision]]]:
    """The decisions on every subject; None: on those without a label."""
    found: dict[str | None, list[Decision]] = {}
    for decision in decisions:
        found.setdefault(decision.subject, []).append(decision)
    return sorted(found.items(), key=lambda pair: pair[0] or "")


def _import_subject(
    decisions: Sequence[Decision], label: str | None, out: Path, program: Path
) -> list[Decision]:
    """Convert and write the chosen series of one subject; return the final decisions."""
    taken = [one for one in decisions if one.state == "taken"]
    if label is None or not taken:
        return list(decisions)
    folder = out / f"sub-{label}"
    new = _compare(taken, folder) if folder.exists() else _convert_subject(taken, label, out, program)
    turned_out = iter(new)
    return [next(turned_out) if one.state == "taken" else one for one in decisions]


def _convert_subject(taken: Sequence[Decision], label: str, out: Path, program: Path) -> list[Decision]:
    turned_out, images = [], {}
    with tempfile.TemporaryDirectory(prefix="stratacam-") as temporary:
        for number, decision in enumerate(taken):
            try:
                volume, sidecar = convert(decision.stack, program, Path(temporary, str(number)))
            except ConversionError as fault:
                turned_out.append(replace(decision, state="left out", reason=str(fault), detail=fault.output))
                continue
            images[image_path(decision)] = (volume, {**sidecar, SOURCE: source_digest(decision.stack)})
            turned_out.append(decision)
        if images:
            write_subject(out, label, images)
    return turned_out


def _compare(taken: Sequence[Decision], folder: Path) -> list[Decision]:
    """Decisions about a subject that is there already: kept if it has the same sources, else left out."""
    wanted = {image_path(decision): source_digest(decision.stack) for decision in taken}
    there = {
        path.relative_to(folder): read_json(sidecar_path(path)).get(SOURCE)
        for path in folder.rglob("*.nii.gz")
    }
    if there == wanted:
        return [replace(decision, reason=f"{decision.reason}; there already, kept") for decision in taken]
    reason = (
        f"{folder.name} is there already, made from other images, and is not overwritten: remove its folder, "
        "give another label in [subjects], or import into another folder"
    )
    return [replace(decision, state="left out", reason=reason) for decision in taken]
