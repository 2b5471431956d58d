"""Whether a layer's map depends on what the network learned: the same maps after its weights are drawn anew.

J. Adebayo et al., "Sanity checks for saliency maps" (2018). A map that stays as it was when what stands above its
layer is destroyed shows the picture, not the network's decision.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from stratacam.evidence.heat import SliceMaps, explain_slices
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.similarity import rank_correlation, ssim
from stratacam.evidence.values import Value, mean_of

INSENSITIVE = 0.5
"""A layer is marked where the lower bound of `above_rank` over subjects is at least this."""


def weighted_layers(model: nn.Module) -> tuple[str, ...]:
    """Names of the modules that have weights of their own, in the order in which the network holds them."""
    return tuple(
        name
        for name, module in model.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    )


@contextmanager
def randomised(model: nn.Module, names: Sequence[str], *, seed: int = 0) -> Iterator[None]:
    """Draw the weights of some modules anew, and put them back bit for bit in the end, also after an error.

    A module draws as it does when it is made (`reset_parameters`); one that cannot draws normal numbers of the standard
    deviation of its trained weights.

    Args:
        model: whose modules they are.
        names: of these modules.
        seed: each module's draw depends on the seed and its name alone.
    """
    modules = {name: model.get_submodule(name) for name in names}
    kept = {
        name: {key: value.clone() for key, value in module.state_dict().items()}
        for name, module in modules.items()
    }
    try:
        for name, module in modules.items():
            _draw(module, seed + weighted_layers(model).index(name))
        yield
    finally:
        for name, module in modules.items():
            module.load_state_dict(kept[name])


def sanity(
    model: nn.Module,
    scan: ScanSlices,
    maps: SliceMaps,
    *,
    cascade: bool = True,
    independent: bool = True,
    seed: int = 0,
    batch_size: int = 8,
) -> list[Value]:
    """Likeness of every layer's map to that of the network with weights drawn anew.

    From the output down, one weighted layer more at a time (`cascade_*`, `against` the last one drawn), and each layer
    alone (`independent_*`). `above_*` is the step of the cascade at which all layers after the map's own are drawn, and
    not itself. Slices whose trained map is blank are left out; a map that has gone blank is not alike at all: 0.

    Args:
        model: trained, in evaluation mode; it is put back as it was.
        scan: a few slices.
        maps: of these slices by the trained model.
        cascade: take every step of the cascade; if not, only those that are some layer's own.
        independent: also draw each layer alone.
        seed: of the draws.
        batch_size: slices at once.
    """
    names = weighted_layers(model)
    values: list[Value] = []
    for step in range(1, len(names) + 1):
        drawn = names[len(names) - step :]
        above = [layer for layer in maps.layers if _is_next(layer, drawn[0], names, maps.layers)]
        if not cascade and not above:
            continue
        with randomised(model, drawn, seed=seed):
            found = _likeness(model, scan, maps, batch_size)
        if cascade:
            values += _rows(maps, found, "cascade", drawn[0])
        values += _rows(maps, {layer: found[layer] for layer in above}, "above", "")
    for name in names if independent else ():
        with randomised(model, [name], seed=seed):
            found = _likeness(model, scan, maps, batch_size)
        values += _rows(maps, found, "independent", name)
    return values


def _is_next(layer: str, lowest: str, names: Sequence[str], layers: Sequence[str]) -> bool:
    """Whether `lowest` is the first weighted layer above `layer`, which may have weights itself or be a pool."""
    own = next(
        (name for name in reversed(layers[: layers.index(layer) + 1]) if _weights_of(name, names)), None
    )
    place = -1 if own is None else max(names.index(name) for name in _weights_of(own, names))
    return place + 1 < len(names) and names[place + 1] == lowest


def _weights_of(layer: str, names: Sequence[str]) -> list[str]:
    """The weighted modules that are a layer or lie in it: `layer1` holds `layer1.0`."""
    module = layer.split("#", maxsplit=1)[0]
    return [name for name in names if name == module or name.startswith(f"{module}.")]


def _likeness(
    model: nn.Module, scan: ScanSlices, maps: SliceMaps, batch_size: int
) -> dict[str, tuple[list[float], list[float]]]:
    """By layer, rank correlation and SSIM of every slice whose trained map is not blank."""
    other = explain_slices(
        model, scan.images, maps.target, maps.method, layers=maps.layers, batch_size=batch_size
    )
    found = {}
    for layer in maps.layers:
        trained, drawn = maps.heat(layer, scan.shape), other.heat(layer, scan.shape)
        ranks, structures = [], []
        for index in range(len(scan)):
            if not trained[index].any():
                continue
            pair = trained[index : index + 1], drawn[index : index + 1], scan.brain[index]
            ranks.append(float(np.nan_to_num(rank_correlation(*pair)[0])))
            structures.append(float(ssim(*pair)[0]) if drawn[index].any() else 0.0)
        found[layer] = (ranks, structures)
    return found


def _rows(
    maps: SliceMaps, found: dict[str, tuple[list[float], list[float]]], kind: str, against: str
) -> list[Value]:
    return [
        value
        for layer, (ranks, structures) in found.items()
        for measure, numbers in ((f"{kind}_rank", ranks), (f"{kind}_ssim", structures))
        for value in mean_of(maps.method, layer, measure, numbers, against)
    ]


def _draw(module: nn.Module, seed: int) -> None:
    """Draw a module's own weights anew."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
            return
        for parameter in module.parameters(recurse=False):
            spread = float(parameter.std()) if parameter.numel() > 1 else 1.0
            parameter.copy_(torch.randn(parameter.shape, device="cpu").to(parameter) * spread)
