"""The header of one DICOM file, as frames: one for a classic file, one per image for an enhanced file."""

import re
import unicodedata
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue

from stratacam.errors import InputError
from stratacam.scans.dicom.opening import open_image

PIXELS = 0x7FE00010
FLOAT_PIXELS = (0x7FE00008, 0x7FE00009)
UNDEFINED_LENGTH = 0xFFFFFFFF
ENHANCED_KEYWORDS = {
    "EchoTime": "EffectiveEchoTime",
    "InversionTime": "InversionTimes",
    "ImageType": "FrameType",
}
PULSE_SEQUENCES = {"SPIN": "SE", "GRADIENT": "GR", "BOTH": "SE\\GR"}
CONVERTIBLE = {
    *pydicom.uid.UncompressedTransferSyntaxes,
    *pydicom.uid.RLETransferSyntaxes,
    *pydicom.uid.JPEGTransferSyntaxes,
    *pydicom.uid.JPEGLSTransferSyntaxes,
    pydicom.uid.JPEG2000Lossless,
    pydicom.uid.JPEG2000,
} - {pydicom.uid.DeflatedExplicitVRLittleEndian}
"""Transfer syntaxes that dcm2niix decodes."""
PERSON = ("PatientBirthDate", "PatientSex", "PatientName")
IMAGE_KINDS = ("ImageType", "ComplexImageComponent", "AcquisitionContrast")
SIEMENS_IMAGE_TYPE = 0x00211175
GE_PART = 0x0043102F
GE_PARTS = {"1": "PHASE", "2": "REAL", "3": "IMAGINARY"}


@dataclass(frozen=True)
class Person:
    """What a header says of a person beside the ID, spelled so that the same details are the same text."""

    birth_date: str
    sex: str
    name: str  # family name and first given name, letters and digits only

    @classmethod
    def of(cls, birth_date: str, sex: str, name: str) -> "Person":
        """Details as a header has them, in one spelling: case, accents and punctuation do not count."""
        family_and_given = " ".join(name.split("=", 1)[0].split("^")[:2])
        plain = unicodedata.normalize("NFKD", family_and_given).casefold()
        letters = "".join(filter(str.isalnum, plain))
        return cls(
            "".join(filter(str.isdigit, birth_date)),
            sex.strip().upper(),
            re.sub("([aou])e", r"\1", letters),  # Mueller is Müller
        )


@dataclass(frozen=True)
class Slice:
    """One image of a series."""

    path: Path
    uid: str  # SOPInstanceUID, and the frame's number in an enhanced file
    position: tuple[float, float, float] | None  # ImagePositionPatient: first voxel's centre, LPS mm
    fault: str | None  # why its pixels cannot be used
    moment: str = ""  # date and time of its acquisition, for the order of series; empty where absent
    reference: str = ""  # FrameOfReferenceUID; empty where absent


@dataclass(frozen=True)
class Frame:
    """A slice and what its header says about the series that it belongs to."""

    slice: Slice
    patient: str
    person: Person
    study: str
    study_moment: str  # date and time, for the order of studies
    series: str
    series_number: int
    shape: tuple[int, int]  # rows, columns
    spacing: tuple[float, float] | None  # mm between rows, between columns
    orientation: tuple[float, ...] | None  # direction of a row and of a column, LPS
    image_type: tuple[str, ...]  # with what other fields say of the kind of image
    colours: int
    header: Mapping[str, str]  # keyword -> value as text, "" where absent


def read_frames(path: Path, keywords: Collection[str]) -> list[Frame]:
    r"""Read the header of a file, not its pixels: one frame per image of the file.

    `Frame.header` holds `keywords`; several values are joined by a backslash.

    Raises:
        NotAnImageError: the file is not DICOM, or not an MR image.
        InputError: the file is DICOM and damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values break the standard in ways that do not matter here
            dataset = open_image(path)
            if not dataset:
                raise InputError(f"{path}: ends inside its pixel data; expected a whole file: copy it again.")
            return _frames(path, dataset, keywords)
    except OSError as fault:
        raise InputError(
            f"{path}: cannot be read ({fault.strerror or fault}); expected a readable file: check its permissions."
        ) from fault
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, NotImplementedError) as fault:
        if isinstance(fault, InputError):
            raise
        raise InputError(
            f"{path}: its header cannot be understood ({fault}); expected DICOM: export it again."
        ) from fault


def _frames(path: Path, dataset: FileDataset, keywords: Collection[str]) -> list[Frame]:
    for keyword in ("SeriesInstanceUID", "StudyInstanceUID", "Rows", "Columns"):
        if dataset.get(keyword) in {None, ""}:
            raise InputError(f"{path}: has no {keyword}; expected a whole file: copy or export it again.")
    fault = _pixel_fault(path, dataset)
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or [Dataset()]
    frames = []
    for number, group in enumerate(groups):
        places = [*_items(group), *_items(shared[0]), dataset]
        frames.append(_frame(path, places, fault, number if len(groups) > 1 else None, keywords))
    return frames


def _items(group: Dataset) -> list[Dataset]:
    """The first item of every sequence of an enhanced file's functional group."""
    return [element.value[0] for element in group if element.VR == "SQ" and element.value]


