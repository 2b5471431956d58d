"""One stack through dcm2niix, checked against the headers, without a word of the patient."""

import gzip
import importlib
import itertools
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.scans.dicom.affine import LPS_TO_RAS
from stratacam.scans.dicom.series import Stack, affine_lps

CORNER_MM = 0.1  # a voxel corner further than this from where the headers put it is an error of conversion
HEADER_BYTES, DATA_OFFSET = 348, 352
OPTIONS = ("-g", "i", "-b", "y", "-ba", "y", "-z", "n", "-x", "i", "-f", "volume")
TEXT_FIELDS = ("descrip", "aux_file", "db_name", "intent_name")
KEPT = (
    "Modality", "Manufacturer", "MagneticFieldStrength", "ImagingFrequency", "MRAcquisitionType", "ScanningSequence",
    "SequenceVariant", "EchoTime", "EchoTrainLength", "RepetitionTime", "InversionTime", "FlipAngle",
    "NumberOfAverages", "SliceThickness", "SpacingBetweenSlices", "PixelBandwidth", "PercentPhaseFOV",
    "PercentSampling", "AcquisitionMatrixPE", "ReconMatrixPE", "ParallelReductionFactorInPlane", "PartialFourier",
    "PhaseEncodingDirection", "PhaseEncodingAxis", "InPlanePhaseEncodingDirectionDICOM",
    "ImageOrientationPatientDICOM", "ConversionSoftware", "ConversionSoftwareVersion",
)  # fmt: skip
"""What is kept of the sidecar: physics and software, nothing that a person at the scanner types in."""


class ConversionError(InputError):
    """A stack that dcm2niix does not turn into one right volume; `output` is what it printed."""

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.output = output


def find_dcm2niix() -> Path:
    """The program dcm2niix, from its Python package.

    Raises:
        InputError: it is not installed.
    """
    try:
        program = Path(importlib.import_module("dcm2niix").bin)
    except (ModuleNotFoundError, AttributeError) as fault:
        raise InputError(
            "dcm2niix: is not installed; expected the package: run `pip install dcm2niix`."
        ) from fault
    if not program.is_file():
        raise InputError(
            f"dcm2niix: {program} is missing; expected the package whole: run "
            "`pip install --force-reinstall dcm2niix`."
        )
    return program


def convert(stack: Stack, program: Path, workplace: Path) -> tuple[Path, dict[str, Any]]:
    """Convert one stack without fault with dcm2niix, in an empty folder, and check where its voxels lie.

    Returns:
        An uncompressed NIfTI file below `workplace`, and what is kept of its sidecar.

    Raises:
        ConversionError: dcm2niix fails, makes none or several volumes, or puts a voxel corner more than
            0.1 mm from where the headers do.
    """
    source, target = workplace / "dicom", workplace / "nifti"
    source.mkdir(parents=True)
    target.mkdir()
    for number, path in enumerate(dict.fromkeys(one.path for one in stack.slices)):
        _link(path, source / f"{number:06}.dcm")
    output = _run([str(program), *OPTIONS, "-o", str(target), str(source)])
    volumes = sorted(target.glob("*.nii"))
    if len(volumes) != 1:
        raise ConversionError(
            f"dcm2niix made {len(volumes)} volumes; expected 1: export the series again.", output
        )
    distance = corner_distance(stack, volumes[0])
    if distance > CORNER_MM:
        raise ConversionError(
            f"the volume made by dcm2niix lies {distance:.3g} mm from where the headers put it; expected the same "
            "place: export the series again.",
            output,
        )
    sidecar = json.loads(volumes[0].with_suffix(".json").read_text(encoding="utf-8", errors="replace"))
    return volumes[0], {key: sidecar[key] for key in KEPT if key in sidecar}


def write_image(volume: Path, target: Path) -> None:
    """Compress a NIfTI-1 file, without the texts of its header and its extensions.

    The voxels are copied as they are. The same voxels give the same bytes.
    """
    content = volume.read_bytes()
    header = nibabel.Nifti1Header(content[:HEADER_BYTES])
    voxels = content[int(header["vox_offset"]) :]
    for field in TEXT_FIELDS:
        header[field] = b""
    header["vox_offset"] = DATA_OFFSET
    with target.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
        compressed.write(header.binaryblock + bytes(DATA_OFFSET - HEADER_BYTES) + voxels)


def corner_distance(stack: Stack, volume: Path) -> float:
    """How far the corners of a volume's grid lie at most from where DICOM headers put them, in mm.

    Infinity if the grids have other sizes or axes.
    """
    image = nibabel.Nifti1Image.from_filename(volume)
    if len(image.shape) != 3:
        return float("inf")
    rows, columns = stack.first.shape
    corners = _corners(image.shape)
    landed = apply_affine(np.rint(voxel_map(stack, image.affine)), corners)
    expected = _corners((columns, rows, len(stack.slices)))
    if not (
        np.array_equal(landed.min(0), expected.min(0)) and np.array_equal(landed.max(0), expected.max(0))
    ):
        return float("inf")
    there, wanted = apply_affine(image.affine, corners), apply_affine(LPS_TO_RAS @ affine_lps(stack), landed)
    return float(np.linalg.norm(there - wanted, axis=1).max())


def voxel_map(stack: Stack, affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """From voxels of a NIfTI volume, whose `affine` (4, 4) is to RAS mm, to (column, row, slice) of the stack: (4, 4).

    Whole numbers up to rounding if both grids are the same.
    """
    return np.linalg.inv(LPS_TO_RAS @ affine_lps(stack)) @ affine


def _corners(shape: Sequence[int]) -> NDArray[np.float64]:
    """The eight corners of the outer voxels of a grid: (8, 3)."""
    return np.array(list(itertools.product(*((-0.5, size - 0.5) for size in shape))))


def _link(path: Path, link: Path) -> None:
    try:
        link.symlink_to(path.resolve())
    except OSError:  # a file system or an account without links
        shutil.copyfile(path, link)


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    except OSError as fault:
        raise ConversionError(
            "dcm2niix cannot be started; expected a working program: reinstall it.", str(fault)
        ) from fault
    output = (done.stdout + done.stderr).strip()
    if done.returncode:
        raise ConversionError(
            f"dcm2niix failed with exit code {done.returncode}; expected a volume: export the series again.",
            output,
        )
    return output
