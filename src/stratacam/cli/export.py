"""The command that gives maps to others."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stratacam.cli.options import AcceptLeftOut, Results, conclude, existing
from stratacam.errors import InputError


class FormatName(StrEnum):
    """Formats of exported maps."""

    NIFTI = "nifti"
    PNG = "png"
    GIF = "gif"
    MP4 = "mp4"
    DICOM = "dicom"


def export(
    study: Results,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the results; a folder for each format.")
    ],
    formats: Annotated[
        list[FormatName],
        typer.Option("--format", help="Format: nifti, png, gif, mp4 or dicom; repeat for more."),
    ],
    subject: Annotated[
        list[str] | None,
        typer.Option(help="Subject or scan, such as sub-01; repeat for more; all that have maps if absent."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer or pattern, or all; repeat for more. If absent: the recommended map, or, where none is, that "
            "of the last convolution."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method of the maps; repeat for more; that of the study if absent."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class", help="Class explained, or all; repeat for more; the predicted one if absent."
        ),
    ] = None,
    recommended: Annotated[
        bool,
        typer.Option(
            "--recommended", help="The map that the study recommends; an error if it recommends none."
        ),
    ] = False,
    sequence: Annotated[
        list[str] | None,
        typer.Option(
            help="Sequence over whose scan, as delivered, maps are laid; repeat for more; T1w if absent."
        ),
    ] = None,
    signed: Annotated[
        bool, typer.Option("--signed", help="Draw what speaks against the class too, in a second colour.")
    ] = False,
    link: Annotated[
        Path | None,
        existing("FILE", "what import-dicom wrote to --link; needed for DICOM alone", "file", "--link"),
    ] = None,
    to_dicomweb: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Root of a DICOMweb service, to which the DICOM files are sent as well."
        ),
    ] = None,
    dicomweb_token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", envvar="STRATACAM_DICOMWEB_TOKEN", help="Bearer token for it."),
    ] = None,
    dicomweb_user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME:PASSWORD", envvar="STRATACAM_DICOMWEB_USER", help="Basic authentication for it."
        ),
    ] = None,
    dicomweb_ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="REQUESTS_CA_BUNDLE",
            help="Certificates (PEM) of the authority that its certificate comes from, if that is a private one.",
        ),
    ] = None,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Write maps for others: NIfTI, pictures, films, DICOM beside its source. For research only, not for diagnosis."""
    if to_dicomweb and FormatName.DICOM not in formats:
        raise InputError(
            "--to-dicomweb: found no --format dicom beside it; expected that, as only DICOM is sent: add it"
        )
    from stratacam.study.folders import study_folders

    folders = study_folders(study)  # before what takes seconds to import
    from stratacam.export import Wanted, export_study
    from stratacam.export.dicomweb import Service, send

    console = Console()
    service = (
        Service.of(to_dicomweb, token=dicomweb_token, user=dicomweb_user, certificates=dicomweb_ca)
        if to_dicomweb
        else None
    )
    wanted = Wanted(
        subjects=tuple(subject or ()),
        methods=tuple(method or ()),
        layers=tuple(layer or ()),
        classes=tuple(classes or ()),
        recommended=recommended,
        sequences=tuple(sequence or ("T1w",)),
        signed=signed,
    )
    done = export_study(folders, out, wanted, [one.value for one in formats], link=link, console=console)
    if done.remark:
        console.print(done.remark, style="yellow", highlight=False, markup=False, soft_wrap=True)
    if service:
        console.print(send(done.files["dicom"], service), highlight=False, markup=False, soft_wrap=True)
    conclude(out, len(done.left_out), accept_left_out)
