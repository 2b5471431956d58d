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
    """`copy_cohort(folder, control=3, RRMS=3)` copies a synthetic cohort there: 5 mm voxels, supplied brain masks."""

    def make(subjects):
        def made(folder):
            make_cohort(folder, PhantomSettings(subjects=subjects, voxel_mm=5))
            supply_masks(folder)

        return made

    def copy(folder, **subjects):
        name = "-".join(f"{group}-{count}" for group, count in subjects.items())
        return shutil.copytree(made_once(name, make(subjects)), folder)

    return copy
