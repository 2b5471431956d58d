"""Volumes as bytes of NIfTI files: maps at the resolution of their layer, images, masks and regions."""

import gzip
from dataclasses import replace
from functools import lru_cache
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from stratacam.maps import ScanMaps
from stratacam.scans.geometry import Geometry
from stratacam.scans.prepared import PreparedScan

LEVELS = 127
"""Of a volume in eight bits, on each side of 0."""

DATA_AT = 352
"""Byte of a NIfTI file at which the voxels begin."""


def nifti_bytes(
    volume: NDArray[Any], affine: NDArray[np.float64], *, slope: float = 1.0, packed: bool = False
) -> bytes:
    """A NIfTI file, whose header says where the volume lies and nothing else.

    Args:
        volume: (X, Y, Z), whole numbers or float32.
        affine: (4, 4), voxels to RAS millimetres.
        slope: a value is so many times what is stored.
        packed: keep 8 bits of float32, in 127 steps from 0 to the largest absolute value, and compress (gzip).
    """
    if packed and volume.dtype.kind == "f":
        slope = float(np.abs(volume).max(initial=0)) / LEVELS or 1.0
        volume = np.rint(volume / np.float32(slope)).astype(np.int8)
    header = nibabel.Nifti1Header()
    header.set_data_dtype(volume.dtype)
    header.set_data_shape(volume.shape)
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1)
    header.set_xyzt_units("mm")
    header.set_slope_inter(slope, 0.0)
    header["vox_offset"], header["magic"] = DATA_AT, b"n+1"
    content = header.binaryblock.ljust(DATA_AT, b"\0") + volume.tobytes(order="F")
    return gzip.compress(content, 6, mtime=0) if packed else content


def map_affine(geometry: Geometry, rows: int, columns: int) -> NDArray[np.float64]:
    """(4, 4), from (column, row, picture) of maps of that resolution to RAS millimetres of the T1w."""
    picture, row, column, origin = replace(geometry, size=(rows, columns)).pixels_to_world.T
    return np.stack([column, row, picture, origin], axis=1)


def map_bytes(maps: ScanMaps, values: NDArray[np.float32], *, packed: bool = False) -> bytes:
    """Maps of one layer (n, rows, columns) as a volume of columns, rows and explained slices."""
    return nifti_bytes(
        np.transpose(values, (2, 1, 0)), map_affine(maps.geometry, *values.shape[1:]), packed=packed
    )


@lru_cache(maxsize=6)
def image_of(scan: PreparedScan, sequence: str) -> bytes:
    """The prepared image of a sequence; the last few are held, as reading one takes most of the time of a first view.

    Raises:
        InputError: the file is missing or damaged.
    """
    return image_bytes(*scan.read_image(sequence))


def image_bytes(image: NDArray[np.float32], affine: NDArray[np.float64], *, packed: bool = False) -> bytes:
    """A prepared image (X, Y, Z), values from 0 to 1, in 255 steps."""
    levels = np.rint(image.clip(0, 1) * np.float32(255)).astype(np.uint8)
    return nifti_bytes(levels, affine, slope=1 / 255, packed=packed)
