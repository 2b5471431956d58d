"""NIfTI volumes: checked when read, whole when written, the same world in nibabel and in ITK."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.files import whole_file
from stratacam.scans.image_file import open_image

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""RAS millimetres (NIfTI, nibabel) to LPS millimetres (DICOM, ITK), and back."""
LARGEST_SHEAR = 1e-3
NO_ANGLE = 1e-12  # cosine of an angle that is none
SMALLEST_EDGE = 0.05  # mm
LARGEST_EDGE = 20.0
LARGEST_VALUE = 1e18  # squares fit 32-bit numbers
LARGEST_DISAGREEMENT = 0.1  # mm, of sform and qform
UNIT_BITS = 7  # of xyzt_units
WRONG_UNITS = {1: "meter", 3: "micron"}
RIGHT_UNITS = {0, 2}  # unknown, mm


class Placement(NamedTuple):
    """What a header says about where the voxels are: the codes of its two forms, and how far they disagree."""

    sform_code: int
    qform_code: int
    disagreement_mm: float | None  # largest over the corners of the volume; None unless both forms are given


def read_volume(path: Path) -> nibabel.Nifti1Image:
    """Read a three-dimensional scan and check that it can be used.

    The orientation stays as delivered; a fourth axis of length one is dropped.

    Args:
        path: NIfTI, or what else `open_image` reads.

    Returns:
        The image with its data in memory, float32, and its affine (voxels to RAS millimetres).

    Raises:
        InputError: the file is missing, unreadable or truncated, holds colours or complex numbers, is not
            three-dimensional, holds NaN, infinity, values beyond 1e18 or one value only (all zero, for
            example), or its header gives no usable voxels: an affine that is singular or sheared, edges
            that cannot be millimetres.
    """
    with open_image(path) as image:
        _check_header(image, path)
        with np.errstate(over="ignore"):
            data = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
        broken = int(data.size - np.count_nonzero(np.isfinite(data)))
        if broken and not np.isfinite(np.asarray(image.dataobj, dtype=np.float64)).all():
            raise InputError(
                f"{path}: {broken} of {data.size} voxels are NaN or infinite; expected finite numbers: "
                "convert the scan again."
            )
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    low, high = float(data.min()), float(data.max())
    if max(-low, high) > LARGEST_VALUE:
        raise InputError(
            f"{path}: its values reach beyond {LARGEST_VALUE:g}; expected intensities of a scan: mend the scaling "
            "(scl_slope, scl_inter) in the header, or convert the scan again."
        )
    if low == high:
        found = "all voxels are zero" if low == 0 else f"all voxels have the value {low:g}"
        raise InputError(
            f"{path}: {found}; expected a scan: convert it again or remove it from the data set."
        )
    return nibabel.Nifti1Image(data, image.affine)


def notices(path: Path) -> tuple[str, ...]:
    """Return sentences about a header that is odd but can be used; raise InputError if it cannot be read.

    They are about a unit of length that does not exist, a header without sform and qform, and an sform and a qform
    that disagree by more than 0.1 mm at a corner of the volume (the sform counts, as in nibabel).
    """
    with open_image(path) as image:
        placement, unit = read_placement(image), _unit(image)
    noticed = []
    if unit not in {*RIGHT_UNITS, *WRONG_UNITS}:
        noticed.append(
            f"its header counts in unit {unit} (xyzt_units), which is none; millimetres are assumed"
        )
    if not placement.sform_code and not placement.qform_code:
        noticed.append(
            "neither sform nor qform says where the voxels are (both codes are 0): the orientation is a guess, "
            "left and right may be exchanged"
        )
    if placement.disagreement_mm is not None and placement.disagreement_mm > LARGEST_DISAGREEMENT:
        noticed.append(
            f"sform (code {placement.sform_code}) and qform (code {placement.qform_code}) disagree by up to "
            f"{placement.disagreement_mm:.1f} mm; the sform is used, as its code is above 0"
        )
    return tuple(noticed)


def _unit(image: nibabel.Nifti1Pair) -> int:
    """The code of the unit of length."""
    return int(image.header["xyzt_units"]) & UNIT_BITS


def read_placement(image: nibabel.Nifti1Pair) -> Placement:
    """Compare the sform and the qform of an image."""
    sform, sform_code = image.header.get_sform(coded=True)
    qform, qform_code = image.header.get_qform(coded=True)
    if sform is None or qform is None:
        return Placement(int(sform_code), int(qform_code), None)
    return Placement(int(sform_code), int(qform_code), corners_apart(sform, qform, image.shape[:3]))


