"""Whether a file is a DICOM MR image, and its kind otherwise."""

from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, MRSpectroscopyStorage, RawDataStorage

NO_IMAGES = {MRSpectroscopyStorage, RawDataStorage}
DEFERRED_BYTES = 2048  # longer values stay on disk until they are used
BARE_STARTS = {bytes([8, 0, element, 0]) for element in (0, 1, 5, 8, 0x12, 0x16)}
"""First tags of files without preamble and file meta information, little endian."""
ARCHIVES = {
    "zip archive": b"PK\x03\x04",
    "gzip file": b"\x1f\x8b",
    "bzip2 file": b"BZh",
    "xz file": b"\xfd7zXZ\0",
    "7-Zip archive": b"7z\xbc\xaf\x27\x1c",
    "RAR archive": b"Rar!",
}
TAR_AT = 257  # where "ustar" stands in a tar archive


class NotAnImageError(Exception):
    """A file that holds no MR image; the message says what it is."""


class ArchiveError(NotAnImageError):
    """An archive, which may hold images."""


def open_image(path: Path) -> FileDataset:
    """Read a file with or without the preamble and the prefix DICM; long values stay on disk.

    Raises:
        NotAnImageError: the file is not DICOM, or not an MR image.
        ArchiveError: it is an archive.
    """
    try:
        dataset = pydicom.dcmread(path, defer_size=DEFERRED_BYTES)
    except InvalidDicomError as fault:
        bare = _read_bare(path)
        if bare is None:
            kind = archive_kind(path)
            raise (ArchiveError(kind) if kind else NotAnImageError("not DICOM")) from fault
        dataset = bare
    if "DirectoryRecordSequence" in dataset:
        raise NotAnImageError("DICOMDIR")
    kind = UID(str(dataset.get("SOPClassUID", "")))
    whole = "SeriesInstanceUID" in dataset and "Rows" not in dataset
    no_image = whole and (kind in NO_IMAGES or (kind and kind.is_private))  # a spectrum, a protocol
    if str(dataset.get("Modality", "MR")) != "MR" or no_image:
        raise NotAnImageError("DICOM, but not MR images")
    return dataset


def archive_kind(path: Path) -> str | None:
    """What kind of archive a file is; None if it is none."""
    with path.open("rb") as file:
        start = file.read(TAR_AT + 5)
    if path.name.lower().endswith(".nii.gz"):
        return None
    kinds = (kind for kind, magic in ARCHIVES.items() if start.startswith(magic))
    return next(kinds, "tar archive" if start[TAR_AT:] == b"ustar" else None)


def _read_bare(path: Path) -> FileDataset | None:
    """A data set without preamble and file meta information; None if the file is not one."""
    with path.open("rb") as file:
        if file.read(4) not in BARE_STARTS:
            return None
    try:
        dataset = pydicom.dcmread(path, defer_size=DEFERRED_BYTES, force=True)
    except Exception:  # noqa: BLE001 - whatever a parser makes of bytes that are not DICOM
        return None
    return dataset if "SOPClassUID" in dataset else None
