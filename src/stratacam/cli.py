"""The command line."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stratacam.errors import InputError
from stratacam.files import NOT_WRITABLE
from stratacam.interruption import Interrupted, broken_off_at, interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stratacam.scans.phantom import PhantomSettings

LEFT_OUT = 3
"""Exit code when everything else was done, but scans were left out."""

UNUSABLE = 2
"""Exit code when nothing can be done with what the user gave."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()

AcceptLeftOut = Annotated[
    bool, typer.Option("--accept-left-out", help="Exit with 0 even if scans had to be left out.")
]
AcceptDifferences = Annotated[
    bool,
    typer.Option("--accept-differences", help="Use scans that were prepared otherwise than the model's."),
]
StudyFile = Annotated[Path, typer.Argument(help="The study's TOML file.")]
Network = Annotated[
    str | None,
    typer.Option(help="Function that makes the model's network, if it is your own: file.py:function."),
]
Workers = Annotated[int, typer.Option(min=0, help="Processes for work on single scans; 0: one per core.")]

Sequences = Annotated[
    str | None,
    typer.Option(
        help="Sequences that every scan must have, T1w among them, such as T1w,FLAIR; all three if absent."
    ),
]
Choose = Annotated[
    list[str] | None,
    typer.Option(
        help="BIDS entities that the file of a sequence must have, such as acq-mprage_T1w, or of every sequence, such "
        "as run-2; repeat for more."
    ),
]


class Group(StrEnum):
    """Groups of the synthetic cohort."""

    CONTROL = "control"
    RRMS = "RRMS"
    SPMS = "SPMS"


