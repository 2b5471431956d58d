"""The built-in study: a synthetic cohort, and the whole study on it."""

from pathlib import Path

from rich.console import Console

from stratacam.files import write_text
from stratacam.scans.phantom import PhantomSettings, make_cohort
from stratacam.study.configuration import read_configuration
from stratacam.study.execution import local_executor
from stratacam.study.run import Outcome, run_study

STUDY = """\
# The built-in study. `stratacam run` on this file does again what has changed, and only that.
name = "Synthetic cohort"
out = "study"
seed = {seed}

[cohort]
bids = "cohort"
groups = ["control", "RRMS", "SPMS"]

[pictures]
size = 128
every = 2

[split]  # a small cohort: more to test on than the usual 15 per cent
train = 0.5
validation = 0.15
test = 0.35

[explain]
every = 2
nifti_layers = ["block5_*"]
"""


def run_demo(folder: Path, phantom: PhantomSettings, console: Console) -> Outcome:
    """Make the synthetic cohort in `folder`/cohort, write `folder`/study.toml, and run the study.

    Args:
        folder: of the demonstration; may exist from an earlier run, whose work is kept.
        phantom: the cohort; its seed is also the study's.
        console: where progress is shown.
    """
    cohort = folder / "cohort"
    with local_executor() as executor:
        console.print(f"phantom: {sum(phantom.subjects.values())} subjects in {cohort}", highlight=False)
        make_cohort(cohort, phantom, executor)
    file = folder / "study.toml"
    write_text(file, STUDY.format(seed=phantom.seed))
    return run_study(read_configuration(file), console)
