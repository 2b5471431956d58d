import shutil

import pytest

from stratacam.scans.phantom import PhantomSettings, make_cohort


def supply_masks(cohort):
    """Give the true brains of phantoms as supplied masks, so that brain extraction need not run."""
    truth = cohort / "derivatives/truth"
    for mask in truth.rglob("*_desc-truebrain_mask.nii.gz"):
        relative = mask.relative_to(truth).with_name(mask.name.replace("truebrain", "brain"))
        target = cohort / "derivatives/masks" / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mask, target)


@pytest.fixture(scope="session")
def copy_cohort(made_once):
    """`copy_cohort(folder, control=3, RRMS=3)` copies a synthetic cohort with supplied brain masks there.

    Voxels of 4 mm take least time: N4 shrinks them by two, and does not shrink those of 5 mm.
    """

    def copy(folder, *, voxel_mm=4.0, **subjects):
        def make(made):
            make_cohort(made, PhantomSettings(subjects=subjects, voxel_mm=voxel_mm))
            supply_masks(made)

        groups = "-".join(f"{group}-{count}" for group, count in subjects.items())
        return shutil.copytree(made_once(f"cohort-{groups}-{voxel_mm}", make), folder)

    return copy
