"""The layers that the settings of the evidence name, held against a network."""

from torch import nn

from stratacam import cam
from stratacam.errors import InputError
from stratacam.evidence.groups import named_layers
from stratacam.evidence.settings import EvidenceSettings
from stratacam.maps.fused import wanted


def check_layers(model: nn.Module, settings: EvidenceSettings) -> None:
    """Refuse names and patterns of layers that the network does not have.

    Raises:
        InputError: `layers`, `fused`, `group_layers` or `strategy_layers` names one.
    """
    try:
        layers = cam.match_layers(model, settings.layers)
    except ValueError as fault:
        raise InputError(f"evidence.layers: {fault}") from fault
    try:
        wanted(model, settings.fused or ())
    except ValueError as fault:
        raise InputError(f"evidence.fused: {fault}") from fault
    for setting, patterns in (
        ("group_layers", settings.group_layers),
        ("strategy_layers", settings.strategy_layers),
    ):
        named_layers(patterns or (), layers, setting)
