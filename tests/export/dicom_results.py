"""Exported DICOM, read with pydicom alone: pixels of a frame and where each lies."""

import numpy as np
import pydicom


def read_map(path):
    """Frames of a parametric map: UID of the source image, points (rows, columns, 3) in LPS mm, values."""
    dataset = pydicom.dcmread(path)
    shape = (int(dataset.NumberOfFrames), dataset.Rows, dataset.Columns)
    values = np.frombuffer(dataset.FloatPixelData, dtype="<f4").reshape(shape)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    spacing = shared.PixelMeasuresSequence[0].PixelSpacing
    for frame, image in zip(dataset.PerFrameFunctionalGroupsSequence, values, strict=True):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        yield source, places(position, orientation, spacing, image.shape), image


def places(position, orientation, spacing, shape):
    """Points (rows, columns, 3) of the pixels of an image, LPS mm, by equation C.7.6.2.1-1 of the standard."""
    row, column = np.array(orientation, float)[:3], np.array(orientation, float)[3:]
    down, along = np.indices(shape)[..., None] * np.array(spacing, float).reshape(2, 1, 1, 1)
    return np.array(position, float) + along * row + down * column


def ras(points):
    return points * [-1, -1, 1]
