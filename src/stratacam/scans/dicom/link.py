"""What leads an imported image back to its DICOM series: one file, apart from the images, for `stratacam export` alone.

The file identifies patients. It is written only where it is asked for, readable by its owner alone, never in the BIDS
folder. A series is found in it by `SourceDigest`, which the sidecar of every imported image has.
"""

import hashlib
import json
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.files import check_writable, read_json, write_private
from stratacam.scans.dicom.affine import affine_of
from stratacam.scans.dicom.series import Stack

PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
STUDY = ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName")
SERIES = (
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "SOPClassUID",
    "SliceThickness",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
LINKED = {*PATIENT, *STUDY, *SERIES}
"""DICOM keywords that are kept: no more than an archive needs to file a result beside its source."""

KIND = "stratacam link to DICOM"
DIGEST = "Digest"
WARNING = "identifies patients: keep it apart from the images, and give it to nobody who may not know them"
REMEDY = "give a file that `stratacam import-dicom --link` wrote."
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class LinkedImage:
    """One image of a series.

    Attributes:
        uid: SOPInstanceUID.
        frame: its number in an enhanced file, from 1; None in a file of its own.
        position: ImagePositionPatient, the centre of its first pixel, LPS mm.
    """

    uid: str
    frame: int | None
    position: tuple[float, float, float]


@dataclass(frozen=True)
class LinkedSeries:
    """A DICOM series that an image was imported from, as far as a result has to name it.

    Attributes:
        header: DICOM keyword to value, see `LINKED`; "" where the header had none.
        shape: rows and columns.
        spacing: mm between rows, between columns.
        orientation: direction of a row and of a column, LPS.
        images: along the normal of the slices (row direction x column direction).
    """

    header: Mapping[str, str]
    shape: tuple[int, int]
    spacing: tuple[float, float]
    orientation: tuple[float, ...]
    images: tuple[LinkedImage, ...]

    @property
    def affine_lps(self) -> NDArray[np.float64]:
        """(4, 4), from (column, row, slice) to LPS mm."""
        return affine_of(self.orientation, self.spacing, [image.position for image in self.images])


def check_link(link: Path, folders: Iterable[Path]) -> None:
    """Raise InputError unless a link can be written there: apart from folders that others get, over nothing else."""
    place = link.resolve()
    for folder in folders:
        if folder.resolve() in (place, *place.parents):
            raise InputError(
                f"--link: {link} lies in {folder}; expected a place apart, as it identifies patients: choose another."
            )
    check_writable(link.parent)
    if link.exists():
        _read(link)


def add_to_link(link: Path, stacks: Mapping[str, Stack]) -> None:
    """Write series, by their digest, to a link; what it has of others stays."""
    known = _read(link) if link.exists() else {}
    series = known | {source: _sealed(source, _as_json(stack)) for source, stack in stacks.items()}
    content = {"Kind": KIND, "Warning": WARNING, "Series": series}
    write_private(link, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read_link(link: Path) -> dict[str, LinkedSeries]:
    """Every series of a link, by its digest.

    Raises:
        InputError: it is missing, damaged, changed or none, or others than its owner can read it.
    """
    found = _read(link)
    if link.stat().st_mode & OTHERS:
        raise InputError(
            f"{link}: can be read by others than its owner; expected mode 0600, as it identifies patients: run "
            f"`chmod 600 {link}`."
        )
    for source, content in found.items():
        if not isinstance(content, dict) or content != _sealed(source, content):
            raise InputError(
                f"{link}: was changed or damaged; expected every series as it was written: import their DICOM files "
                "again with --link and the same file (images that are there stay)."
            )
    try:
        return {source: _from_json(content) for source, content in found.items()}
    except (KeyError, TypeError, ValueError) as fault:
        raise InputError(f"{link}: is damaged ({fault}); expected it whole: import again.") from fault


def _read(link: Path) -> dict[str, Any]:
    content = read_json(link, REMEDY)
    if content.get("Kind") != KIND or not isinstance(content.get("Series"), dict):
        raise InputError(f"{link}: is another file; expected a link, or none: {REMEDY}")
    return dict(content["Series"])


def _sealed(source: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with a digest of all that it holds, which shows a change that was not meant to deceive."""
    held = {key: value for key, value in content.items() if key != DIGEST}
    text = json.dumps([source, held], sort_keys=True)
    return {**held, DIGEST: hashlib.sha256(text.encode()).hexdigest()}


def _as_json(stack: Stack) -> dict[str, Any]:
    first = stack.first
    return {
        "Header": {keyword: first.header[keyword] for keyword in sorted(LINKED)},
        "Shape": first.shape,
        "Spacing": first.spacing,
        "Orientation": first.orientation,
        "Images": [[one.uid, one.position] for one in stack.slices],
    }


def _from_json(content: Mapping[str, Any]) -> LinkedSeries:
    rows, columns = content["Shape"]
    between_rows, between_columns = content["Spacing"]
    return LinkedSeries(
        {keyword: str(content["Header"][keyword]) for keyword in LINKED},
        (int(rows), int(columns)),
        (float(between_rows), float(between_columns)),
        tuple(float(part) for part in content["Orientation"]),
        tuple(_image(uid, *position) for uid, position in content["Images"]),
    )


def _image(uid: str, x: float, y: float, z: float) -> LinkedImage:
    own, _, frame = uid.partition("#")
    return LinkedImage(own, int(frame) + 1 if frame else None, (float(x), float(y), float(z)))
