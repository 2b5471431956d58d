"""A patient of the longitudinal MS data base of Lesjak et al. (2016), with the transforms that came with it.

Layout: BIDS, `sub-12` with two sessions, and in `derivatives/reference/sub-12/ses-<n>/` the ITK transforms from
FLAIR to T1w and T2w.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray

from stratacam.scans.cohort.bids import Scan, find_scans
from stratacam.scans.volume import LPS, read_volume, to_itk

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Session:
    """One session, with points of the brain in its FLAIR (n, 3), LPS mm."""

    scan: Scan
    reference: Path

    @property
    def brain_points(self) -> Points:
        """About three thousand points of the brain, in the FLAIR, LPS mm."""
        mask = nibabel.Nifti1Image.from_filename(self.reference.parent / "brainmask.nii.gz")
        index = np.argwhere(np.asarray(mask.dataobj) > 0)
        index = index[:: max(1, len(index) // 3000)]
        common = move(LPS @ mask.affine, index)
        name = f"study{self.scan.session}"
        return move(read_matrix(self.reference / f"{name}_FLAIR_to_common_space.txt"), common)

    def expected(self, sequence: str) -> tuple[Points, Points]:
        """Brain points in the T1w, and where the data set's own transforms lay them in a sequence; LPS mm."""
        name, flair = f"study{self.scan.session}", self.brain_points
        t1w = move(read_matrix(self.reference / f"{name}_T1W_intrastudy_to_FLAIR.txt"), flair)
        if sequence == "FLAIR":
            return t1w, flair
        return t1w, move(read_matrix(self.reference / f"{name}_T2W_intrastudy_to_FLAIR.txt"), flair)


def sessions(data: Path) -> list[Session]:
    """The sessions in `data`."""
    reference = data / "derivatives" / "reference"
    return [
        Session(scan, reference / f"sub-{scan.subject}" / f"ses-{scan.session}")
        for scan in find_scans(data)[0]
    ]


def read_image(path: Path) -> SimpleITK.Image:
    """A scan with axes towards right, anterior and superior."""
    image = nibabel.as_closest_canonical(read_volume(path))
    return to_itk(image.get_fdata(dtype=np.float32), image.affine)


def read_matrix(path: Path) -> NDArray[np.float64]:
    """An ITK transform as a matrix (4, 4)."""
    return matrix_of(SimpleITK.ReadTransform(str(path)))


def matrix_of(transform: SimpleITK.Transform) -> NDArray[np.float64]:
    """A linear transform as a matrix (4, 4)."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    return np.block([[np.stack(columns, 1), origin[:, None]], [0.0, 0.0, 0.0, 1.0]])


def move(matrix: NDArray[np.float64], points: NDArray[np.floating | np.integer]) -> Points:
    """Points (n, 3) moved by a matrix (4, 4)."""
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def closest_rigid(points: Points, targets: Points) -> Points:
    """Where the rigid motion closest to points -> targets takes the points (Procrustes)."""
    left, _, right = np.linalg.svd((points - points.mean(0)).T @ (targets - targets.mean(0)))
    turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    return np.asarray((points - points.mean(0)) @ turn + targets.mean(0))
