"""A prepared scan on disk: every sequence on one grid, in the world space of the T1w."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.files import RECORDS, read_json
from stratacam.scans.planes import AXES, Plane
from stratacam.scans.resampling import Grid, read_grid
from stratacam.scans.slices import SliceTable, read_slices_table

SPACE = "MNI152NLin2009aAsym"  # BIDS name of the template that nilearn carries (ICBM 2009a, asymmetric)
RECORD = "desc-prepared_record.json"  # written last: a scan without it is not there


@dataclass(frozen=True)
class PreparedVolume:
    """The arrays of a prepared scan.

    Attributes:
        images: (S, X, Y, Z) in [0, 1], 0 outside the brain, axes towards right, anterior, superior.
        brain_mask: (X, Y, Z).
        affine: (4, 4), voxels to RAS millimetres.
        kept: indices of the slices with useful brain tissue, contiguous.
        plane: of these slices.
    """

    images: NDArray[np.float32]
    brain_mask: NDArray[np.bool_]
    affine: NDArray[np.float64]
    kept: NDArray[np.intp]
    plane: Plane = "axial"


@dataclass(frozen=True)
class PreparedScan:
    """Where the files of one prepared session are, in a folder of BIDS derivatives."""

    folder: Path
    subject: str  # "01"
    session: str | None
    sequences: tuple[str, ...]

    @property
    def name(self) -> str:
        """The BIDS entities of the scan: "sub-01" or "sub-01_ses-2"."""
        return f"sub-{self.subject}" + (f"_ses-{self.session}" if self.session else "")

    @property
    def anat(self) -> Path:
        """The folder of the scan's own files."""
        return Path(self.folder, f"sub-{self.subject}", f"ses-{self.session}" if self.session else "", "anat")

    def image(self, sequence: str) -> Path:
        """The prepared image of a sequence: float32 in [0, 1], 0 outside the brain."""
        return self.anat / f"{self.name}_space-T1w_desc-prepared_{sequence}.nii.gz"

    @property
    def brain_mask(self) -> Path:
        """The brain mask, uint8."""
        return self.anat / f"{self.name}_space-T1w_desc-brain_mask.nii.gz"

    @property
    def slices_table(self) -> Path:
        """Every slice, its position and whether it is used; see `stratacam.scans.slices`."""
        return self.anat / f"{self.name}_space-T1w_slices.tsv"

    @property
    def quality_page(self) -> Path:
        """The page of registration, mask, bias fields, intensities and kept slices; see `stratacam.scans.quality`."""
        return self.folder / f"sub-{self.subject}" / "figures" / f"{self.name}_desc-quality.html"

    @property
    def record(self) -> Path:
        """How the scan was prepared: sources, settings, measures; written when all other files are."""
        return self.anat / f"{self.name}_space-T1w_{RECORD}"

    @property
    def seconds(self) -> Path:
        """How long each stage of its preparation took: no result, as no two runs take the same time."""
        return self.folder / RECORDS / "seconds" / f"{self.name}.json"

    def transform(self, sequence: str) -> Path:
        """The rigid ITK transform (LPS) that maps points of the T1w to points of `sequence`."""
        return self.anat / f"{self.name}_from-{sequence}_to-T1w_mode-image_xfm.txt"

    @property
    def template_transform(self) -> Path:
        """The affine ITK transform (LPS) that maps points of the MNI152 template to points of the T1w."""
        return self.anat / f"{self.name}_from-T1w_to-{SPACE}_mode-image_xfm.txt"

    def read_record(self) -> dict[str, Any]:
        """Return the content of the record.

        Raises:
            InputError: the record is missing or damaged.
        """
        return read_json(self.record, "prepare the scan again")

    def delivered(self, sequence: str) -> Path:
        """A sequence as it was delivered, for maps on its grid.

        Raises:
            InputError: the record is missing or damaged, or the scan was prepared without that sequence.
        """
        with _readable(self.record, f"Delivered names no {sequence}"):
            return Path(self.read_record()["Delivered"][sequence])

    def delivered_grid(self, sequence: str) -> Grid:
        """The grid of a sequence as it was delivered, and its place in the world of the T1w.

        Raises:
            InputError: the record, the transform or the header of the delivered scan is missing or damaged.
        """
        transform = None if sequence == "T1w" else self.transform(sequence)
        return read_grid(self.delivered(sequence), transform)

    def read_slices(self) -> SliceTable:
        """Every slice of the prepared volume.

        Raises:
            InputError: the table is missing or damaged.
        """
        return read_slices_table(self.slices_table)

    @property
    def brain_mm(self) -> tuple[float, float]:
        """Width and height of the brain as the slices show it.

        Raises:
            InputError: the record is missing or damaged.
        """
        with _readable(self.record, "lacks BrainWidthHeight"):
            width, height = self.read_record()["BrainWidthHeight"]
            return float(width), float(height)

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Edges of a voxel towards right, anterior and superior, from the header of the brain mask.

        Raises:
            InputError: the mask is missing or damaged.
        """
        with _readable(self.brain_mask):
            affine = nibabel.Nifti1Image.from_filename(self.brain_mask).affine
        right, anterior, superior = voxel_sizes(affine).tolist()
        return right, anterior, superior

    def load_brain_mask(self) -> NDArray[np.bool_]:
        """Read only the brain mask, (X, Y, Z).

        Raises:
            InputError: the file is missing or damaged.
        """
        with _readable(self.brain_mask):
            return np.asarray(nibabel.Nifti1Image.from_filename(self.brain_mask).dataobj) > 0

    def read_image(self, sequence: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Read only the prepared image of one sequence, (X, Y, Z), and its affine.

        Raises:
            InputError: the file is missing or damaged.
        """
        with _readable(self.image(sequence)):
            image = nibabel.Nifti1Image.from_filename(self.image(sequence))
            data = image.get_fdata(dtype=np.float32, caching="unchanged")
        return data, np.asarray(image.affine, dtype=np.float64)

    def load(self) -> PreparedVolume:
        """Read the prepared images, mask and kept slices.

        Raises:
            InputError: a file is missing or damaged.
        """
        table = self.read_slices()
        with _readable(self.anat, f"{self.name} is not complete"):
            images = [nibabel.Nifti1Image.from_filename(self.image(sequence)) for sequence in self.sequences]
            volume = PreparedVolume(
                np.stack([image.get_fdata(dtype=np.float32, caching="unchanged") for image in images]),
                self.load_brain_mask(),
                np.asarray(images[0].affine, dtype=np.float64),
                table.kept,
                table.plane,
            )
        if len(table.areas_mm2) != volume.brain_mask.shape[AXES[table.plane][0]]:
            raise InputError(
                f"{self.slices_table}: has {len(table.areas_mm2)} slices; expected those of "
                f"{self.brain_mask.name}: prepare the scan again."
            )
        return volume


