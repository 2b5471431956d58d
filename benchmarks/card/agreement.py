"""How far maps made on a card lie from those of the CPU."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.card import networks
from benchmarks.card.precision import PRECISIONS, computing_in
from stratacam import cam
from stratacam.cam.methods import REGISTRY
from stratacam.networks import by_block, place_of

METHODS = {
    "gradients": tuple(name for name, one in REGISTRY.items() if not (one.kind.at_input or one.kind.repeats)),
    "repeats": tuple(name for name, one in REGISTRY.items() if one.kind.repeats),
    "timed": ("gradcam", "layercam", "multiscale_gradcam"),
}
"""All layers at once; a forward for each channel, for a few layers and one small image; and those that are timed."""

NETWORKS = {
    "vgg16": METHODS["gradients"],
    "resnet18": METHODS["gradients"],
    "vgg16, brain-only": METHODS["timed"],
    "vgg16, consensus": METHODS["timed"],
    "recurrent": METHODS["gradients"],
}
IMAGES = 2


@dataclass(frozen=True)
class Difference:
    """Of the maps of one group of layers from those of the CPU in float32.

    Attributes:
        network: that was explained.
        method: of the maps.
        group: of layers, such as "block1".
        precision: of the card; "rounding": the CPU's in float64 instead.
        largest: over layers, images, classes and positions, relative to the map's largest absolute value.
        median: over layers, images and classes, of each map's largest.
    """

    network: str
    method: str
    group: str
    precision: str
    largest: float
    median: float


def compare(device: torch.device, size: int, small: int, go_on: Callable[[], bool]) -> Iterator[Difference]:
    """The differences of every network, method, group of layers and precision, as long as `go_on()`."""
    for network, methods in NETWORKS.items():
        model = networks.make(network)
        inputs = networks.inputs(network, IMAGES, size)
        for method in methods if go_on() else ():
            yield from _differences(network, method, model, inputs, few=None, device=device)
    for network in ("vgg16", "resnet18", "recurrent"):
        model = networks.make(network)
        inputs = networks.inputs(network, 1, small)
        layers = [layer.name for layer in cam.list_layers(model, inputs)]
        few = [layers[1], layers[-1]]
        for method in METHODS["repeats"] if go_on() else ():
            yield from _differences(network, method, model, inputs, few=few, device=device)


def _differences(
    network: str,
    method: str,
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    *,
    few: list[str] | None,
    device: torch.device,
) -> list[Difference]:
    with torch.no_grad():
        logits = model(*inputs)
    members = logits.shape[1] // networks.CLASSES  # one of a consensus has a class of each
    first = logits[:, : networks.CLASSES].argmax(dim=1, keepdim=True)
    classes = first + networks.CLASSES * torch.arange(members)
    size = 64 if method in METHODS["repeats"] else IMAGES

    def maps(where: nn.Module, given: tuple[Tensor, ...]) -> cam.Explanation:
        return cam.explain(where, given, layers=few or "all", classes=classes, method=method, batch_size=size)

    reference = maps(model, inputs)
    others = {"rounding": maps(copy.deepcopy(model).double(), tuple(one.double() for one in inputs))}
    there, given = copy.deepcopy(model).to(device), tuple(one.to(device) for one in inputs)
    for precision in PRECISIONS:
        with computing_in(precision, device):
            others[precision] = maps(there, given)
    return [
        Difference(network, method, group, precision, float(of_group.max()), float(of_group.median()))
        for precision, other in others.items()
        for group, names in groups_of(reference.layers).items()
        for of_group in [torch.cat([relative(other[name].raw, reference[name].raw) for name in names])]
    ]


def relative(maps: Tensor, reference: Tensor) -> Tensor:
    """The largest difference of each map (B, C, *spatial) from the reference, of its largest absolute value: (B x C,).

    Example:
        >>> relative(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, -4.0]]]))
        tensor([1.5000])
    """
    apart = (maps - reference).flatten(2).abs().amax(dim=2)
    highest = reference.flatten(2).abs().amax(dim=2)
    return (apart / highest.masked_fill(highest == 0, 1)).flatten()


def groups_of(layers: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Layers by block; those of a consensus in the block of the network that they have in it.

    Example:
        >>> groups_of(("shared.block1_pool", "rests.0.block5_pool", "rests.1.block5_pool"))
        {'block1': ('shared.block1_pool',), 'block5': ('rests.0.block5_pool', 'rests.1.block5_pool')}
    """
    joined = any(name.startswith(("shared.", "rests.")) for name in layers)
    within = {name: place_of(name)[1] if joined else name for name in layers}
    blocks = by_block(list(dict.fromkeys(within.values())))
    return {
        block: tuple(name for name in layers if within[name] in members) for block, members in blocks.items()
    }