def corners_apart(first: NDArray[Any], second: NDArray[Any], shape: tuple[int, ...]) -> float:
    """Return the largest distance (mm) between where two affines (4, 4) put a corner of a volume."""
    corners = np.array(np.meshgrid(*((0, n - 1) for n in shape), [1])).reshape(4, -1)
    return float(np.linalg.norm(((first - second) @ corners)[:3], axis=0).max())


def _check_header(image: nibabel.Nifti1Pair, path: Path) -> None:
    """Raise InputError unless the header is that of a three-dimensional scan of numbers in millimetres."""
    kind = image.get_data_dtype()
    if kind.fields is not None or kind.kind == "c":
        found = "complex numbers" if kind.kind == "c" else "colours (RGB)"
        raise InputError(
            f"{path}: holds {found}; expected one number for each voxel: give the scan itself, as magnitude "
            "and in shades of grey."
        )
    shape = image.shape
    if len(shape) < 3 or any(length > 1 for length in shape[3:]):
        raise InputError(
            f"{path}: has {len(shape)} dimensions, shape {shape}; expected one three-dimensional scan: "
            "give one volume of the series."
        )
    if min(shape[:3]) < 2:
        raise InputError(
            f"{path}: has shape {shape}; expected at least two voxels along every axis: give the whole scan."
        )
    unit = WRONG_UNITS.get(_unit(image))
    if unit:
        raise InputError(
            f"{path}: its header counts in {unit} (xyzt_units); expected mm: set xyzt_units to mm if the voxel size "
            "is in millimetres, or else convert the affine."
        )
    check_affine(image.affine, path)


def check_affine(affine: NDArray[Any], path: Path) -> None:
    """Raise InputError, naming `path`, unless `affine` (4, 4) has axes at right angles and edges in mm."""
    axes = np.asarray(affine, dtype=float)[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    size = " x ".join(f"{edge:g}" for edge in spacing)
    if not np.isfinite(affine).all() or spacing.min() == 0 or abs(np.linalg.det(axes / spacing)) < 1e-3:
        raise InputError(
            f"{path}: its affine {axes.tolist()} is singular, with voxels of {size} mm; "
            "expected voxels with a volume: repair the header."
        )
    if spacing.min() < SMALLEST_EDGE or spacing.max() > LARGEST_EDGE:
        raise InputError(
            f"{path}: its voxels are {size} mm; expected edges of {SMALLEST_EDGE:g} to {LARGEST_EDGE:g} mm: if the "
            "header counts in metres or microns, convert its affine to millimetres."
        )
    shear = np.abs((axes / spacing).T @ (axes / spacing) - np.eye(3)).max()
    if shear > LARGEST_SHEAR:
        raise InputError(
            f"{path}: its affine is sheared (cosine of two axes: {shear:.4f}); expected axes at right "
            "angles: resample it onto a grid without shear."
        )


def write_nifti(path: Path, data: NDArray[Any], affine: NDArray[Any], *, description: str = "") -> None:
    """Write `data` to `path` (`.nii` or `.nii.gz`), whole or not at all; same data, same bytes.

    Args:
        path: the file; missing folders are made.
        data: (X, Y, Z); Booleans are written as uint8, everything else in its own type.
        affine: (4, 4), voxels to RAS millimetres, written as both sform and qform with code 1 (scanner).
        description: the header's `descrip`, cut to its 79 characters.
    """
    image = nibabel.Nifti1Image(data.astype(np.uint8) if data.dtype == bool else data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description.encode("ascii", "replace")[:79]
    content = image.to_bytes()
    with whole_file(path) as temporary:
        temporary.write_bytes(gzip.compress(content, 4, mtime=0) if path.suffix == ".gz" else content)


def to_itk(data: NDArray[Any], affine: NDArray[Any]) -> SimpleITK.Image:
    """Return an ITK image of `data` (X, Y, Z) whose world points are those of `affine`, in LPS."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    to_lps = LPS @ np.asarray(affine, dtype=float)
    spacing = np.linalg.norm(to_lps[:3, :3], axis=0)
    left, _, right = np.linalg.svd(to_lps[:3, :3] / spacing)
    direction = left @ right
    direction[np.abs(direction) < NO_ANGLE] = 0  # ITK's inverse fails on denormal numbers
    image.SetSpacing(spacing.tolist())
    image.SetDirection(direction.ravel().tolist())
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
