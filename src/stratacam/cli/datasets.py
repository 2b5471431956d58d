"""The command that imports open data sets."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stratacam.cli.options import AcceptLeftOut, Sequences, conclude, existing
from stratacam.errors import InputError


def import_dataset(
    layout: Annotated[
        str, typer.Argument(metavar="LAYOUT", help="Layout of the data set: open_ms_data or msseg.")
    ],
    folder: Annotated[Path, existing("FOLDER", "the data set as downloaded, or a part of it")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="BIDS folder to write, new or empty.")],
    sequences: Sequences = None,
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="Group of everybody; that of the layout if absent.")
    ] = None,
    group_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of the data set's own table that holds the group, such as ms_type."
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Take the images as scanned, not those registered to each other.")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Copy files; they are linked to if absent.")] = False,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Write a downloaded open data set as BIDS, with its masks and groups."""
    if group and group_column:
        raise InputError("--group, --group-column: found both; expected one of them: leave one away.")
    from stratacam.scans.cohort.choice import read_sequences
    from stratacam.scans.datasets import find_layout
    from stratacam.scans.datasets import import_dataset as do_import

    console = Console()
    chosen = find_layout(layout)
    result = do_import(
        chosen,
        folder,
        out,
        sequences=read_sequences(sequences),
        group=group,
        group_column=group_column,
        raw=raw,
        copy=copy,
    )
    for one in result.left_out:
        _say(console, f"{one.name} left out: {one.reason}", "yellow")
    for note in result.notes:
        _say(console, note)
    people = {one.label for one in result.taken}
    _say(console, f"{len(people)} people, {len(result.taken)} scans. Please cite:")
    for citation in chosen.citations:
        _say(console, f"  {citation}")
    conclude(out, len(result.left_out), accept_left_out, then=f"Next: stratacam check {out}")


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
