"""What the commands share: the application, options, exit codes, and how a command ends."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from stratacam.errors import InputError

LEFT_OUT = 3
"""Exit code when everything else was done, but scans were left out."""

UNUSABLE = 2
"""Exit code when nothing can be done with what the user gave."""

UNFINISHED = 4
"""Exit code of `stratacam status` where no run is at work, and the last did not come to its end."""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def existing(
    metavar: str, what: str, kind: Literal["folder", "file", "folder or file"] = "folder", option: str = ""
) -> Any:  # noqa: ANN401 - as typer's own
    """An argument, or option, for what is read: it is missed before the libraries of the command are imported.

    Args:
        metavar: its name in the help.
        what: is expected, with an article, for the help and for the error.
        kind: of what is expected.
        option: such as --map; an argument if absent.
    """

    def check(found: Path | Sequence[Path] | None) -> Path | Sequence[Path] | None:
        for path in [found] if isinstance(found, Path) else found or ():
            here = "folder" if path.is_dir() else "file" if path.exists() else ""
            if here not in kind.split(" or "):
                place = f"{option}: {path}" if option else path
                fault = f"is a {here}" if here else f"no such {kind}"
                raise InputError(f"{place}: {fault}; expected {what}: correct the path.")
        return found

    words = f"{what[0].upper()}{what[1:]}."
    if option:
        return typer.Option(option, metavar=metavar, help=words, callback=check)
    return typer.Argument(metavar=metavar, help=words, callback=check)


AcceptLeftOut = Annotated[
    bool, typer.Option("--accept-left-out", help="Exit with 0 even if scans had to be left out.")
]
AcceptDifferences = Annotated[
    bool,
    typer.Option(
        "--accept-differences", help="Use scans although they were prepared differently from the model's."
    ),
]
Force = Annotated[
    list[str] | None,
    typer.Option(
        "--force",
        metavar="STEP",
        help="Run a step again, such as train or explain, and all that read its results; repeat for more.",
    ),
]
Here = Annotated[
    bool,
    typer.Option(
        "--here", help="Use processes of this machine, whatever run.on says, as a job of an array does."
    ),
]
StudyFile = Annotated[Path, existing("STUDY", "the study's TOML file", "file")]
Model = Annotated[Path, existing("MODEL", "the folder of a trained model")]
Network = Annotated[
    str | None,
    typer.Option(
        metavar="FILE:FUNCTION",
        help="Function that makes a custom network, such as my_networks.py:make; needed if the model has one.",
    ),
]
Workers = Annotated[
    int, typer.Option(min=0, help="Number of processes for work on single scans; 0: one per core.")
]
Results = Annotated[Path, existing("RESULTS", "the folder of a study that has been run")]
Source = Annotated[
    Path,
    existing("INPUT", "a BIDS folder, or table (.csv, .tsv), of the scans as delivered", "folder or file"),
]
Sequences = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Sequences that every scan must have, T1w among them, such as T1w,FLAIR; T1w, T2w and FLAIR if absent.",
    ),
]
Choose = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ENTITIES",
        help="BIDS entities that the file of a sequence must have, such as acq-mprage_T1w, or of every sequence, such "
        "as run-2; repeat for more.",
    ),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stratacam {version('stratacam')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Train honest classifiers on brain MRI, and see what every layer of the network looked at."""


@contextmanager
def as_options(names: Mapping[str, str]) -> Iterator[None]:
    """Within this, errors name the option in place of the setting; `names` leads from one to the other."""
    try:
        yield
    except InputError as fault:
        text = str(fault)
        for setting, option in names.items():
            text = text.replace(f"{setting}:", f"{option}:")
        raise InputError(text) from fault


def conclude(result: Path | str, left_out: int = 0, accepted: bool = False, then: str = "") -> None:
    """Say where the result is, and `then` what to do; exit with `LEFT_OUT` if scans were, and that is not accepted."""
    console = Console()
    console.print(f"Done: {result}", highlight=False, markup=False, soft_wrap=True)
    if then:
        console.print(then, highlight=False, markup=False, soft_wrap=True)
    if left_out:
        console.print(f"{left_out} left out, see above.", style="yellow", highlight=False)
        if not accepted:
            sys.exit(LEFT_OUT)
