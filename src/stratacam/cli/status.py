"""The command that shows how far a study is."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from stratacam.cli.options import LEFT_OUT, UNFINISHED
from stratacam.errors import InputError
from stratacam.files import read_toml

if TYPE_CHECKING:
    from stratacam.study.status import Look, StudyState

EVERY_S = 2.0
"""Seconds between two looks in a terminal."""

EVERY_LINE_S = 60.0
"""Seconds between two looks that are written one below the other."""


def status(
    study: Annotated[
        Path,
        typer.Argument(metavar="STUDY", help="The folder of a study's results, or its TOML file."),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", help="Look again and again, until no run is at work.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for programs.")] = False,
) -> None:
    """Show how far a study is, while it runs or after: done, running, waiting, failed, and the time left."""
    from stratacam.study.folders import StudyFolders
    from stratacam.study.status import Look

    folder = _results_of(study)
    look = Look(StudyFolders(folder))
    state = look.now()
    if state.state == "never run" and folder.is_dir() and not look.folders.records.is_dir():
        raise InputError(
            f"{folder}: holds no study; expected the folder `out` of one, or its TOML file: correct the path."
        )
    show = _print_json if as_json else _show
    state = show(look, state, follow=follow)
    if state.state not in ("at work", "done"):
        sys.exit(UNFINISHED)
    if state.left_out or any(step.failed for step in state.steps):
        sys.exit(LEFT_OUT)


def _results_of(study: Path) -> Path:
    """The folder of a study's results, which its TOML file names, and which a run may still have to make."""
    if study.is_dir() or (not study.exists() and study.parent.is_dir() and study.suffix != ".toml"):
        return study
    if not study.is_file():
        raise InputError(
            f"{study}: no such folder or file; expected the folder of a study's results, or its TOML file: correct "
            "the path."
        )
    out = read_toml(study, "give a study's TOML file").get("out")
    if not isinstance(out, str):
        raise InputError(f"{study}: names no folder `out`; expected a study's TOML file: correct the path.")
    return (study.parent / Path(out).expanduser()).resolve()


def _print_json(look: "Look", state: "StudyState", *, follow: bool) -> "StudyState":
    """Print the state; with `follow` as a line for each look."""
    if not follow:
        typer.echo(json.dumps(state.as_json(), indent=2))
        return state
    while True:
        typer.echo(json.dumps(state.as_json()))
        if state.state != "at work":
            return state
        time.sleep(EVERY_S)
        state = look.now()


def _show(look: "Look", state: "StudyState", *, follow: bool) -> "StudyState":
    from rich.live import Live

    from stratacam.study.status.words import status_of

    console = Console()
    if not (follow and console.is_terminal):
        console.print(status_of(state), highlight=False)
        while follow and state.state == "at work":
            time.sleep(EVERY_LINE_S)
            state = look.now()
            console.print("", status_of(state), highlight=False)
        return state
    with Live(status_of(state), console=console, auto_refresh=False) as live:
        while state.state == "at work":
            time.sleep(EVERY_S)
            state = look.now()
            live.update(status_of(state), refresh=True)
    return state
