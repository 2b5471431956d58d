"""The viewer of a finished study."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stratacam.cli.options import Results, conclude, existing
from stratacam.errors import InputError


def view(
    study: Results,
    page: Annotated[
        Path | None, typer.Argument(metavar="PAGE", help="With --export: the HTML file to write.")
    ] = None,
    maps: Annotated[
        list[Path] | None,
        existing(
            "FOLDER",
            "a folder of further maps of the study's scans, as `explain` writes them; repeat for more",
            option="--maps",
        ),
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(
            metavar="SCAN",
            help="Write one scan, such as sub-01, as a single file that opens without a server.",
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="What the scan is called in that file; a neutral word if absent.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; another than this machine's own needs --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0: any that is free.")] = 0,
    token: Annotated[
        str | None, typer.Option(help="Token that every request must name; a random one if absent.")
    ] = None,
) -> None:
    """Look at the maps of a finished study in a web browser, or write one scan as a single file to send."""
    if (export is None) != (page is None):
        raise InputError(
            "--export: expected with it the file to write, such as `--export sub-01 page.html`; give both."
        )
    from stratacam.study.folders import study_folders

    folders = study_folders(study)  # before what takes seconds to import
    from stratacam.viewer import open_viewed, serve, write_page
    from stratacam.viewer.built import read_built_page
    from stratacam.viewer.single_file import LABEL

    built, console = read_built_page(), Console()
    viewed = open_viewed(folders, maps or ())
    if export is None or page is None:
        serve(viewed, built, console, host=host, port=port, token=token)
        return
    for words in write_page(viewed, built, export, page, label=LABEL if label is None else label).left_out:
        console.print(f"No room for {words}.", highlight=False, markup=False, soft_wrap=True)
    conclude(page)
