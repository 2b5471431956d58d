"""How often the host waits for the card while maps are made."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.card import networks
from benchmarks.card.agreement import METHODS
from benchmarks.card.speed import capture, explained
from stratacam import cam


@dataclass(frozen=True)
class Waits:
    """Synchronisations of one call.

    Attributes:
        method: of the maps.
        what: "capture", until raw maps lie on the card, or "explain", until they are in the host's memory.
        some: of a call for some layers.
        some_layers: their number.
        all: of a call for all layers.
        all_layers: their number.
        places: in the call for all layers, how often by file and line, the most frequent first.
    """

    method: str
    what: str
    some: int
    some_layers: int
    all: int
    all_layers: int
    places: dict[str, int]

    @property
    def per_layer(self) -> float:
        """For each further layer."""
        return (self.all - self.some) / (self.all_layers - self.some_layers)


def count_waits(network: str, device: torch.device, size: int, batch: int) -> Iterator[Waits]:
    """Waits for the maps of all layers and of the last three."""
    model = networks.make(network).to(device)
    inputs = tuple(one.to(device) for one in networks.inputs(network, batch, size))
    layers = [
        layer.name for layer in cam.list_layers(networks.make(network), networks.inputs(network, 1, 32))
    ]
    for method in METHODS["timed"]:
        for what, run in (("capture", capture), ("explain", explained)):
            some = waits_of(partial(run, model, inputs, layers[-3:], method))
            places = waits_of(partial(run, model, inputs, layers, method))
            yield Waits(
                method, what, some.total(), 3, places.total(), len(layers), dict(places.most_common())
            )


def waits_of(run: Callable[[], object]) -> Counter[str]:
    """How often a call waits, by file and line; once it has run before."""
    run()
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return places_of(caught)


def places_of(caught: Sequence[warnings.WarningMessage]) -> Counter[str]:
    """Where the warnings of synchronisation come from: file and line."""
    return Counter(
        f"{Path(one.filename).name}:{one.lineno}"
        for one in caught
        if "called a synchronizing" in str(one.message)
    )
