"""How far maps of fast arithmetic are from exact ones, and that they are not too far."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stratacam.cam.layers import Layers
from stratacam.cam.methods import REGISTRY
from stratacam.errors import InputError
from stratacam.maps.volumes import explain_methods, sees_together
from stratacam.networks.precision import Precision, computing

BOUND = 0.1
"""The largest error of a layer's maps: the norm of the difference from exact maps over the norm of these."""
COMPARED = 4
"""Slices of a scan that are explained twice."""


def map_errors(
    model: nn.Module,
    inputs: Sequence[Tensor],
    *,
    precision: Precision = "fast",
    classes: str | int = "predicted",
    method: str = "gradcam",
    layers: Layers = "all",
) -> dict[str, float]:
    """By layer, the error of maps in a precision: ||maps - exact|| / ||exact||, over all slices.

    Args:
        model: in evaluation mode, on its device.
        inputs: what it is called with, each (n, ...), of a few slices.
        precision: whose maps are compared.
        classes: see `stratacam.explain`; of "predicted" those of the exact run.
        method: of the maps.
        layers: see `stratacam.explain`.
    """
    device = next(model.parameters()).device
    batch_size = len(inputs[0])
    with computing("exact", device):
        exact = explain_methods(
            model, inputs, [method], layers=layers, classes=classes, batch_size=batch_size
        )[method]
    same = exact.classes.tolist() if classes == "predicted" else classes
    with computing(precision, device):
        found = explain_methods(model, inputs, [method], layers=layers, classes=same, batch_size=batch_size)[
            method
        ]
    return {maps.name: _error(found[maps.name].raw, maps.raw) for maps in exact}


def _error(found: Tensor, exact: Tensor) -> float:
    norm = float(exact.norm())
    return float((found - exact).norm()) / norm if norm else float(found.norm() > 0)


def check_precision(
    models: Sequence[nn.Module],
    inputs: Sequence[Tensor],
    name: str,
    *,
    precision: Precision,
    classes: str | int,
    method: str,
    layers: Layers = "all",
) -> float:
    """The largest error of maps of a scan, by `map_errors` of a few slices; 0 for exact ones.

    Args:
        models: those whose maps are made.
        inputs: of all slices of the scan.
        name: of the scan.
        precision: of the study.
        classes: as of `map_errors`.
        method: of the maps; where it is made of forwards alone, maps of Grad-CAM are compared.
        layers: as of `map_errors`.

    Raises:
        InputError: it is above `BOUND`.
    """
    if precision == "exact":
        return 0.0
    if REGISTRY[method].kind.repeats:
        method = "gradcam"  # which takes a thousandth of the forwards, and adds the errors of a backward
    count = len(inputs[0])
    compared = count if sees_together(models[0]) else min(count, COMPARED)
    rows = torch.linspace(0, count - 1, compared).long()
    some = [values[rows] for values in inputs]
    largest = 0.0
    for model in models:
        errors = map_errors(model, some, precision=precision, classes=classes, method=method, layers=layers)
        layer = max(errors, key=errors.__getitem__)
        largest = max(largest, errors[layer])
        if largest > BOUND:
            raise InputError(
                f'{name}, run.precision: found "{precision}", with which the maps of {layer} differ from exact ones by '
                f'{errors[layer]:.2g} of their norm; expected at most {BOUND:g}: set run.precision = "exact".'
            )
    return largest
