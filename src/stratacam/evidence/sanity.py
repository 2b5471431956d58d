"""Whether a layer's map depends on what the network learned: the same maps after its weights are drawn anew.

J. Adebayo et al., "Sanity checks for saliency maps" (2018). A map that does not change when the layers above its
layer are randomised shows the picture, not the network's decision.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stratacam.cam.layers import is_composite
from stratacam.evidence.draws import torch_seed
from stratacam.evidence.measures import Column, Criterion, ExplainedScan, Kind, Measure, Need, Panel
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.similarity import likeness, likeness_pair, likeness_rows
from stratacam.evidence.values import Value
from stratacam.maps.fused import parts_of
from stratacam.maps.slice_maps import SliceMaps, explain_slices_by
from stratacam.networks import branches_of, by_branch

Likeness = NDArray[np.float64]


class _MapOf(NamedTuple):
    method: str
    layer: str


INSENSITIVE = 0.5
"""A layer fails where the lower bound of `above_rank` over subjects is at least this."""

ABOVE = likeness_pair(
    "above",
    "likeness if all above is random",
    "with the map of the same network whose layers above this one are randomised (Adebayo et al. 2018), mean over "
    "draws of weights, whose chance is most of the spread over subjects",
    better="lower",
    panel=Panel(
        limits=(-0.55, 1.02),
        level=INSENSITIVE,
        note="“Likeness if all above is random”: to the map of the network whose layers above are randomised; low is "
        "good, above the dotted line the layer is marked.",
    ),
    column=Column(),
    criteria=(
        Criterion(
            "below",
            INSENSITIVE,
            "upper bound",
            rule="its maps change when the layers above it are randomised",
            quantity="rank correlation",
            fault="does not change when the layers above it are randomised",
            unshown="was not shown to change when the layers above it are randomised",
            unmeasured="randomisation",
        ),
    ),
)
CASCADE = likeness_pair(
    "cascade",
    "likeness after randomising from the output down",
    "after randomising from the output down to a layer",
    better="lower",
)
INDEPENDENT = likeness_pair(
    "independent", "likeness after randomising one layer", "after randomising a single layer", better="lower"
)


def weighted_layers(model: nn.Module) -> tuple[str, ...]:
    """Names of the layers that have weights, in the order of the network.

    A layer is a module that holds weights itself, or a block that counts as one layer, in place of the modules in it.
    """
    found = []
    block = "."  # begins no name
    for name, module in model.named_modules():
        if name.startswith(block):
            continue
        if is_composite(module):
            block = f"{name}."
        if next(module.parameters(recurse=is_composite(module)), None) is not None:
            found.append(name)
    return tuple(found)


@contextmanager
def randomised(model: nn.Module, names: Sequence[str], *, seed: int = 0) -> Iterator[None]:
    """Draw the weights of some modules anew, and put them back bit for bit in the end, also after an error.

    A module draws as it does when it is made (`reset_parameters`); one that cannot draws normal numbers of the standard
    deviation of its trained weights.

    Args:
        model: whose modules they are.
        names: of these modules.
        seed: each module's draw depends only on the seed and its name, and is independent of the others.
    """
    modules = {name: model.get_submodule(name) for name in names}
    weights = {
        name: {key: value.clone() for key, value in module.state_dict().items()}
        for name, module in modules.items()
    }
    try:
        for name, module in modules.items():
            _draw(module, torch_seed(seed, name))
        yield
    finally:
        for name, module in modules.items():
            module.load_state_dict(weights[name])


def sanity(explained: Sequence[ExplainedScan]) -> list[Value]:
    """Likeness of every layer's map to that of the network with weights drawn anew, on a few slices.

    `above_*` is with all layers after the map's layer drawn, and not that layer: a mean over `sanity_draws` draws.
    These are the subject's own, so that chance is part of the spread over subjects. If the settings ask for them, the
    first draw also gives `cascade_*`, from the output down, one weighted layer more at a time (`against` the last one
    drawn), and `independent_*`, each layer by itself. Of a network with branches, what is drawn for a
    layer is of its own branch, as no other is above it. Slices whose trained map is blank are left out; a map that has
    gone blank is not alike at all: 0. The model is put back as it was.

    Args:
        explained: one scan by several methods, whose maps are of the same layers.
    """
    one = explained[0]
    model, settings, layers = one.model, one.settings, one.maps.layers
    if not settings.sanity_slices:
        return []
    scan = one.sampled.some(settings.sanity_slices)
    methods = [each.maps.method for each in explained]
    maps = explain_slices_by(model, scan.images, scan.brain, one.maps.target, methods, layers=layers)
    seeds = [torch_seed(one.seed, "weights", scan.name, draw) for draw in range(settings.sanity_draws)]
    branches = branches_of(model)
    above: dict[_MapOf, list[Likeness]] = {}
    values: list[Value] = []
    parts = list(zip(by_branch(weighted_layers(model), branches), by_branch(layers, branches), strict=True))
    for (draw, seed), (names, own) in product(enumerate(seeds), parts):
        with ExitStack() as drawn:
            for name in reversed(names):
                drawn.enter_context(randomised(model, [name], seed=seed))
                next_to = [layer for layer in own if _is_next(layer, name, names, own)]
                cascade = settings.cascade and draw == 0
                found = _likeness(model, scan, maps, own if cascade else next_to)
                for of in found:
                    if of.layer in next_to:
                        above.setdefault(of, []).append(found[of])
                values += _rows(found, CASCADE, name) if cascade else ()
    values += _rows({of: np.mean(found, axis=0) for of, found in above.items()}, ABOVE, "")
    for names, own in parts if settings.independent else ():
        for name in names:
            with randomised(model, [name], seed=seeds[0]):
                values += _rows(_likeness(model, scan, maps, own), INDEPENDENT, name)
    return values


def _is_next(layer: str, lowest: str, names: Sequence[str], layers: Sequence[str]) -> bool:
    """Whether `lowest` is the first weighted layer above `layer`, which may have weights itself or be a pool.

    Above a fused map is what is above its deepest part.
    """
    deepest = parts_of(layer)[-1]
    source = next(
        (name for name in reversed(layers[: layers.index(deepest) + 1]) if _weights_of(name, names)), None
    )
    place = -1 if source is None else max(names.index(name) for name in _weights_of(source, names))
    return place + 1 < len(names) and names[place + 1] == lowest


def _weights_of(layer: str, names: Sequence[str]) -> list[str]:
    """The weighted modules that are a layer, lie in it (`layer1` holds `layer1.0`), or hold it as a part of them."""
    module = layer.split("#", maxsplit=1)[0]
    return [
        name for name in names if f"{name}.".startswith(f"{module}.") or f"{module}.".startswith(f"{name}.")
    ]


def _likeness(
    model: nn.Module, scan: ScanSlices, maps: Mapping[str, SliceMaps], layers: Sequence[str]
) -> dict[_MapOf, Likeness]:
    """Likeness (n, 2) of every slice to the model's maps as they are now; NaN where the trained map is blank.

    Args:
        model: drawn anew in parts.
        scan: the slices.
        maps: by method, of the trained network.
        layers: some of these.
    """
    if not layers:
        return {}
    target = next(iter(maps.values())).target
    others = explain_slices_by(model, scan.images, scan.brain, target, tuple(maps), layers=tuple(layers))
    found = {}
    for method, other in others.items():
        for layer in layers:
            trained, drawn = maps[method].heat(layer, scan.shape), other.heat(layer, scan.shape)
            alike = likeness(trained, drawn, scan.brain)
            alike[:, 0] = np.nan_to_num(alike[:, 0])
            alike[~drawn.any(axis=(1, 2))] = 0.0
            alike[~trained.any(axis=(1, 2))] = np.nan
            found[_MapOf(method, layer)] = alike
    return found


def _rows(found: Mapping[_MapOf, Likeness], pair: tuple[Measure, Measure], against: str) -> list[Value]:
    return [row for of, alike in found.items() for row in likeness_rows(pair, *of, alike, against)]


def _draw(module: nn.Module, seed: int) -> None:
    """Draw a module's own weights anew; of a block that counts as one layer all weights in it."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for part in module.modules() if is_composite(module) else [module]:
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
                continue
            for parameter in part.parameters(recurse=False):
                spread = float(parameter.std()) if parameter.numel() > 1 else 1.0
                parameter.copy_(torch.randn(parameter.shape, device="cpu").to(parameter) * spread)


KIND = Kind(
    name="sanity",
    question="whether maps depend on what was learned",
    needs=Need.NETWORK,
    measures=(*ABOVE, *CASCADE, *INDEPENDENT),
    of_methods=sanity,
)
