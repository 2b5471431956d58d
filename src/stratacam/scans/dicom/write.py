"""The BIDS folder that an import writes: subjects, tables, description."""

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import temporary_name, write_json, write_table, write_text
from stratacam.scans.cohort.bids import scan_name
from stratacam.scans.cohort.delimited import is_missing, read_table
from stratacam.scans.dicom.convert import write_image
from stratacam.scans.dicom.decide import Decision
from stratacam.scans.dicom.series import Stack
from stratacam.scans.image_file import sidecar_path

TABLE = "import.tsv"
SOURCE = "SourceDigest"
COLUMNS = (
    "subject", "session", "series", "slices", "spacing_mm", "echo_time_ms", "repetition_time_ms", "inversion_time_ms",
    "sequence", "state", "reason",
)  # fmt: skip
Cells = dict[str, str]  # column -> text
TIMES = ("EchoTime", "RepetitionTime", "InversionTime")


def image_path(decision: Decision) -> Path:
    """Where the image of a decision goes, below the `sub-*` folder: `[ses-1/]anat/sub-01[_ses-1]_T1w.nii.gz`."""
    session = f"ses-{decision.session}" if decision.session else ""
    name = scan_name(decision.subject, decision.session)
    return Path(session, "anat", f"{name}_{decision.sequence}.nii.gz")


def source_digest(stack: Stack) -> str:
    """A digest of the images that a stack is made of, which names none of them."""
    return digest_of(one.uid for one in stack.slices)


def digest_of(uids: Iterable[str]) -> str:
    """A digest of images by their UIDs, in whatever order."""
    return hashlib.sha256("\n".join(sorted(uids)).encode()).hexdigest()


def write_subject(out: Path, label: str, images: Mapping[Path, tuple[Path, dict[str, Any]]]) -> None:
    """Write the folder of a new subject, whole or not at all.

    `images`: path below the subject's folder -> uncompressed NIfTI file and sidecar.
    """
    final = out / f"sub-{label}"
    folder = temporary_name(final)
    try:
        for path, (volume, sidecar) in images.items():
            (folder / path.parent).mkdir(parents=True, exist_ok=True)
            write_image(volume, folder / path)
            write_json(sidecar_path(folder / path), sidecar)
        folder.rename(final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_description(out: Path) -> None:
    """Write what BIDS asks for beside the subjects, where it is not there yet."""
    if not (out / "dataset_description.json").is_file():
        content = {
            "Name": "Scans imported from DICOM",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "GeneratedBy": [{"Name": "stratacam", "Version": version("stratacam")}],
        }
        write_json(out / "dataset_description.json", content)
    ignore = out / ".bidsignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    if TABLE not in lines:
        write_text(ignore, "\n".join([*lines, TABLE]) + "\n")


def merged_participants(out: Path, labels: Sequence[str], groups: Mapping[str, str]) -> list[list[str]]:
    """The rows of `participants.tsv` with further subjects (labels without "sub-"); what is there stays.

    Raises:
        InputError: the table has no participant_id, or another group for a subject.
    """
    path = out / "participants.tsv"
    columns, rows = _read(path, ("participant_id", "group"), ("participant_id",))
    columns += () if "group" in columns else ("group",)
    known = {row["participant_id"]: row for row in rows}
    for label in labels:
        row = known.setdefault(f"sub-{label}", {"participant_id": f"sub-{label}"})
        there, group = row.get("group", "n/a"), groups.get(label, "n/a")
        if not is_missing(there) and group not in {"n/a", there}:
            raise InputError(
                f"{path}: sub-{label} has the group {there}, the map says {group}; expected one group: "
                "change one of them."
            )
        row["group"] = group if is_missing(there) else there
    return _in_order(columns, [known[name] for name in sorted(known)])


def write_tables(out: Path, decisions: Sequence[Decision], participants: Sequence[Sequence[str]]) -> None:
    """Write `participants.tsv` and `import.tsv`.

    In the latter, rows of earlier imports stay, but for subjects of whom something is taken now.
    """
    write_table(out / "participants.tsv", participants)
    _, rows = _read(out / TABLE, COLUMNS, COLUMNS)
    known = {row["subject"] for row in rows} - {"n/a"}
    now = [_row(decision) for decision in decisions]
    settled = {row["subject"] for row in now if row["state"] == "taken"} | {"n/a"}
    rows = [row for row in rows if row["subject"] not in settled]
    rows += [row for row in now if row["subject"] in settled or row["subject"] not in known]
    write_table(out / TABLE, _in_order(COLUMNS, sorted(rows, key=lambda row: row["subject"])))


def _row(decision: Decision) -> Cells:
    stack = decision.stack
    spacing = stack.spacing_mm
    values = (
        f"sub-{decision.subject}" if decision.subject else "",
        f"ses-{decision.session}" if decision.session else "",
        stack.name,
        str(len(stack.slices)),
        f"{spacing:.2f}" if spacing is not None else "",
        *(stack.first.header[keyword] for keyword in TIMES),
        decision.sequence or "",
        decision.state,
        decision.reason,
    )
    return {name: value or "n/a" for name, value in zip(COLUMNS, values, strict=True)}


def _read(path: Path, columns: Sequence[str], needed: Sequence[str]) -> tuple[tuple[str, ...], list[Cells]]:
    """Columns and rows of a table; `columns` and no rows if there is no such file."""
    if not path.is_file():
        return tuple(columns), []
    table = read_table(path, needed)
    return table.columns, [dict(row.fields) for row in table.rows]


def _in_order(columns: Sequence[str], rows: Sequence[Cells]) -> list[list[str]]:
    """The columns, and the cells of every row below them."""
    return [list(columns), *([row.get(column) or "n/a" for column in columns] for row in rows)]