class PlaneName(StrEnum):
    """Planes of slices."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


class ScalingName(StrEnum):
    """What intensities are scaled by."""

    WHITE_MATTER = "white_matter"
    PERCENTILES = "percentiles"
    Z_SCORE = "z_score"


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


@app.command()
def run(
    study: StudyFile,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Run a whole study: prepare, train, evaluate, explain, report. Does only what is not done yet."""
    from stratacam.report import write_report
    from stratacam.study.configuration import read_configuration
    from stratacam.study.run import run_study

    configuration = read_configuration(study)
    outcome = run_study(configuration, console, write_report)
    _conclude(outcome.report, len(outcome.left_out), accept_left_out or configuration.run.accept_left_out)


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder of the demonstration.")] = Path("demo"),
    subjects: Annotated[int, typer.Option(min=3, help="Subjects in each of the three groups.")] = 10,
    voxel_mm: Annotated[
        float, typer.Option("--voxel", min=0.7, max=5, help="Voxel size of the scans in mm.")
    ] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the cohort and the study.")] = 0,
) -> None:
    """Make a synthetic cohort and run the whole study on it."""
    from stratacam.report import write_report
    from stratacam.study.demo import run_demo

    outcome = run_demo(
        out, _phantom_settings(dict.fromkeys(Group, subjects), voxel_mm, None, seed), console, write_report
    )
    _conclude(outcome.report, len(outcome.left_out), accepted=False)


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder of the cohort (BIDS).")],
    controls: Annotated[int, typer.Option(min=0, help="Healthy controls.")] = 8,
    rrms: Annotated[int, typer.Option(min=0, help="People with relapsing-remitting MS.")] = 8,
    spms: Annotated[int, typer.Option(min=0, help="People with secondary progressive MS.")] = 8,
    voxel_mm: Annotated[float, typer.Option("--voxel", min=0.7, max=5, help="Voxel size in mm.")] = 2.0,
    thick_mm: Annotated[
        float | None,
        typer.Option(
            "--thick", min=1, max=8, help="Slice thickness of T2w and FLAIR in mm; isotropic if absent."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    workers: Workers = 0,
) -> None:
    """Make a synthetic cohort of brain MRI with known lesions."""
    from stratacam.study.demo import make_phantom

    counts = {Group.CONTROL: controls, Group.RRMS: rrms, Group.SPMS: spms}
    settings = _phantom_settings(counts, voxel_mm, thick_mm, seed)
    make_phantom(out, settings, workers=workers, console=console)
    _conclude(out, 0, accepted=False)


@app.command("import-dicom")
def import_dicom(
    folder: Annotated[Path, typer.Argument(help="Folder of DICOM files, under any names.")],
    out: Annotated[Path, typer.Argument(help="BIDS folder to write, new or from an earlier import.")],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="TOML file with rules, labels and groups; built-in rules if absent."),
    ] = None,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Sort DICOM series into T1w, T2w and FLAIR by their headers and write them as BIDS, without names."""
    from stratacam.scans.dicom import import_dicom, print_import

    result = import_dicom(folder, out, map_file)
    print_import(result, console)
    if not any((out / f"sub-{label}").is_dir() for label in result.labels.values()):
        raise InputError(
            f"{folder}: nothing could be imported; see above why, and docs/dicom.md for what --map can change."
        )
    _conclude(out, result.left_out, accept_left_out)


@app.command()
def check(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="BIDS folder, or table (.csv, .tsv), of the scans as delivered."
        ),
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the report to this file too.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A study's TOML file: check what that study wants of the cohort.")
    ] = None,
    sequences: Sequences = None,
    choose: Choose = None,
    workers: Workers = 0,
) -> None:
    """Say what a cohort holds and whether it can be used, without computing anything on it.

    Exit code 0: sound; 3: some scans cannot be used, or an image is there twice; 2: no study can be run on the cohort,
    or one image is there under two subjects.
    """
    from stratacam.files import check_apart, check_writable, write_json
    from stratacam.scans.cohort.choice import read_choices, read_sequences
    from stratacam.scans.cohort.sources import input_places
    from stratacam.study.checking import as_json, check_cohort, show
    from stratacam.study.configuration import CohortSettings, read_configuration

    study = read_configuration(config) if config else None
    cohort = study.cohort if study else CohortSettings(input=source)
    wanted = read_sequences(sequences) if sequences else cohort.sequences
    chosen = read_choices(choose, wanted) if choose else cohort.choose
    cohort = cohort.model_copy(update={"input": source, "sequences": wanted, "choose": chosen})
    study = study.model_copy(update={"cohort": cohort}) if study else None
    if json_file:
        check_apart(input_places(source), json_file)
        check_writable(json_file.parent)
    report = check_cohort(cohort, study, workers=workers, console=console)
    show(report, source, console)
    if json_file:
        write_json(json_file, as_json(report, source))
    if not report.complete:
        sys.exit(LEFT_OUT if report.usable else UNUSABLE)
    if report.subjects:
        console.print("Sound: every scan can be used, and a study can be run on them.", highlight=False)
    else:
        console.print(
            "Every scan can be prepared; no study can be run on them, as none has a group.", highlight=False
        )


@app.command()
def prepare(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="BIDS folder, or table (.csv, .tsv), of the scans as delivered."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder of the prepared scans (BIDS derivatives).")],
    grid_mm: Annotated[
        float | None,
        typer.Option(
            "--grid", min=0.3, max=10, help="Isotropic voxels of this size in mm; the T1w's grid if absent."
        ),
    ] = None,
    plane: Annotated[PlaneName, typer.Option(help="Plane of the slices.")] = PlaneName.AXIAL,
    intensity: Annotated[
        ScalingName, typer.Option(help="What intensities are scaled by.")
    ] = ScalingName.WHITE_MATTER,
    sequences: Sequences = None,
    choose: Choose = None,
    workers: Workers = 0,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Register, correct, mask and normalise every scan of a cohort."""
    from stratacam.scans.cohort.choice import read_choices, read_sequences
    from stratacam.scans.prepare import PrepareSettings
    from stratacam.study.alone import prepare_folder

    settings = PrepareSettings(
        grid="T1w" if grid_mm is None else grid_mm, plane=plane.value, intensity=intensity.value
    )
    wanted = read_sequences(sequences)
    _, left_out = prepare_folder(
        source,
        out,
        settings,
        sequences=wanted,
        choose=read_choices(choose or (), wanted),
        workers=workers,
        console=console,
    )
    _conclude(out, len(left_out), accept_left_out)


