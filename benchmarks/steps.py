"""`python -m benchmarks.steps`: CPU seconds of every task of a study, and of a larger one on paper.

Networks of three seeds learn in folds from six phantoms; the maps of one of these are made and measured. On paper every
task of a subject is done for each of `--subjects`, and a training takes longer by as much as it has more subjects. All
runs in one thread of this process: on two cores that nobody else uses, a study takes about half as long by the clock.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from rich.console import Console

from stratacam.files import read_json
from stratacam.report import refresh_report
from stratacam.scans.phantom import PhantomSettings, make_cohort
from stratacam.study.configuration import read_configuration
from stratacam.study.execution import SerialExecutor, Workers
from stratacam.study.run import measure_evidence, run_study

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

SUBJECTS = 6

OF_ONE_SUBJECT = ("Explain", "Evidence")
"""Tasks that are done here for one of the subjects alone."""

STUDY = """\
out = "study"
repeats = 3
[cohort]
input = "cohort"
[explain]
models = "all"
subjects = ["sub-01"]
[evidence]
permutations = 0
{evidence}
"""


class Timed(SerialExecutor):
    """Does each task at once and keeps the CPU seconds that it took, by the kind of task."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Do the task and return its finished future."""
        start = time.process_time()
        future = super().submit(fn, *args, **kwargs)
        kind = next((type(one).__name__ for one in args if hasattr(one, "do")), fn.__name__)
        self.seconds[kind].append(time.process_time() - start)
        return future


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    parser.add_argument("--voxel", type=float, default=1.0, help="mm, default %(default)s")
    parser.add_argument("--subjects", type=int, default=38, help="of the study on paper, default %(default)s")
    parser.add_argument("--trainings", type=int, default=15, help="of that study, default %(default)s")
    parser.add_argument("--evidence", default="", help="lines of [evidence], joined by ;")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    timed, console = Timed(), Console(stderr=True)
    with tempfile.TemporaryDirectory() as name, Workers(executor=timed) as workers:
        folder = Path(name)
        people = PhantomSettings(subjects={"control": 3, "RRMS": 3}, voxel_mm=chosen.voxel)
        make_cohort(folder / "cohort", people, timed)
        (folder / "study.toml").write_text(
            STUDY.format(evidence=chosen.evidence.replace(";", "\n")), encoding="utf-8"
        )
        configuration = read_configuration(folder / "study.toml")
        outcome = run_study(configuration, console, workers=workers)
        measure_evidence(configuration, console, workers=workers)
        start = time.process_time()
        refresh_report(outcome.folders, console)
        timed.seconds["report"].append(time.process_time() - start)
        kinds = [read_json(path)["seconds"] for path in folder.glob("study/evidence/*/scans/*_about.json")]
    print(f"{'task':24} {'tasks':>5} {'CPU s each':>10} {'on paper, CPU s':>16}")
    for kind, seconds in timed.seconds.items():
        mean = sum(seconds) / len(seconds)
        print(f"{kind:24} {len(seconds):5} {mean:10.1f} {_on_paper(kind, seconds, chosen):16.0f}")
    total = sum(_on_paper(kind, seconds, chosen) for kind, seconds in timed.seconds.items())
    print(f"{'all':24} {'':16} {total:16.0f}")
    for one in kinds:
        print(", ".join(f"{kind} {seconds:.0f} s" for kind, seconds in one.items()))


def _on_paper(kind: str, seconds: list[float], chosen: argparse.Namespace) -> float:
    """CPU seconds of one kind of task in the larger study."""
    if kind == "Training":
        return sum(seconds) / len(seconds) * chosen.trainings * chosen.subjects / SUBJECTS
    if kind == "report":
        return sum(seconds)
    return sum(seconds) * chosen.subjects / (1 if kind in OF_ONE_SUBJECT else SUBJECTS)


if __name__ == "__main__":
    main()
