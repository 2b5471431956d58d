"""The benchmark of maps with truth."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stratacam.cli.options import Workers, conclude, existing
from stratacam.errors import InputError


def benchmark_truth(
    prepared: Annotated[Path, existing("PREPARED", "a folder of prepared scans, of two subjects or more")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the benchmark.")],
    lesions: Annotated[
        Path | None,
        existing(
            "FOLDER",
            "a folder of lesion masks (NIfTI) for shapes; synthetic ones if absent",
            option="--lesions",
        ),
    ] = None,
    difference: Annotated[
        str,
        typer.Option(help="Difference of the two classes: shape, place or presence of the targets."),
    ] = "shape",
    architecture: Annotated[
        str | None, typer.Option(help="Network to train; if absent, the default of a study.")
    ] = None,
    brain: Annotated[
        str | None,
        typer.Option(
            help="What networks do with the brain mask: features, pooling or off, as network.brain of a study; if "
            "absent, its default."
        ),
    ] = None,
    relevance: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Weight of heat outside the brain in the loss, as training.relevance of a study; if absent, its "
            "default.",
        ),
    ] = None,
    trained: Annotated[
        int | None,
        typer.Option(min=1, help="Number of blocks to train, the last ones; if absent, as in a study."),
    ] = None,
    networks: Annotated[
        int, typer.Option(min=1, help="Networks of each fold; from two on their consensus is scored too.")
    ] = 1,
    folds: Annotated[int, typer.Option(min=2, help="Maximum number of folds.")] = 5,
    method: Annotated[list[str] | None, typer.Option(help="Method of the maps; repeat for more.")] = None,
    no_smoothgrad: Annotated[
        bool, typer.Option("--no-smoothgrad", help="Leave SmoothGrad out, which runs each slice 16 times.")
    ] = False,
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
    scored: Annotated[
        int,
        typer.Option(min=1, help="Maximum number of slices of each scan and class whose maps are scored."),
    ] = 40,
    shuffled: Annotated[
        bool,
        typer.Option(
            "--shuffled", help="A control: swap classes at random, so that there is nothing to learn."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    workers: Workers = 0,
) -> None:
    """Plant targets and decoys, train networks to classify targets, and measure which maps find these alone."""
    if size % 32:
        raise InputError(
            f"--size: found {size}; expected a multiple of 32: choose the next, {size + -size % 32}."
        )
    from stratacam.evidence.planting.plant import CLASSES
    from stratacam.maps import LAYER_METHODS
    from stratacam.networks import ARCHITECTURES, BRAIN_USES
    from stratacam.report import draw_benchmark
    from stratacam.study.execution import RunSettings
    from stratacam.study.execution import Workers as Pool
    from stratacam.study.truth_benchmark import BenchmarkSettings, run_benchmark

    methods = tuple(method or BenchmarkSettings.methods)
    architecture = architecture or BenchmarkSettings.architecture
    brain = brain or BenchmarkSettings.brain
    allowed = {
        "--difference": ((difference,), tuple(CLASSES)),
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
    settings = BenchmarkSettings(
        difference=next(one for one in CLASSES if one == difference),
        architecture=architecture,
        brain=next(one for one in BRAIN_USES if one == brain),
        relevance=BenchmarkSettings.relevance if relevance is None else relevance,
        trained=trained,
        networks=networks,
        folds=folds,
        methods=methods,
        smoothgrad=not no_smoothgrad,
        size=size,
        width_mm=width_mm,
        every=every,
        area=area,
        lesions=targets,
        copies=copies,
        shuffled=shuffled,
        epochs=epochs,
        scored=scored,
        seed=seed,
    )
    console = Console()
    with Pool(RunSettings(workers=workers)) as pool:
        found = run_benchmark(prepared, out, settings, lesions=lesions, console=console, workers=pool)
    draw_benchmark(out, found.tables, found.picked, found.examples)
    console.print(found.content["verdict"], highlight=False, markup=False, soft_wrap=True)
    conclude(out / "benchmark.json")