@app.command()
def layers(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    network: Annotated[
        str | None,
        typer.Option(help="The model's network, needed if it is your own, such as my_networks.py:make."),
    ] = None,
) -> None:
    """List the layers of a trained model: name, shape, stride, receptive field, parameters."""
    import torch

    from stratacam.cam import list_layers
    from stratacam.networks import load_model

    trained, card = load_model(model, network)
    height, width = card.input.get("shape") or [card.input["size"]] * 2
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("layer", no_wrap=True, overflow="ignore")  # names are given to --layer
    for title in ("kind", "channels", "size", "stride", "receptive field", "parameters"):
        table.add_column(title)
    for layer in list_layers(trained, torch.zeros(1, card.channels, height, width)):
        field = layer.receptive_field or ()
        table.add_row(
            layer.name,
            layer.kind,
            str(layer.shape[0]),
            " x ".join(map(str, layer.shape[1:])),
            str(layer.stride[0]),
            " x ".join(map(str, field)),
            f"{layer.parameters:,}",
        )
    console.print(f"{card.architecture}, classes {', '.join(card.classes)}, input {height} x {width}")
    console.print(table)


@app.command()
def explain(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    prepared: Annotated[Path, typer.Argument(help="Folder of prepared scans.")],
    out: Annotated[Path, typer.Argument(help="Folder of the maps (BIDS derivatives).")],
    subject: Annotated[
        list[str] | None,
        typer.Option(help="A subject or scan such as sub-01; repeat for more; all if absent."),
    ] = None,
    target: Annotated[str, typer.Option(help="Class to explain, predicted, or all.")] = "predicted",
    method: Annotated[str, typer.Option(help="Method, such as gradcam, layercam, hirescam.")] = "gradcam",
    smooth: Annotated[int, typer.Option(min=0, help="Noisy copies to average over; 0: none.")] = 0,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Layer or pattern to write as NIfTI; repeat for more."),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Explain every n-th kept slice.")] = 1,
    sequence: Annotated[
        str | None, typer.Option(help="The sequence to explain, for models that see one at a time.")
    ] = None,
    accept_differences: AcceptDifferences = False,
    network: Network = None,
    workers: Workers = 0,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Maps of every layer for prepared scans, on the prepared grid and on the scan as delivered."""
    from stratacam.maps import LAYER_METHODS, ExplainSettings
    from stratacam.report import write_strips
    from stratacam.study.alone import explain_folder

    if method not in LAYER_METHODS:
        raise InputError(f"--method: {method!r} is not known; choose one of {', '.join(LAYER_METHODS)}.")
    settings = ExplainSettings(
        target=target,
        sequence=sequence,
        method=method,
        smooth=smooth,
        every=every,
        nifti_layers=tuple(layer) if layer else None,
    )
    named = {"target": "--target", "sequence": "--sequence", "nifti_layers": "--layer"}
    with _as_options({f"explain.{setting}": option for setting, option in named.items()}):
        names, left_out = explain_folder(
            model,
            prepared,
            out,
            settings,
            names=subject or [],
            accept_differences=accept_differences,
            network=network,
            workers=workers,
            console=console,
        )
    for picture in write_strips(model, prepared, out, names):
        console.print(f"Picture: {picture}", highlight=False, soft_wrap=True)
    _conclude(out, len(left_out), accept_left_out)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="Prepared scans; or a BIDS folder or table of scans as delivered, to prepare first.",
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder of the tables of predictions.")],
    accept_differences: AcceptDifferences = False,
    network: Network = None,
    workers: Workers = 0,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Classify new scans with a trained model. For research only, not for diagnosis."""
    from stratacam.study.predicting import predict_folder

    _, left_out = predict_folder(
        model,
        source,
        out,
        accept_differences=accept_differences,
        network=network,
        workers=workers,
        console=console,
    )
    _conclude(out / "predictions.tsv", len(left_out), accept_left_out)


