import shutil

import pytest
from rich.console import Console

from stratacam.scans.phantom import PhantomSettings, make_cohort
from stratacam.study.configuration import read_configuration
from stratacam.study.prepared_cohort import prepare_cohort
from stratacam.study.study import open_study

PREPARING = """\
out = "study"
[cohort]
input = "cohort"
[prepare]
template = false
[run]
workers = 1
"""


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

        return shutil.copytree(made_once(f"cohort-{_named(subjects)}-{voxel_mm}", make), folder)

    return copy


@pytest.fixture(scope="session")
def copy_prepared(made_once, copy_cohort):
    """`copy_prepared(folder, control=3, RRMS=3)` copies such a cohort, and its scans prepared by a study `PREPARING`.

    A study in the folder with the same settings of preparation finds them done.
    """

    def copy(folder, **subjects):
        def make(made):
            copy_cohort(made / "cohort", **subjects)
            file = made / "preparing.toml"
            file.write_text(PREPARING)
            with open_study(read_configuration(file), Console(quiet=True)) as study:
                prepare_cohort(study)

        made = made_once(f"prepared-{_named(subjects)}", make)
        shutil.copytree(made / "cohort", folder / "cohort")
        shutil.copytree(made / "study/prepared", folder / "study/prepared")

    return copy


def _named(subjects):
    return "-".join(f"{group}-{count}" for group, count in subjects.items())
