"""Commands on scans."""

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stratacam.cli.options import (
    LEFT_OUT,
    UNUSABLE,
    AcceptLeftOut,
    Choose,
    Sequences,
    Source,
    Workers,
    conclude,
    existing,
)
from stratacam.errors import InputError


class PlaneName(StrEnum):
    """Planes of slices."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


class ScalingName(StrEnum):
    """Scaling of the intensities."""

    WHITE_MATTER = "white_matter"
    PERCENTILES = "percentiles"
    Z_SCORE = "z_score"


def phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the cohort (BIDS).")],
    controls: Annotated[int, typer.Option(min=0, help="Number of healthy controls.")] = 8,
    rrms: Annotated[int, typer.Option(min=0, help="Number of people with relapsing-remitting MS.")] = 8,
    spms: Annotated[int, typer.Option(min=0, help="Number of people with secondary progressive MS.")] = 8,
    voxel_mm: Annotated[float, typer.Option("--voxel", min=0.7, max=5, help="Voxel size in mm.")] = 2.0,
    thick_mm: Annotated[
        float | None,
        typer.Option(
            "--thick", min=1, max=8, help="Slice thickness of all but the T1w in mm; isotropic if absent."
        ),
    ] = None,
    sequences: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Sequences, T1w among them; T1w,T2w,FLAIR if absent."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the cohort: the same seed gives the same bytes.")
    ] = 0,
    workers: Workers = 0,
) -> None:
    """Make a synthetic cohort of brain MRI with known lesions."""
    from pydantic import ValidationError

    from stratacam.scans.cohort.choice import read_sequences
    from stratacam.scans.phantom import PhantomSettings
    from stratacam.study.demo import make_phantom
    from stratacam.study.execution import RunSettings
    from stratacam.study.execution import Workers as Pool

    counts = {"control": controls, "RRMS": rrms, "SPMS": spms}
    if not any(counts.values()):
        raise InputError("--controls, --rrms, --spms: found 0 in each; expected a subject: ask for one.")
    try:
        settings = PhantomSettings(
            subjects=counts,
            voxel_mm=voxel_mm,
            thick_slices_mm=thick_mm,
            sequences=read_sequences(sequences),
            seed=seed,
        )
    except ValidationError as fault:
        raise InputError(f"--sequences: {fault.errors()[0]['msg'].removeprefix('Value error, ')}") from fault
    with Pool(RunSettings(workers=workers)) as pool:
        make_phantom(out, settings, workers=pool, console=Console())
    conclude(out)


def import_dicom(
    folder: Annotated[Path, existing("FOLDER", "a folder of DICOM files, under any names")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="BIDS folder to write, new or from an earlier import.")
    ],
    map_file: Annotated[
        Path | None,
        existing(
            "FILE", "a TOML file with rules, labels and groups; built-in rules if absent", "file", "--map"
        ),
    ] = None,
    link: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File, apart from OUT, that leads back to the patients, for `stratacam export`; none if absent.",
        ),
    ] = None,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Sort DICOM series into T1w, T2w and FLAIR by their headers and write them as BIDS, without names."""
    from stratacam.scans.dicom import import_dicom, print_import
    from stratacam.scans.dicom.link import WARNING

    console = Console()
    result = import_dicom(folder, out, map_file, link=link)
    print_import(result, console, linked=link is not None)
    if link:
        console.print(
            f"Link: {link}; it {WARNING}.", style="yellow", highlight=False, markup=False, soft_wrap=True
        )
    if not any((out / f"sub-{label}").is_dir() for label in result.labels.values()):
        raise InputError(
            f"{folder}: nothing could be imported; expected series of known sequences: see the reasons above, and "
            "docs/dicom.md for what --map can change."
        )
    conclude(out, result.left_out, accept_left_out)