@app.command()
def leakage(
    study: StudyFile,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind.")] = 3,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Measure what slices of one person on both sides do: by subject and by slice, true and shuffled groups."""
    from stratacam.report import write_report
    from stratacam.study.configuration import read_configuration
    from stratacam.study.leakage import measure_leakage

    configuration = read_configuration(study)
    result, left_out = measure_leakage(configuration, console, seeds=seeds, write_report=write_report)
    _conclude(result, len(left_out), accept_left_out or configuration.run.accept_left_out)


@app.command()
def evidence(
    study: StudyFile,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Measure which layers' maps are to be believed, in a study that has been run."""
    from stratacam.report import write_report
    from stratacam.study.configuration import read_configuration
    from stratacam.study.steps.evidence import measure_evidence

    configuration = read_configuration(study)
    result, left_out = measure_evidence(configuration, console, write_report=write_report)
    _conclude(result, len(left_out), accept_left_out or configuration.run.accept_left_out)


@app.command()
def benchmark_truth(
    prepared: Annotated[Path, typer.Argument(help="Folder of prepared scans, of two subjects or more.")],
    out: Annotated[Path, typer.Argument(help="Folder of the benchmark.")],
    lesions: Annotated[
        Path | None, typer.Option(help="Folder of lesion masks (NIfTI) for shapes; synthetic ones if absent.")
    ] = None,
    difference: Annotated[
        str, typer.Option(help="What tells the two classes apart: shape or place.")
    ] = "shape",
    architecture: Annotated[
        str | None, typer.Option(help="The network; that of a study by default if absent.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Method for maps of layers; repeat for more.")
    ] = None,
    size: Annotated[int, typer.Option(min=32, help="Pixels of a picture, a multiple of 32.")] = 128,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th kept slice.")] = 2,
    area: Annotated[int, typer.Option(min=9, help="Pixels of a lesion.")] = 40,
    copies: Annotated[int, typer.Option(min=1, help="Plantings into each slice, in each class.")] = 4,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training slices.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
) -> None:
    """Plant lesions, train a network to tell their classes apart, and see which maps find them."""
    from stratacam.maps import LAYER_METHODS
    from stratacam.networks import ARCHITECTURES, DEFAULT_ARCHITECTURE
    from stratacam.report import draw_benchmark
    from stratacam.study.truth_benchmark import BenchmarkSettings, run_benchmark

    methods = tuple(method or BenchmarkSettings.methods)
    architecture = architecture or DEFAULT_ARCHITECTURE
    allowed = {
        "--difference": ((difference,), ("shape", "place")),
        "--architecture": ((architecture,), tuple(ARCHITECTURES)),
        "--method": (methods, LAYER_METHODS),
    }
    for option, (given, known) in allowed.items():
        for value in given:
            if value not in known:
                raise InputError(f"{option}: {value!r} is not known; choose one of {', '.join(known)}.")
    if size % 32:
        raise InputError(f"--size: found {size}, expected a multiple of 32.")
    settings = BenchmarkSettings(
        difference="shape" if difference == "shape" else "place",
        architecture=architecture,
        methods=methods,
        size=size,
        every=every,
        area=area,
        copies=copies,
        epochs=epochs,
        seed=seed,
    )
    found = run_benchmark(prepared, out, settings, lesions=lesions, console=console, draw=draw_benchmark)
    console.print(found["verdict"], highlight=False)
    _conclude(out / "benchmark.json", 0, accepted=True)


@app.command()
def report(
    study: Annotated[Path, typer.Argument(help="Folder of a study that has been run.")],
) -> None:
    """Write the report of a finished study."""
    from stratacam.report import write_report
    from stratacam.study.run import study_folders

    console.print(f"Report: {write_report(study_folders(study))}", highlight=False)


def main() -> None:
    """Run the command line; a user's mistake is told in a sentence, without a traceback."""
    try:
        with interruptible(), broken_off_at(" ".join(sys.argv[1:2])):
            app()
    except InputError as fault:
        _complain(str(fault))
        sys.exit(UNUSABLE)
    except Interrupted as stop:
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


def _phantom_settings(
    counts: dict[Group, int], voxel_mm: float, thick_mm: float | None, seed: int
) -> PhantomSettings:
    from stratacam.scans.phantom import PhantomSettings

    if not any(counts.values()):
        raise InputError("--controls, --rrms, --spms: found 0 in each; expected a subject: ask for one.")
    return PhantomSettings(
        subjects={str(group): count for group, count in counts.items()},
        voxel_mm=voxel_mm,
        thick_slices_mm=thick_mm,
        seed=seed,
    )


@contextmanager
def _as_options(names: Mapping[str, str]) -> Iterator[None]:
    """Within this, errors name the option in place of the setting; `names` leads from one to the other."""
    try:
        yield
    except InputError as fault:
        text = str(fault)
        for setting, option in names.items():
            text = text.replace(f"{setting}:", f"{option}:")
        raise InputError(text) from fault


def _conclude(result: Path, left_out: int, accepted: bool) -> None:
    """Say where the result is; exit with `LEFT_OUT` if scans were left out and that is not accepted."""
    console.print(f"Done: {result}", highlight=False, soft_wrap=True)
    if left_out:
        console.print(f"{left_out} left out, see above.", style="yellow", highlight=False)
        if not accepted:
            sys.exit(LEFT_OUT)
