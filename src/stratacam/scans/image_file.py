"""Reading of image files: recognised by content; headers are repaired where only one meaning is possible."""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.analyze import AnalyzeHeader
from nibabel.arrayproxy import ArrayLike, ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1PairHeader
from nibabel.nifti2 import Nifti2PairHeader
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from stratacam.errors import InputError

Stream = BufferedReader | gzip.GzipFile

FORMATS = (".nii.gz", ".nii", ".img.gz", ".img", ".mgz", ".mgh")
"""How names of images that can be read end: NIfTI 1 and 2, pairs of `.img` and `.hdr`, FreeSurfer; in any case."""

OTHER_FORMATS = {
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".mnc": "MINC",
    ".dcm": "DICOM",
    ".ima": "DICOM",
    ".head": "AFNI",
    ".brik": "AFNI",
    ".par": "Philips PAR/REC",
    ".nii.bz2": "NIfTI compressed by bzip2",
    ".nii.xz": "NIfTI compressed by xz",
    ".nii.zst": "NIfTI compressed by Zstandard",
    ".nii.zip": "NIfTI in a ZIP archive",
}
CONTENTS = {
    b"PK\x03\x04": "a ZIP archive: unpack it",
    b"BZh": "compressed by bzip2: unpack it",
    b"\xfd7zXZ": "compressed by xz: unpack it",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard: unpack it",
    b"NRRD": "NRRD: convert it to NIfTI",
    b"ObjectType": "MetaImage: convert it to NIfTI",
    b"\x89HDF": "HDF5 or MINC: convert it to NIfTI",
    b"CDF": "MINC: convert it to NIfTI",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself (git lfs pull)",
    b"/annex/objects": "a pointer of git-annex: fetch the file itself (git annex get)",
    b"<": "a web page: download the file again",
}
"""What a file that is no image starts with, what it then is, and the remedy."""

DICOM = (128, b"DICM")
GZIP = b"\x1f\x8b"
ROUNDED = 1e-3  # by which the length of a quaternion may exceed 1


def image_end(name: str, ends: Iterable[str] = FORMATS) -> str | None:
    """How a name ends, as it is spelled, if one of `ends` fits in any case.

    Example:
        >>> image_end("sub-01_T1w.NII.GZ"), image_end("notes.txt")
        ('.NII.GZ', None)
    """
    end = next((end for end in ends if name.casefold().endswith(end)), None)
    return name[-len(end) :] if end else None


def sidecar_path(image: Path) -> Path:
    """Where the JSON sidecar of an image is by BIDS."""
    return image.with_name(image.name.removesuffix(image_end(image.name) or "") + ".json")


def conversion(name: str) -> str | None:
    """What a file of a format that cannot be read is and how to convert it; None if its name says no such format."""
    end = image_end(name, OTHER_FORMATS)
    if end is None:
        return None
    kind = OTHER_FORMATS[end.casefold()]
    remedy = "with `stratacam import-dicom`" if kind == "DICOM" else "to .nii.gz"
    return f"{name} is {kind}; convert it {remedy}"


def image_files(path: Path) -> list[Path]:
    """Every file that an image is made of: itself, and the header beside it if it is one of a pair."""
    if (end := image_end(path.name, (".img.gz", ".img"))) is None:
        return [path]
    header = re.sub("img", "HDR" if "IMG" in end else "hdr", end, flags=re.IGNORECASE)
    return [path, path.with_name(path.name[: -len(end)] + header)]


@contextmanager
def open_image(path: Path) -> Iterator[nibabel.Nifti1Pair]:
    """Open an image; its header is read, its data can be read inside the block.

    The content decides, not the name: NIfTI 1 or 2, compressed or not. An axis of length 0 after the third has length
    1, a quaternion that is longer than 1 by rounding is shortened, and a qform that is none is passed over where there
    is an sform.

    Args:
        path: with a name that ends in one of `FORMATS`, in any case.

    Raises:
        InputError: the file, or what is read of it inside the block, is missing, unreadable or no image.
    """
    try:
        with ExitStack() as stack:
            yield _open(path, stack)
    except InputError:
        raise
    except FileNotFoundError as error:
        if path.is_symlink():
            raise InputError(
                f"{path}: links to {path.readlink()}, which is not there; expected the file itself: fetch it "
                "(git annex get, datalad get), or remove the scan from the data set."
            ) from error
        raise InputError(
            f"{error.filename or path}: no such file; expected the scan: "
            "restore it, or remove the scan from the data set."
        ) from error
    except PermissionError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected a readable file: check its permissions."
        ) from error
    except (
        ImageFileError,
        HeaderDataError,
        OSError,
        EOFError,
        KeyError,
        MemoryError,
        ValueError,
        zlib.error,
        WrapStructError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: cannot be read as NIfTI ({reason}); expected a whole file: copy or convert it again."
        ) from error


