"""Stores of maps: what they hold, whether they are whole, and copies of them."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stratacam.cli.options import LEFT_OUT

if TYPE_CHECKING:
    from stratacam.maps.store import StoredMaps

store = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Stores of maps: list, check and copy them, in folders and at URLs.",
)

Row = dict[str, str]

OF_PROGRAMS = ("networks", "store")
"""Columns that a terminal has no room for."""

Place = Annotated[
    str,
    typer.Argument(
        metavar="PLACE",
        help="A store (.zarr), a folder of maps, or the folder of a study; or the URL of one, such as "
        "s3://bucket/study (extra cloud).",
    ),
]


@store.command("ls")
def list_(
    place: Place,
    layers: Annotated[
        bool, typer.Option("--layers", help="A line for every layer in place of every store.")
    ] = False,
) -> None:
    """List stores of maps: what is in them, their type, their size, and how far they are compressed."""
    from stratacam.errors import InputError
    from stratacam.maps.store import list_store, stores_at

    stores, damaged = [], []
    for one in stores_at(place):
        try:
            stores.append(list_store(one))
        except InputError as fault:
            damaged.append(str(fault))
    _show(_by_layer(stores) if layers else _by_store(stores))
    _conclude(damaged)


@store.command()
def check(
    place: Place,
    quick: Annotated[
        bool, typer.Option("--quick", help="Compare names and sizes of files alone, without reading maps.")
    ] = False,
) -> None:
    """Check that stores of maps are as they were written: every file, every chunk, every attribute.

    Exits with 3 if one is not, and names what is damaged.
    """
    from stratacam.maps.store import check_store, stores_at

    stores = stores_at(place)
    damaged = [f"{one}: {fault}" for one in stores for fault in check_store(one, quick=quick)]
    whole = len(stores) - len({line.partition(".zarr:")[0] for line in damaged})
    _say(f"{whole} of {len(stores)} stores are as they were written.")
    _conclude(damaged)


@store.command()
def copy(
    source: Place,
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A folder, or a URL, to which they are copied.")
    ],
    remove: Annotated[
        bool,
        typer.Option(
            "--remove",
            help="Remove maps at the target that are not at the source, such as those of people who left the study.",
        ),
    ] = False,
) -> None:
    """Copy maps to a folder or a URL, or from there: each store whole or not at all, and none that is there already.

    Exits with 3 if a store is damaged; it is named and not copied, but the others are.
    """
    from stratacam.maps.store import copy_maps, others_at, remove_stores

    done = list(copy_maps(source, target))
    damaged = [one.fault for one in done if one.fault]
    copied = sum(one.copied for one in done)
    _say(f"Copied {copied} stores to {target}; {len(done) - copied - len(damaged)} were there.")
    if others := others_at(source, target):
        if remove:
            remove_stores(target, others)
        then = "removed." if remove else "remove them with --remove."
        _say(f"At {target}, but not at {source}: {', '.join(others)}; {then}", "yellow")
    _conclude(damaged)


def _by_store(stores: "list[StoredMaps]") -> list[Row]:
    """A row a store, and their sum."""
    rows = [
        {
            "scan": one.name,
            "method": one.method,
            "networks": str(one.networks),
            "classes": ",".join(one.classes),
            "layers": str(len(one.layers)),
            "type": ",".join(sorted({array.dtype for array in one.layers})),
            "files": str(one.files),
            "bytes": str(one.bytes),
            "ratio": f"{one.raw_bytes / one.bytes:.2f}",
            "error": f"{max(array.error for array in one.layers):.1e}",
            "store": str(one.place),
        }
        for one in stores
    ]
    if not rows:
        return []
    files, size, raw = (sum(getattr(one, name) for one in stores) for name in ("files", "bytes", "raw_bytes"))
    total = {"scan": "total", "files": str(files), "bytes": str(size), "ratio": f"{raw / size:.2f}"}
    return [*rows, {**dict.fromkeys(rows[0], ""), **total}]


def _by_layer(stores: "list[StoredMaps]") -> list[Row]:
    """A row for each array of each store."""
    return [
        {
            "scan": one.name,
            "method": one.method,
            "array": array.name,
            "shape": "x".join(map(str, array.shape)),
            "type": array.dtype,
            "bytes": str(array.bytes),
            "ratio": f"{array.raw_bytes / array.bytes:.2f}",
            "error": f"{array.error:.1e}",
        }
        for one in stores
        for array in one.arrays
    ]


def _show(rows: list[Row]) -> None:
    """A table on a terminal; elsewhere every column, separated by tabs, for other programs."""
    console = Console()
    if not rows:
        return
    if not console.is_terminal:
        typer.echo("\n".join("\t".join(row) for row in (rows[0], *(row.values() for row in rows))))
        return
    columns = [name for name in rows[0] if name not in OF_PROGRAMS]
    table = Table(*columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    console.print(table)


def _say(words: str, style: str = "none") -> None:
    Console(stderr=style != "none").print(words, style=style, highlight=False, markup=False, soft_wrap=True)


def _conclude(damaged: list[str]) -> None:
    """Name what is damaged, and exit with `LEFT_OUT` if anything is."""
    for words in damaged:
        _say(words, "red")
    if damaged:
        sys.exit(LEFT_OUT)
