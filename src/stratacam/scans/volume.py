"""NIfTI volumes: checked when read, whole when written, the same world in nibabel and in ITK."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.files import whole_file

LPS = np.diag(
    [-1.0, -1.0, 1.0, 1.0]
)  # RAS millimetres (NIfTI, nibabel) to LPS millimetres (DICOM, ITK) and back
LARGEST_SHEAR = 1e-3


def read_volume(path: Path) -> nibabel.Nifti1Image:
    """Read a three-dimensional scan and check that it can be used.

    The orientation stays as delivered; a fourth axis of length one is dropped.

    Args:
        path: `.nii` or `.nii.gz`.

    Returns:
        The image with its data in memory, float32, and its affine (voxels to RAS millimetres).

    Raises:
        InputError: the file is missing, unreadable or truncated, is not three-dimensional, holds NaN or
            infinity, holds one value only (all zero, for example), or its affine is singular or sheared.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; restore it or remove the scan from the data set")
    try:
        image = nibabel.Nifti1Image.from_filename(path)
        data = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: cannot be read as NIfTI ({reason}); expected a whole file: copy or convert it again"
        ) from error
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise InputError(
            f"{path}: has {data.ndim} dimensions, shape {data.shape}; expected one three-dimensional scan: "
            "give one volume of the series"
        )
    if min(data.shape) < 2:
        raise InputError(f"{path}: has shape {data.shape}; expected at least two voxels along every axis")
    broken = int(data.size - np.count_nonzero(np.isfinite(data)))
    if broken:
        raise InputError(
            f"{path}: {broken} of {data.size} voxels are NaN or infinite; expected finite numbers: "
            "convert the scan again"
        )
    if data.min() == data.max():
        found = "all voxels are zero" if data.flat[0] == 0 else f"all voxels have the value {data.flat[0]:g}"
        raise InputError(f"{path}: {found}; expected a scan: convert it again or remove it from the data set")
    check_affine(image.affine, path)
    return nibabel.Nifti1Image(data, image.affine)


def check_affine(affine: NDArray[Any], path: Path) -> None:
    """Raise InputError, naming `path`, unless `affine` (4, 4) is invertible with axes at right angles."""
    axes = np.asarray(affine, dtype=float)[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    if not np.isfinite(affine).all() or spacing.min() == 0 or abs(np.linalg.det(axes / spacing)) < 1e-3:
        raise InputError(
            f"{path}: its affine {axes.tolist()} is singular; "
            "expected voxels with a volume: repair the header"
        )
    shear = np.abs((axes / spacing).T @ (axes / spacing) - np.eye(3)).max()
    if shear > LARGEST_SHEAR:
        raise InputError(
            f"{path}: its affine is sheared (cosine of two axes: {shear:.4f}); expected axes at right "
            "angles: resample it onto a grid without shear"
        )


def write_nifti(path: Path, data: NDArray[Any], affine: NDArray[Any]) -> None:
    """Write `data` to `path` (`.nii` or `.nii.gz`), whole or not at all; same data, same bytes.

    Args:
        path: the file; missing folders are made.
        data: (X, Y, Z); Booleans are written as uint8, everything else in its own type.
        affine: (4, 4), voxels to RAS millimetres, written as both sform and qform with code 1 (scanner).
    """
    image = nibabel.Nifti1Image(data.astype(np.uint8) if data.dtype == bool else data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    with whole_file(path) as temporary:
        temporary.write_bytes(gzip.compress(content, 4, mtime=0) if path.suffix == ".gz" else content)


def to_itk(data: NDArray[Any], affine: NDArray[Any]) -> SimpleITK.Image:
    """Return an ITK image of `data` (X, Y, Z) whose world points are those of `affine`, in LPS."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    to_lps = LPS @ np.asarray(affine, dtype=float)
    spacing = np.linalg.norm(to_lps[:3, :3], axis=0)
    left, _, right = np.linalg.svd(to_lps[:3, :3] / spacing)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((left @ right).ravel().tolist())
    image.SetOrigin(to_lps[:3, 3].tolist())
    return image


def from_itk(image: SimpleITK.Image) -> NDArray[Any]:
    """Return the voxels (X, Y, Z) of an ITK image."""
    return np.ascontiguousarray(SimpleITK.GetArrayFromImage(image).T)


def itk_affine(image: SimpleITK.Image) -> NDArray[np.float64]:
    """Return the affine (4, 4) of an ITK image, voxels to RAS millimetres."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.asarray(LPS @ affine)


@contextmanager
def one_itk_thread() -> Iterator[None]:
    """Let ITK use one thread inside the block: sums over threads differ in their last digit from run to run."""
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
