"""Brain masks from the truth of phantoms, so that brain extraction need not run."""

import shutil


def supply_masks(cohort):
    """Give the true brains as supplied masks, so that brain extraction need not run."""
    for mask in (cohort / "derivatives" / "truth").rglob("*_desc-truebrain_mask.nii.gz"):
        relative = mask.relative_to(cohort / "derivatives" / "truth")
        target = (
            cohort / "derivatives" / "masks" / relative.with_name(mask.name.replace("truebrain", "brain"))
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mask, target)
