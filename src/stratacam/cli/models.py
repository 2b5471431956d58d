"""Commands on a trained model."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from stratacam.cli.options import (
    AcceptDifferences,
    AcceptLeftOut,
    Model,
    Network,
    Workers,
    as_options,
    conclude,
    existing,
)
from stratacam.errors import InputError


def layers(
    model: Model,
    network: Network = None,
) -> None:
    """List the layers of a trained model: name, shape, stride, receptive field, parameters."""
    import torch

    from stratacam.cam import list_layers
    from stratacam.cli.tables import show_layers
    from stratacam.networks import inputs_of, load_model

    trained, card = load_model(model, network)
    height, width = card.input.get("shape") or [card.input["size"]] * 2
    size = (*([card.input["depth"]] if card.dimensions == 3 else []), height, width)
    pictures, brain = torch.zeros(1, card.channels, *size), torch.ones(1, 1, *size)
    found = list_layers(trained, inputs_of(trained, pictures, brain))
    console = Console()
    console.print(
        f"{card.architecture}, classes {', '.join(card.classes)}, input {' x '.join(map(str, size))}"
    )
    show_layers(found, console)


def explain(
    model: Annotated[
        Path, existing("MODEL", "the folder of a trained model; with --recommended, of a study")
    ],
    prepared: Annotated[Path, existing("PREPARED", "the folder of prepared scans")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the maps (BIDS derivatives).")],
    subject: Annotated[
        list[str] | None,
        typer.Option(help="Subject or scan to explain, such as sub-01; repeat for more; all if absent."),
    ] = None,
    other: Annotated[
        list[Path] | None,
        existing(
            "FOLDER",
            "the folder of another model of the study; repeat for more: maps are their consensus",
            option="--other",
        ),
    ] = None,
    recommended: Annotated[
        bool,
        typer.Option(
            "--recommended", help="Make the map that the study recommends: its method, layer and networks."
        ),
    ] = False,
    target: Annotated[str, typer.Option(help="Class to explain: a name, predicted, or all.")] = "predicted",
    method: Annotated[
        str | None, typer.Option(help="Method, such as gradcam, layercam, hirescam; gradcam if absent.")
    ] = None,
    smooth: Annotated[
        int, typer.Option(min=0, help="Number of noisy copies that a map is averaged over; 0: none.")
    ] = 0,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Layer or pattern to write as NIfTI; repeat for more."),
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, help="Step between the slices: 2 explains every other kept slice.")
    ] = 1,
    sequence: Annotated[
        str | None, typer.Option(help="Sequence to explain, for models that see one at a time.")
    ] = None,
    accept_differences: AcceptDifferences = False,
    network: Network = None,
    workers: Workers = 0,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Make maps of every layer for prepared scans, on the prepared grid and on the scan as delivered."""
    chosen = {
        "--other": other,
        "--method": method,
        "--layer": layer,
        "--smooth": smooth,
        "--sequence": sequence,
    }
    if recommended and (also := [option for option, value in chosen.items() if value]):
        raise InputError(
            f"--recommended: found {', '.join(also)} beside it; expected none of these, which the study decides; "
            "leave out one or the other."
        )
    from stratacam.maps import LAYER_METHODS, ExplainSettings
    from stratacam.report import write_strips
    from stratacam.study.standalone import explain_folder, explain_recommended

    console = Console()
    how: dict[str, Any] = {
        "names": subject or [],
        "accept_differences": accept_differences,
        "network": network,
        "workers": workers,
        "console": console,
    }
    if recommended:
        names, left_out, model = explain_recommended(model, prepared, out, target=target, every=every, **how)
    else:
        method = method or "gradcam"
        if method not in LAYER_METHODS:
            raise InputError(
                f"--method: found {method!r}; expected one of {', '.join(LAYER_METHODS)}: choose one."
            )
        settings = ExplainSettings(
            target=target,
            sequence=sequence,
            method=method,
            smooth=smooth,
            every=every,
            nifti_layers=tuple(layer) if layer else None,
        )
        named = {"target": "--target", "sequence": "--sequence", "nifti_layers": "--layer"}
        with as_options({f"explain.{setting}": option for setting, option in named.items()}):
            names, left_out = explain_folder(model, prepared, out, settings, others=other or [], **how)
    for picture in write_strips(model, prepared, out, names):
        console.print(f"Picture: {picture}", highlight=False, markup=False, soft_wrap=True)
    conclude(out, len(left_out), accept_left_out)


def predict(
    model: Model,
    source: Annotated[
        Path,
        existing(
            "INPUT",
            "the folder of prepared scans; or a BIDS folder or table of scans as delivered, to prepare first",
            "folder or file",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the tables of predictions.")],
    accept_differences: AcceptDifferences = False,
    network: Network = None,
    workers: Workers = 0,
    accept_left_out: AcceptLeftOut = False,
) -> None:
    """Classify new scans with a trained model. For research only, not for diagnosis."""
    from stratacam.cli.tables import show_predictions
    from stratacam.study.predict import predict_folder

    console = Console()
    found = predict_folder(
        model,
        source,
        out,
        accept_differences=accept_differences,
        network=network,
        workers=workers,
        console=console,
    )
    show_predictions(found.card, found.scans, console)
    conclude(out / "predictions.tsv", len(found.left_out), accept_left_out)
