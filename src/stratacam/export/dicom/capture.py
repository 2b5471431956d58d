"""Slices in colour as DICOM secondary captures that lie where the slices of the source lie."""

import numpy as np
from highdicom import PhotometricInterpretationValues
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import JPEGLSLossless

from stratacam.export.dicom.instances import BODY_PART, MAKER, Made, equipment, series_description
from stratacam.export.dicom.source import LOSSY, Source, decimals, thickness_of
from stratacam.export.drawing import Drawn
from stratacam.export.laid import LaidMap
from stratacam.export.placed import PlacedMap

SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
SIDES = {"R": "R", "L": "L", "A": "A", "P": "P", "S": "H", "I": "F"}
"""Sides of the patient as DICOM names them: head and feet."""


def capture(
    source: Source,
    placed: PlacedMap,
    laid: LaidMap,
    drawn: Drawn,
    made: Made,
) -> SCImage:
    """One slice of the source with heat and legend, in the frame of reference of the source.

    The legend stands below the slice, so that the first pixel is that of the slice: a viewer that goes by positions
    lays the capture over the source.

    Args:
        source: the series.
        placed: the map.
        laid: over the slices of the source.
        drawn: the picture of a slice.
        made: for UIDs, times and the number of the series.
    """
    first = source.images[0]
    _, right, _, bottom = laid.sides
    found = SCImage(
        pixel_array=drawn.pixels,
        photometric_interpretation=PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=(SIDES[right], SIDES[bottom]),
        study_instance_uid=first.StudyInstanceUID,
        series_instance_uid=made.uid("series of captures"),
        series_number=made.first_number + 1,
        sop_instance_uid=made.uid("capture", str(drawn.index)),
        instance_number=drawn.index + 1,
        patient_id=first.PatientID,
        patient_name=first.PatientName,
        patient_birth_date=first.PatientBirthDate,
        patient_sex=first.PatientSex,
        accession_number=first.AccessionNumber,
        study_id=first.StudyID,
        study_date=first.StudyDate,
        study_time=first.StudyTime,
        referring_physician_name=first.ReferringPhysicianName,
        pixel_spacing=drawn.spacing,
        transfer_syntax_uid=JPEGLSLossless,
        specific_character_set=first.SpecificCharacterSet,
        series_description=series_description(placed, "capture"),
        **equipment(),
    )
    for keyword in ("IssuerOfPatientID", *LOSSY):
        if keyword in first:
            setattr(found, keyword, first[keyword].value)
    _place(found, source, drawn)
    found.BurnedInAnnotation, found.RecognizableVisualFeatures = "NO", "YES"
    found.DerivationDescription = f"{MAKER}: class activation map over the source image, resampled"
    _name_source(found, source, drawn.index)
    found.BodyPartExamined = BODY_PART
    made.finish(found)
    return found


def _place(found: Dataset, source: Source, drawn: Drawn) -> None:
    """Where the pixels lie: the first begins where the first of the source begins, and is of another size."""
    series = source.series
    row, column = np.split(np.array(series.orientation), 2)
    (rows_mm, columns_mm), (before_rows, before_columns) = drawn.spacing, series.spacing
    shift = (row * (columns_mm - before_columns) + column * (rows_mm - before_rows)) / 2
    found.FrameOfReferenceUID = series.header["FrameOfReferenceUID"]
    found.PositionReferenceIndicator = source.images[0].PositionReferenceIndicator
    found.ImageOrientationPatient = decimals(series.orientation)
    found.ImagePositionPatient = decimals((np.array(series.images[drawn.index].position) + shift).tolist())
    found.SliceThickness = decimals([thickness_of(series)])[0]


def _name_source(found: Dataset, source: Source, index: int) -> None:
    """Name the image of the slice and its series."""
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = SOURCE_IMAGE[:3]
    image = source.reference(index)
    image.PurposeOfReferenceCodeSequence = [purpose]
    image.SpatialLocationsPreserved = "NO"
    found.SourceImageSequence = [image]
    series = Dataset()
    series.SeriesInstanceUID = source.series.header["SeriesInstanceUID"]
    series.ReferencedInstanceSequence = [source.reference(index)]
    found.ReferencedSeriesSequence = [series]
