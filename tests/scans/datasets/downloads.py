"""Made-up data sets in the layouts that they are downloaded in."""

import nibabel
import numpy as np

OPEN_MS = ("T1W", "T1WKS", "T2W", "FLAIR")
MSSEG = ("T1", "GADO", "T2", "DP", "FLAIR")


def put_image(path, seed=0, mask=False):
    """A small NIfTI file; a mask with one voxel in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng([seed, *path.as_posix().encode()]).uniform(1, 100, (12, 12, 12))
    if mask:
        values = (np.arange(12**3) == 800).reshape(12, 12, 12)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), np.diag([2.0, 2, 2, 1])), path)


def cross_sectional(root, patients=("01", "02"), kind="coregistered"):
    """Patients of open_ms_data with one scan each."""
    for patient in patients:
        place = root / "cross_sectional" / kind / f"patient{patient}"
        for name in OPEN_MS:
            put_image(place / f"{name}.nii.gz")
        put_image(place / "consensus_gt.nii.gz", mask=True)
        if kind == "coregistered":
            put_image(place / "brainmask.nii.gz", mask=True)
    return root / "cross_sectional"


def longitudinal(root, patients=("01",)):
    """Patients of open_ms_data with two scans each."""
    for patient in patients:
        place = root / "longitudinal/coregistered" / f"patient{patient}"
        for name in ("T1W", "T2W", "FLAIR"):
            for study in (1, 2):
                put_image(place / f"study{study}_{name}.nii.gz")
        for name in ("gt", "brainmask"):
            put_image(place / f"{name}.nii.gz", mask=True)
    return root / "longitudinal"


def msseg(root, centres=("01", "07"), patients=("01", "02")):
    """Patients of MSSEG 2016 with raw and preprocessed images."""
    for centre in centres:
        for patient in patients:
            place = root / f"Center_{centre}/Patient_{patient}"
            for name in MSSEG:
                put_image(place / f"Raw_Data/{name}.nii.gz")
                put_image(place / f"Preprocessed_Data/{name}_preprocessed.nii.gz")
            for name in ("Consensus", "Brain_Mask", "ManualSegmentation_1"):
                put_image(place / f"Masks/{name}.nii.gz", mask=True)
    return root


def msseg_flat(root, names=("01016SACH", "07001MOEL")):
    """Patients of MSSEG 2016 in the older form: all files of one in one folder."""
    for name in names:
        for image in ("3DT1", "3DT1GADO", "T2", "DP", "3DFLAIR"):
            put_image(root / name / f"{image}.nii")
        put_image(root / name / "Consensus.nii", mask=True)
        put_image(root / name / "ManualSegmentation_1.nii", mask=True)
    return root