@contextmanager
def _readable(path: Path, found: str = "cannot be read") -> Iterator[None]:
    """Turn what goes wrong in reading a file of a prepared scan into an InputError."""
    try:
        yield
    except InputError:
        raise
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: {found} ({error}); expected a whole file: prepare the scan again."
        ) from error


def find_prepared(folder: Path | str) -> list[PreparedScan]:
    """Return the complete prepared scans in a folder of derivatives, sorted by name.

    Raises:
        InputError: there is no such folder, it holds no prepared scan, or a record is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; expected the output of `stratacam prepare`: correct the path."
        )
    if not (found := prepared_in(folder)):
        inside = next((place for place in sorted(folder.iterdir()) if prepared_in(place)), None)
        remedy = (
            f"name {inside}"
            if inside
            else "prepare scans with `stratacam prepare`, or as a model's with `stratacam predict`"
        )
        raise InputError(f"{folder}: holds no prepared scans; expected sub-*/**/*_{RECORD} in it: {remedy}.")
    return found


def prepared_in(folder: Path) -> list[PreparedScan]:
    """As `find_prepared`; none where there are none."""
    found = []
    for pattern in ("sub-*/anat", "sub-*/ses-*/anat"):
        for path in folder.glob(f"{pattern}/sub-*_{RECORD}"):
            entities = dict(part.split("-", 1) for part in path.name.split("_") if "-" in part)
            scan = PreparedScan(folder, entities["sub"], entities.get("ses"), ())
            sequences = tuple(scan.read_record()["Sequences"])
            found.append(PreparedScan(folder, scan.subject, scan.session, sequences))
    return sorted(found, key=lambda scan: scan.name)
