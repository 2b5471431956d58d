"""The command line: a module for each group of commands."""

import sys

from rich.console import Console

from stratacam.cli import (
    benchmark,
    datasets,
    export,
    figures,
    models,
    scans,
    status,
    store,
    study,
    trackers,
    viewer,
)
from stratacam.cli.options import LEFT_OUT, UNFINISHED, UNUSABLE, app
from stratacam.errors import InputError
from stratacam.files import NOT_WRITABLE
from stratacam.interruption import STOPPED, Interrupted, broken_off_at, interruptible
from stratacam.study.log import of_command

__all__ = [
    "LEFT_OUT",
    "UNFINISHED",
    "UNUSABLE",
    "app",
    "benchmark",
    "datasets",
    "export",
    "figures",
    "main",
    "models",
    "scans",
    "status",
    "store",
    "study",
    "trackers",
    "viewer",
]


COMMANDS = (
    study.run,
    study.demo,
    scans.phantom,
    scans.import_dicom,
    datasets.import_dataset,
    scans.check,
    scans.prepare,
    models.layers,
    models.explain,
    models.predict,
    study.evidence,
    study.audit,
    study.leakage,
    study.permute,
    benchmark.benchmark_truth,
    status.status,
    study.report,
    figures.figure,
    viewer.view,
    export.export,
    trackers.log_to,
)
"""In the order of `--help`."""

for command in COMMANDS:
    app.command()(command)
app.add_typer(store.store, name="store")


LOOKING = ("status", "view")
"""Commands that only look, and leave nothing to go on with when they are stopped."""


def main() -> None:
    """Run the command line; a user's mistake gives one sentence, without a traceback."""
    command = " ".join(sys.argv[1:2])
    words = "" if command in LOOKING else STOPPED
    try:
        with interruptible(words), of_command(), broken_off_at(command):
            app(prog_name="stratacam")  # also as `python -m stratacam`, which no shell could complete
    except InputError as fault:
        _complain(str(fault))
        sys.exit(UNUSABLE)
    except Interrupted as stop:
        if words:
            _complain(str(stop))
        sys.exit(stop.code)
    except OSError as fault:  # such as a disk that fills up
        if fault.errno not in NOT_WRITABLE:
            raise
        place = fault.filename or "a file of the results"
        _complain(
            f"{place}: {fault.strerror}; make room, or give yourself the right to read and write there, and run again"
        )
        sys.exit(UNUSABLE)


def _complain(words: str) -> None:
    Console(stderr=True).print(words, style="red", highlight=False, markup=False, soft_wrap=True)
