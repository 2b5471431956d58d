"""The command that makes figures of a study for publication."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stratacam.cli.options import Results, conclude
from stratacam.errors import InputError


class Format(StrEnum):
    """Of a picture."""

    SVG = "svg"
    PDF = "pdf"
    PNG = "png"


def figure(
    study: Results,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the figure, as --list gives it.")] = "",
    subject: Annotated[
        list[str] | None,
        typer.Option(metavar="SUBJECT", help="Subject or scan to show, such as sub-01; repeat for more."),
    ] = None,
    width: Annotated[
        Literal["85", "180"] | None,
        typer.Option(help="Width in mm: one or two columns of a journal; as in the report if absent."),
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help="Format of the picture; repeat for more; svg if absent."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the files; the study's figures/ if absent."),
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the figures that the study has.")] = False,
) -> None:
    """Make a figure of a study for publication, and the numbers behind it as a table."""
    if not (name or list_all):
        raise InputError(
            f"NAME: none given; expected the name of a figure: list them with `stratacam figure {study} --list`"
        )
    from stratacam.study.folders import study_folders

    folders = study_folders(study)  # before what takes seconds to import
    from stratacam.report.on_demand import list_figures, make_figure

    if list_all:
        table = Table("name", "shows", "--subject", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for row in list_figures(folders):
            table.add_row(*row)
        Console().print(table)
        return
    made = make_figure(
        folders,
        name,
        subject or (),
        width_mm=float(width) if width else None,
        formats=[one.value for one in formats or (Format.SVG,)],
        out=out,
    )
    for file in made:
        conclude(file)
