"""DICOM series written by hand, slice by slice, with geometry that the tests know."""

from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
CONTRASTS = {
    "T1w": {"ScanningSequence": "SE", "SequenceVariant": "SP", "RepetitionTime": 500, "EchoTime": 10},
    "T2w": {"ScanningSequence": "SE", "SequenceVariant": "SK", "RepetitionTime": 5000, "EchoTime": 90},
    "FLAIR": {
        "ScanningSequence": ["SE", "IR"],
        "SequenceVariant": "SK",
        "RepetitionTime": 9000,
        "EchoTime": 110,
        "InversionTime": 2500,
    },
}


@dataclass(frozen=True)
class Written:
    """A series on disk and the truth about it."""

    paths: list
    voxels: np.ndarray  # (column, row, slice)
    affine: np.ndarray  # (column, row, slice) -> LPS mm


def oblique():
    """Row and column directions that are parallel to no axis, orthonormal."""
    axes, _ = np.linalg.qr(np.array([[1.0, 0.1, 0.2], [-0.15, 1.0, 0.1], [-0.1, -0.2, 1.0]]))
    axes = axes * np.sign(np.diag(axes))
    return tuple(axes[:, 0]), tuple(axes[:, 1])


def write_series(
    folder,
    *,
    contrast="T1w",
    axes=AXIAL,
    spacing=(1.5, 1.0),  # between rows, between columns
    step=3.0,
    origin=(-20.0, -30.0, -10.0),
    shape=(24, 20),  # rows, columns
    slices=10,
    number=1,
    patient="PAT-1",
    study="1.2.3.1",
    series=None,
    seed=0,
    skip=(),
    prefix="image",
    suffix=".dcm",
    change=None,  # called with every dataset and its slice, before it is written
    **tags,
):
    """Write the slices of a series as classic MR images."""
    folder.mkdir(parents=True, exist_ok=True)
    row, column = (np.array(axis) for axis in axes)
    normal = np.cross(row, column)
    series = series or generate_uid()
    voxels = np.random.default_rng(seed).integers(0, 4000, (shape[1], shape[0], slices))
    paths = []
    for index in range(slices):
        if index in skip:
            continue
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = MRImageStorage
        dataset.SOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID = study
        dataset.SeriesInstanceUID = series
        dataset.PatientID = patient
        dataset.PatientName = "Doe^Jane"
        dataset.Modality = "MR"
        dataset.Manufacturer = "SIEMENS"
        dataset.PatientPosition = "HFS"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        dataset.SeriesNumber = number
        dataset.AcquisitionNumber = 1
        dataset.InstanceNumber = index + 1
        dataset.SeriesDescription = contrast
        dataset.StudyDate, dataset.StudyTime = "20200102", "101112"
        dataset.Rows, dataset.Columns = shape
        dataset.PixelSpacing = list(spacing)
        dataset.SliceThickness = step
        dataset.ImageOrientationPatient = [float(part) for part in (*row, *column)]
        dataset.ImagePositionPatient = [float(part) for part in origin + index * step * normal]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 0
        dataset.PixelData = voxels[:, :, index].T.astype("<u2").tobytes()
        for keyword, value in {**CONTRASTS[contrast], **tags}.items():
            setattr(dataset, keyword, value)
        if change:
            change(dataset, index)
        paths.append(folder / f"{prefix}{index:03}{suffix}")
        dataset.save_as(paths[-1], enforce_file_format=True)
    affine = np.eye(4)
    affine[:3] = np.column_stack([row * spacing[1], column * spacing[0], normal * step, np.array(origin)])
    return Written(paths, voxels, affine)


def item(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def write_enhanced(written, target, echo_times):
    """Put the slices of a classic series into one enhanced multi-frame file."""
    slices = [pydicom.dcmread(path) for path in written.paths]
    file = pydicom.dcmread(written.paths[0])
    first = slices[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(file, keyword)
    for keyword in ("EchoTime", "ScanningSequence", "RepetitionTime"):
        delattr(file, keyword)
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    file.NumberOfFrames = len(slices)
    file.EchoPulseSequence = "SPIN"
    file.PixelData = b"".join(one.PixelData for one in slices)
    shared = item(
        MRTimingAndRelatedParametersSequence=[item(RepetitionTime=500.0, FlipAngle=90.0, EchoTrainLength=1)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=first.ImageOrientationPatient)],
        PixelMeasuresSequence=[item(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)],
    )
    file.SharedFunctionalGroupsSequence = [shared]
    file.PerFrameFunctionalGroupsSequence = [
        item(
            FrameContentSequence=[
                item(StackID="1", InStackPositionNumber=number, DimensionIndexValues=[1, number])
            ],
            PlanePositionSequence=[item(ImagePositionPatient=one.ImagePositionPatient)],
            MREchoSequence=[item(EffectiveEchoTime=echo_time)],
        )
        for number, (one, echo_time) in enumerate(zip(slices, echo_times, strict=True), start=1)
    ]
    target.parent.mkdir()
    file.save_as(target)
