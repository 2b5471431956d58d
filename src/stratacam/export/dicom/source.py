"""The DICOM series that a scan was imported from, as headers that results are derived from."""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, MRImageStorage
from pydicom.valuerep import DSfloat

from stratacam.errors import InputError
from stratacam.export.dicom.identity import check_identity, valid
from stratacam.export.laid import APART_MM, apart_mm
from stratacam.files import read_json
from stratacam.scans.dicom.affine import LPS_TO_RAS
from stratacam.scans.dicom.link import PATIENT, STUDY, LinkedSeries, read_link
from stratacam.scans.dicom.write import SOURCE
from stratacam.scans.image_file import sidecar_path
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.resampling import Grid

UNICODE = "ISO_IR 192"
LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
"""What derived images repeat; the first says whether anything was lost."""

LOST = "01"


@dataclass(frozen=True, eq=False)
class Source:
    """A series, and headers of its images.

    Attributes:
        series: as the link has it.
        images: one header for each slice, or the one of an enhanced image; none has pixels.
        grid: of the slices, in the world of the scan; axes are column, row, slice.
    """

    series: LinkedSeries
    images: tuple[Dataset, ...]
    grid: Grid

    def name_class(self, result: Dataset) -> None:
        """Name the class of the source in a result: `highdicom` takes enhanced images of one slice for classic ones."""
        for element in result.iterall():
            if element.keyword == "ReferencedSOPClassUID" and element.value == MRImageStorage:
                element.value = self.series.header["SOPClassUID"]

    def reference(self, index: int) -> Dataset:
        """The item that names the image of a slice of `grid`."""
        image = self.series.images[index]
        item = Dataset()
        item.ReferencedSOPClassUID = self.series.header["SOPClassUID"]
        item.ReferencedSOPInstanceUID = image.uid
        if image.frame is not None:
            item.ReferencedFrameNumber = image.frame
        return item


def read_sources(link: Path | None) -> dict[str, LinkedSeries]:
    """The series of a link, by digest.

    Raises:
        InputError: there is none, or it cannot be used.
    """
    if link is None:
        raise InputError(
            "--link: found none; expected the file that `stratacam import-dicom --link` wrote, as DICOM has to name "
            "its patient and its series: import the DICOM files again with it (images that are there stay), and give "
            "it here."
        )
    return read_link(link)


def find_source(
    scan: PreparedScan, sequence: str, delivered: Grid, link: Mapping[str, LinkedSeries]
) -> Source:
    """The series that a scan was imported from.

    Args:
        scan: as prepared.
        sequence: whose series is wanted.
        delivered: where that scan lies.
        link: series by digest.

    Raises:
        InputError: the scan was not imported from DICOM, the link lacks its series, or it lies elsewhere or cannot be
            named.
    """
    path = scan.delivered(sequence)
    digest = read_json(sidecar_path(path)).get(SOURCE)
    if digest is None:
        raise InputError(
            f"{sidecar_path(path)}: names no {SOURCE}; expected that of a scan imported by `stratacam import-dicom`: "
            "only such a scan can be exported as DICOM."
        )
    if digest not in link:
        raise InputError(
            f"--link: lacks the series of {scan.name} {sequence}; expected every series that was imported: import its "
            "DICOM files again with --link and the same file."
        )
    series = link[digest]
    check_identity(series, f"{scan.name} {sequence}")
    columns, rows = series.shape[1], series.shape[0]
    grid = Grid((columns, rows, len(series.images)), LPS_TO_RAS @ series.affine_lps, delivered.to_t1w)
    if (distance := apart_mm(grid, delivered)) > APART_MM:
        raise InputError(
            f"{path}: lies {distance:.3g} mm beside the DICOM series that it was made from; expected the same place: "
            "import the series again."
        )
    return Source(series, _images(series), grid)


def _images(series: LinkedSeries) -> tuple[Dataset, ...]:
    """Headers as `highdicom` takes them: a file for each slice, or one enhanced image of all."""
    if series.images[0].frame is None:
        return tuple(_classic(series, place) for place in range(len(series.images)))
    return (_enhanced(series),)


def _header(series: LinkedSeries, uid: str) -> Dataset:
    """What every image of a series says of patient, study and series."""
    header = Dataset()
    header.SpecificCharacterSet = UNICODE
    for keyword in (*PATIENT, *STUDY):
        value = valid(keyword, series.header[keyword])
        if value or keyword != "IssuerOfPatientID":
            setattr(header, keyword, value)
    header.SOPClassUID, header.SOPInstanceUID = UID(series.header["SOPClassUID"]), uid
    header.SeriesInstanceUID = series.header["SeriesInstanceUID"]
    header.FrameOfReferenceUID = series.header["FrameOfReferenceUID"]
    header.PositionReferenceIndicator = valid(
        "PositionReferenceIndicator", series.header["PositionReferenceIndicator"]
    )
    if series.header[LOSSY[0]] == LOST:
        for keyword in filter(series.header.get, LOSSY):
            setattr(header, keyword, series.header[keyword])
    header.Modality = "MR"
    header.Rows, header.Columns = series.shape
    return header


def decimals(numbers: Iterable[float]) -> list[DSfloat]:
    """Numbers as DICOM's decimal strings, which have at most 16 characters."""
    return [DSfloat(number, auto_format=True) for number in numbers]


def between_slices(series: LinkedSeries) -> float:
    """Millimetres from slice to slice."""
    return float(np.linalg.norm(series.affine_lps[:3, 2]))


def thickness_of(series: LinkedSeries) -> float:
    """Thickness of a slice; where the header has none above 0, the distance of slices."""
    with suppress(ValueError):
        if 0 < (thickness := float(series.header["SliceThickness"])) < math.inf:
            return thickness
    return between_slices(series)


def _measures(series: LinkedSeries) -> Dataset:
    """Sizes of pixels and slices."""
    measures = Dataset()
    measures.PixelSpacing = decimals(series.spacing)
    (measures.SliceThickness,) = decimals([thickness_of(series)])
    (measures.SpacingBetweenSlices,) = decimals([between_slices(series)])
    return measures


def _classic(series: LinkedSeries, place: int) -> Dataset:
    image = _header(series, series.images[place].uid)
    image.SOPClassUID = MRImageStorage
    image.update(_measures(series))
    image.ImageOrientationPatient = decimals(series.orientation)
    image.ImagePositionPatient = decimals(series.images[place].position)
    return image


def _enhanced(series: LinkedSeries) -> Dataset:
    image = _header(series, series.images[0].uid)
    ordered = sorted(series.images, key=lambda one: one.frame or 0)
    image.NumberOfFrames = len(ordered)
    orientation, shared = Dataset(), Dataset()
    orientation.ImageOrientationPatient = decimals(series.orientation)
    shared.PixelMeasuresSequence = [_measures(series)]
    shared.PlaneOrientationSequence = [orientation]
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = [_frame(one.position) for one in ordered]
    return image


def _frame(position: tuple[float, float, float]) -> Dataset:
    place, frame = Dataset(), Dataset()
    place.ImagePositionPatient = decimals(position)
    frame.PlanePositionSequence = [place]
    return frame
