"""The benchmark of maps with truth."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stratacam.cli.options import conclude
from stratacam.errors import InputError


def benchmark_truth(
    prepared: Annotated[
        Path, typer.Argument(metavar="PREPARED", help="Folder of prepared scans, of two subjects or more.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the benchmark.")],
    lesions: Annotated[
        Path | None, typer.Option(help="Folder of lesion masks (NIfTI) for shapes; synthetic ones if absent.")
    ] = None,
    difference: Annotated[
        str, typer.Option(help="Difference of the two classes: shape or place of the targets.")
    ] = "shape",
    architecture: Annotated[
        str | None, typer.Option(help="Network to train; if absent, the default of a study.")
    ] = None,
    brain: Annotated[
        str,
        typer.Option(
            help="What the network does with the brain mask: features, pooling or off, as network.brain of a study."
        ),
    ] = "off",
    method: Annotated[list[str] | None, typer.Option(help="Method of the maps; repeat for more.")] = None,
    size: Annotated[
        int, typer.Option(min=32, help="Pixels along the longer side of a picture, a multiple of 32.")
    ] = 128,
    width_mm: Annotated[
        float | None,
        typer.Option(
            help="Width of square pictures in mm, such as 208; if absent, they are cut to the brain."
        ),
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, help="Step between the slices: 2 takes every other kept slice.")
    ] = 2,
    area: Annotated[int, typer.Option(min=16, help="Pixels of a lesion.")] = 40,
    targets: Annotated[int, typer.Option(min=1, help="Targets in a slice, and as many decoys.")] = 3,
    copies: Annotated[
        int, typer.Option(min=1, help="Copies of each slice with other lesions, in each class.")
    ] = 4,
    epochs: Annotated[int, typer.Option(min=1, help="Number of passes over the training slices.")] = 12,
    shuffled: Annotated[
        bool,
        typer.Option(
            "--shuffled", help="A control: swap classes at random, so that there is nothing to learn."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
) -> None:
    """Plant targets and decoys, train a network to classify targets, and measure which maps find these alone."""
    from stratacam.maps import LAYER_METHODS
    from stratacam.networks import ARCHITECTURES, BRAIN_USES, DEFAULT_ARCHITECTURE
    from stratacam.report import draw_benchmark
    from stratacam.study.truth_benchmark import BenchmarkSettings, run_benchmark

    methods = tuple(method or BenchmarkSettings.methods)
    architecture = architecture or DEFAULT_ARCHITECTURE
    allowed = {
        "--difference": ((difference,), ("shape", "place")),
        "--architecture": ((architecture,), tuple(ARCHITECTURES)),
        "--brain": ((brain,), BRAIN_USES),
        "--method": (methods, LAYER_METHODS),
    }
    for option, (given, known) in allowed.items():
        for value in given:
            if value not in known:
                raise InputError(
                    f"{option}: found {value!r}; expected one of {', '.join(known)}: choose one."
                )
    if size % 32:
        raise InputError(
            f"--size: found {size}; expected a multiple of 32: choose the next, {size + -size % 32}."
        )
    settings = BenchmarkSettings(
        difference="shape" if difference == "shape" else "place",
        architecture=architecture,
        brain=next(one for one in BRAIN_USES if one == brain),
        methods=methods,
        size=size,
        width_mm=width_mm,
        every=every,
        area=area,
        lesions=targets,
        copies=copies,
        shuffled=shuffled,
        epochs=epochs,
        seed=seed,
    )
    console = Console()
    found = run_benchmark(prepared, out, settings, lesions=lesions, console=console)
    draw_benchmark(out, found.tables, found.examples)
    console.print(found.content["verdict"], highlight=False)
    conclude(out / "benchmark.json")
