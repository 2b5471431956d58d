"""A whole study of seconds, and what it leaves."""

import hashlib
import json
import shutil
from pathlib import Path

from stratacam.files import RECORDS, TEMPORARY
from stratacam.scans.phantom import PhantomSettings, make_cohort

NETWORK = """\
import torch
from torch import nn

def block(channels):
    return nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))

def make(classes, seed):
    model = nn.Sequential()
    for name, module in (
        ("body1", block(3)), ("body2", block(8)), ("gap", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()),
        ("classifier", nn.Linear(8, classes)),
    ):
        model.add_module(name, module)
    return model
"""

STUDY = """\
name = "tiny"
out = "{out}"
repeats = 2
[run]
{run}
[cohort]
input = "cohort"
sequences = ["T1w", "FLAIR"]
[prepare]
template = false
[pictures]
size = 32
every = 4
[network]
architecture = "nets.py:make"
[split]
folds = 3
repeats = "same"
[training]
epochs = 1
frozen = ["body1"]
[explain]
every = 4
models = "all"
[evidence]
methods = ["gradcam"]
layers = ["body2"]
every = 4
slices = 1
sanity_slices = 1
fractions = [0.3]
permutations = 2
"""

NO_RESULTS = ("provenance.json", "report.html", "resources.tsv")
"""What says when and where a study ran, and what that took."""


def make_study(folder: Path, subjects: int) -> None:
    """Make the cohort, with its brain masks, and the network; nothing where they are there."""
    if (folder / "nets.py").is_file():
        return
    cohort = folder / "cohort"
    make_cohort(
        cohort, PhantomSettings(subjects={"control": subjects // 2, "RRMS": subjects // 2}, voxel_mm=4.0)
    )
    truth = cohort / "derivatives/truth"
    for mask in truth.rglob("*_desc-truebrain_mask.nii.gz"):
        given = cohort / "derivatives/masks" / mask.relative_to(truth)
        given = given.with_name(given.name.replace("truebrain", "brain"))
        given.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mask, given)
    (folder / "nets.py").write_text(NETWORK, encoding="utf-8")


def write_study(folder: Path, out: str, run: str) -> Path:
    """Write the settings; `run` are lines of the table of that name."""
    file = folder / "study.toml"
    file.write_text(STUDY.format(out=out, run=run), encoding="utf-8")
    return file


def results(study: Path) -> dict[str, str]:
    """The SHA-256 of every file that is a result, by its path in the study."""
    found = {}
    for path in sorted(study.rglob("*")):
        place = path.relative_to(study)
        if path.is_file() and RECORDS not in place.parts and place.as_posix() not in NO_RESULTS:
            content = path.read_bytes()
            if place.as_posix() == "study.json":  # which says where it ran, too
                content = json.dumps({**json.loads(content), "run": None}).encode()
            found[place.as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def orphans(study: Path) -> list[str]:
    """What killed processes have left: half-written files, marks of tasks, and what they were doing."""
    running = study / RECORDS / "running"
    left = [*study.rglob(f".*{TEMPORARY}*"), *(path for path in running.rglob("*") if path.is_file())]
    left += [study / RECORDS / "owner.json"] if (study / RECORDS / "owner.json").is_file() else []
    return sorted(path.relative_to(study).as_posix() for path in left)
