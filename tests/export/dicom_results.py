"""Exported DICOM, read with pydicom alone: pixels of a frame and where each lies; and what a validator says of it."""

import shutil
import subprocess

import numpy as np
import pydicom

VALIDATOR = shutil.which("dciodvfy")


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


def said_of(path):
    """What dciodvfy says of a file, line by line; nothing where it is not installed."""
    if not VALIDATOR:
        return []
    done = subprocess.run([VALIDATOR, path], capture_output=True, text=True, check=False)  # noqa: S603
    return (done.stdout + done.stderr).splitlines()


def errors_of(path):
    return [line for line in said_of(path) if line.startswith("Error")]