def _open(path: Path, stack: ExitStack) -> nibabel.Nifti1Pair:
    stream = _unpacked(path, stack)
    pair = image_files(path)[1:]
    head = _unpacked(pair[0], stack) if pair else stream
    _refuse_others(head, path)
    if image_end(path.name, (".mgz", ".mgh")):
        surfer = nibabel.MGHImage.from_stream(stream)
        return _placed(surfer.dataobj, surfer.affine, known=bool(surfer.header["goodRASFlag"]))
    start = head.peek(352)[:352]
    if pair and start[344:347] not in {b"ni1", b"n+1"} and not start[4:8].startswith(b"n"):
        analyze = AnalyzeHeader.from_fileobj(head)
        return _placed(ArrayProxy(stream, analyze), analyze.get_best_affine(), known=False)
    second = 540 in (int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big"))
    kind: type[nibabel.Nifti1Pair]
    if pair:
        kind = nibabel.Nifti2Pair if second else nibabel.Nifti1Pair
    else:
        kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    header = kind.header_class.from_fileobj(head, check=False)
    _mend(header, path)
    header.check_fix()
    affine = header.get_best_affine()
    if not np.isfinite(affine).all():
        raise InputError(
            f"{path}: its affine {affine[:3].tolist()} is not finite; expected numbers: repair the header."
        )
    return kind(ArrayProxy(stream, header), affine, header)


def _unpacked(path: Path, stack: ExitStack) -> Stream:
    """What a file holds, unpacked as often as it was compressed by gzip."""
    stream: Stream = stack.enter_context(path.open("rb"))
    while stream.peek(2)[:2] == GZIP:
        stream = stack.enter_context(gzip.GzipFile(fileobj=stream, mode="rb"))
    return stream


def _refuse_others(stream: Stream, path: Path) -> None:
    start = stream.peek(512)
    found = next((words for sign, words in CONTENTS.items() if start.startswith(sign)), None)
    if not start:
        found = "empty: copy it again"
    elif start[DICOM[0] :].startswith(DICOM[1]):
        found = "DICOM: import it with `stratacam import-dicom`"
    if found:
        kind, remedy = found.split(": ")
        raise InputError(f"{path}: is {kind}; expected NIfTI: {remedy}.")


def _placed(data: ArrayLike, affine: NDArray[Any], *, known: bool) -> nibabel.Nifti1Image:
    """An image of another format; without codes if it does not say where its voxels are."""
    image = nibabel.Nifti1Image(data, affine)
    image.set_sform(affine, code=1 if known else 0, update_affine=False)
    return image


def _mend(header: Nifti1PairHeader | Nifti2PairHeader, path: Path) -> None:
    """Mend what has one meaning; refuse voxels without a size, which nibabel would make 1 mm."""
    axes = header["dim"][0]
    header["dim"][4 : axes + 1] = np.maximum(header["dim"][4 : axes + 1], 1)
    placed = bool(header["sform_code"])
    edges = header["pixdim"][1:4]
    if not placed and not edges.all():
        raise InputError(
            f"{path}: its header gives voxels of {' x '.join(f'{edge:g}' for edge in edges)} mm (pixdim) and no "
            "sform; expected voxels with a volume: repair the header."
        )
    turn = np.array([header[f"quatern_{axis}"] for axis in "bcd"], dtype=np.float64)
    length = np.linalg.norm(turn)
    if header["qform_code"] and length > 1 and length < 1 + ROUNDED:
        for axis, value in zip("bcd", turn / length, strict=True):
            header[f"quatern_{axis}"] = value
    elif header["qform_code"] and not length <= 1:
        if not placed:
            raise InputError(
                f"{path}: its header has a quaternion of length {length:g} (qform) and no sform; expected a length "
                "of 1 at most, which says how the scan is turned: repair the header."
            )
        header["qform_code"] = 0