def _frame(
    path: Path, places: Sequence[Dataset], fault: str | None, number: int | None, keywords: Collection[str]
) -> Frame:
    position = _numbers(_find(places, "ImagePositionPatient"), 3)
    orientation = _numbers(_find(places, "ImageOrientationPatient"), 6)
    spacing = _numbers(_find(places, "PixelSpacing"), 2)
    uid = _text(_find(places, "SOPInstanceUID")) or str(path)
    return Frame(
        slice=Slice(
            path=path,
            uid=uid if number is None else f"{uid}#{number}",
            position=(position[0], position[1], position[2]) if position else None,
            fault=fault,
            moment=_moment(places),
            reference=_text(_find(places, "FrameOfReferenceUID")),
        ),
        patient=_text(_find(places, "PatientID")).strip(),
        person=Person.of(*(_text(_find(places, keyword)) for keyword in PERSON)),
        study=_text(_find(places, "StudyInstanceUID")),
        study_moment=_text(_find(places, "StudyDate")) + _text(_find(places, "StudyTime")),
        series=_text(_find(places, "SeriesInstanceUID")),
        series_number=int(_find(places, "SeriesNumber") or 0),
        shape=(int(_find(places, "Rows")), int(_find(places, "Columns"))),
        spacing=(spacing[0], spacing[1]) if spacing else None,
        orientation=orientation,
        image_type=_image_type(places),
        colours=int(_find(places, "SamplesPerPixel") or 1),
        header={keyword: _text(_find(places, keyword)) for keyword in keywords},
    )


def _find(places: Sequence[Dataset], keyword: str) -> Any:  # noqa: ANN401 - whatever DICOM can hold
    """The first value of a keyword, also under the name that it has in an enhanced file."""
    names = (keyword, ENHANCED_KEYWORDS[keyword]) if keyword in ENHANCED_KEYWORDS else (keyword,)
    for place in places:
        for name in names:
            if (value := place.get(name)) is not None:
                return value
    if keyword == "SequenceVariant":
        return "" if _find(places, "Spoiling") in {None, "NONE"} else "SP"
    return _enhanced_sequence(places) if keyword == "ScanningSequence" else None


def _enhanced_sequence(places: Sequence[Dataset]) -> str:
    """What ScanningSequence would say, from the keywords of an enhanced file."""
    parts = [PULSE_SEQUENCES.get(_text(_find(places, "EchoPulseSequence")), "")]
    if _find(places, "InversionRecovery") == "YES":
        parts.append("IR")
    if _find(places, "EchoPlanarPulseSequence") == "YES":
        parts.append("EP")
    return "\\".join(filter(None, parts))


def _image_type(places: Sequence[Dataset]) -> tuple[str, ...]:
    """ImageType, and what enhanced files, Siemens and GE say elsewhere: part of the complex image, contrast."""
    parts = [_text(_find(places, keyword)) for keyword in IMAGE_KINDS]
    for place in places:
        parts += [_text(place[SIEMENS_IMAGE_TYPE].value)] if SIEMENS_IMAGE_TYPE in place else []
        parts += [GE_PARTS.get(_text(place[GE_PART].value), "")] if GE_PART in place else []
    return tuple(dict.fromkeys("\\".join(filter(None, parts)).upper().split("\\")))


def _moment(places: Sequence[Dataset]) -> str:
    """When a series was acquired, so that moments sort as texts."""
    whole = _text(_find(places, "FrameAcquisitionDateTime") or _find(places, "AcquisitionDateTime"))
    day, time = (
        next(filter(None, (_text(_find(places, f"{when}{what}")) for when in ("Acquisition", "Series"))), "")
        for what in ("Date", "Time")
    )
    return whole or (day + time if time else "")


def _text(value: Any) -> str:  # noqa: ANN401 - whatever DICOM can hold
    if value is None:
        return ""
    if isinstance(value, pydicom.Sequence):
        return "\\".join(_text(item.get("CodeMeaning")) or "given" for item in value)
    return "\\".join(map(str, value)) if isinstance(value, MultiValue | list | tuple) else str(value)


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:  # noqa: ANN401 - whatever DICOM can hold
    numbers = tuple(float(number) for number in value) if isinstance(value, MultiValue | list) else ()
    return numbers if len(numbers) == count else None


def _pixel_fault(path: Path, dataset: FileDataset) -> str | None:
    """Why the pixels of a file cannot be used, without reading them; None if they can."""
    if any(tag in dataset for tag in FLOAT_PIXELS):
        return "its pixels are floating-point numbers, which dcm2niix does not read: export integers"
    if PIXELS not in dataset:
        return "a file has no pixel data, or ends before it: export or copy it again"
    syntax = pydicom.uid.UID(str(dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")))
    if syntax not in CONVERTIBLE:
        return (
            f"its transfer syntax {syntax.name} ({syntax}) is not one that dcm2niix decodes: export it "
            "uncompressed (Explicit VR Little Endian)"
        )
    element = dataset.get_item(PIXELS, keep_deferred=True)
    if not isinstance(element, RawDataElement) or element.length == UNDEFINED_LENGTH:
        return None
    frames = int(dataset.get("NumberOfFrames") or 1)
    bits = int(dataset.get("BitsAllocated") or 16) * int(dataset.get("SamplesPerPixel") or 1)
    expected = frames * int(dataset.Rows) * int(dataset.Columns) * bits // 8
    there = min(element.length, path.stat().st_size - element.value_tell)
    if there < expected:
        return f"a file is truncated ({there} of {expected} bytes of pixel data): copy it again"
    return None