def check(
    source: Annotated[
        Path | None,
        existing(
            "INPUT",
            "a BIDS folder, or table (.csv, .tsv), of the scans as delivered; that of --config if absent",
            "folder or file",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="JSON file to which the report is also written.")
    ] = None,
    config: Annotated[
        Path | None,
        existing(
            "STUDY", "a study's TOML file: check what that study needs of the cohort", "file", "--config"
        ),
    ] = None,
    sequences: Sequences = None,
    choose: Choose = None,
    workers: Workers = 0,
) -> None:
    """Say what a cohort holds and whether it can be used, without computing anything on it.

    Exit code 0: sound; 3: some scans cannot be used, or an image is there twice; 2: no study can be run on the cohort,
    or one image is there under two subjects.
    """
    from stratacam.cli.tables import check_as_json, show_check, show_sample_size
    from stratacam.files import check_apart, check_writable, write_json
    from stratacam.scans.cohort.choice import read_choices, read_sequences
    from stratacam.scans.cohort.sources import input_places
    from stratacam.study.check import check_cohort
    from stratacam.study.configuration import CohortSettings, StudyConfiguration, read_configuration
    from stratacam.study.forecast import forecast_study

    console = Console()
    study = read_configuration(config) if config else None
    source = source or (study.cohort.input if study else None)
    if source is None:
        raise InputError(
            "INPUT: found none, nor --config; expected a cohort: name its folder or table, or a study's TOML file."
        )
    cohort = study.cohort if study else CohortSettings(input=source)
    wanted = read_sequences(sequences) if sequences else cohort.sequences
    chosen = read_choices(choose, wanted) if choose else cohort.choose
    cohort = cohort.model_copy(update={"input": source, "sequences": wanted, "choose": chosen})
    study = study.model_copy(update={"cohort": cohort}) if study else None
    if json_file:
        check_apart(input_places(source), json_file)
        check_writable(json_file.parent)
        if not json_file.parent.is_dir():
            raise InputError(
                f"--json: {json_file.parent} is no folder; expected one that exists: make it first."
            )
    report = check_cohort(cohort, study, workers=workers, console=console)
    forecast = forecast_study(study or StudyConfiguration(out=Path(), cohort=cohort), report)
    without_effect = study.without_effect if study else ()
    report = replace(report, warnings=(*report.warnings, *without_effect, *forecast.warnings))
    show_check(report, source, console)
    if forecast.looked_at:
        console.print(forecast.looked_at, highlight=False, markup=False, soft_wrap=True)
    show_sample_size(forecast.sample_size, console)
    if forecast.sample_size and not study:
        console.print(
            "Without --config the default split is assumed: folds, in which every subject is held out once.",
            highlight=False,
            soft_wrap=True,
        )
    if json_file:
        write_json(json_file, check_as_json(report, source) | forecast.as_json())
    if not report.complete:
        sys.exit(LEFT_OUT if report.usable else UNUSABLE)
    if report.subjects:
        console.print("Sound: every scan can be used, and a study can be run on them.", highlight=False)
    else:
        console.print(
            "Every scan can be prepared; no study can be run on them, as none has a group.", highlight=False
        )


def prepare(
    source: Source,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the prepared scans (BIDS derivatives).")
    ],
    grid_mm: Annotated[
        float | None,
        typer.Option(
            "--grid", min=0.3, max=10, help="Edge of isotropic voxels in mm; if absent, the grid of the T1w."
        ),
    ] = None,
    plane: Annotated[PlaneName, typer.Option(help="Plane of the slices.")] = PlaneName.AXIAL,
    intensity: Annotated[
        ScalingName, typer.Option(help="Scaling of the intensities.")
    ] = ScalingName.WHITE_MATTER,
    sequences: Sequences = None,
    choose: Choose = None,
    workers: Workers = 0,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Register, correct, mask and normalise every scan of a cohort."""
    from stratacam.scans.cohort.choice import read_choices, read_sequences
    from stratacam.scans.prepare import PrepareSettings
    from stratacam.study.standalone import prepare_folder

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
        console=Console(),
    )
    conclude(out, len(left_out), accept_left_out)
