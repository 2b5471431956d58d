"""A network of volumes, as one of the slices of a scan, which it sees together: maps of it are maps of slices too."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stratacam import cam
from stratacam.cam.explanation import Explanation, LayerMaps, join
from stratacam.cam.views import ZERO_GRADIENT, blank_cause
from stratacam.networks import ModelCard, branches_of, inputs_of, takes_brain
from stratacam.networks.on_cpu import parts_that_fit
from stratacam.scans.frame import whole_depth


class StackNetwork(nn.Module):
    """A network of volumes that is called with all slices of one scan, (n, C, H, W), in order.

    Its logits are those of the volume, once for every slice. Its layers have the names that they have in the network.
    """

    sees_together = True
    """Read by `sees_together`."""

    maps_made_by = "stratacam.maps.slice_maps.explain_slices"
    """What to call for its maps; `stratacam.explain` takes the network itself, and volumes."""

    def __init__(self, network: nn.Module, depth: int = 0) -> None:
        """Wrap a network.

        Args:
            network: of volumes (B, C, D, H, W), in evaluation mode.
            depth: slices of the volumes that it was trained on, empty ones included; scans of more are given more.
        """
        super().__init__()
        self._inside = (network,)  # a tuple is no module: layers are found by their own names alone
        self.depth = depth
        self.takes_brain = takes_brain(network)
        self.branches = branches_of(network)
        for name, child in network.named_children():
            self.add_module(name, child)
        self.eval()

    @property
    def network(self) -> nn.Module:
        """The network of volumes."""
        return self._inside[0]

    def forward(self, pictures: Tensor, *brain: Tensor) -> Tensor:
        """Logits (n, K), the same in each row, of all slices of a scan (n, C, H, W), and the brain in them."""
        logits: Tensor = self.network(*(self.volume(values) for values in (pictures, *brain)))
        return logits.expand(len(pictures), -1)

    def volume(self, slices: Tensor) -> Tensor:
        """Slices (n, C, H, W) as a volume (1, C, D, H, W), with empty slices before and after them."""
        before, after = self._empty(len(slices))
        return functional.pad(slices.movedim(0, 1)[None], (0, 0, 0, 0, before, after))

    def slices(self, explanation: Explanation, count: int) -> Explanation:
        """Maps of the volume of so many slices as maps of each: linearly between the cells along the slices."""
        before, after = self._empty(count)
        depth = before + count + after

        def of_layer(maps: LayerMaps) -> LayerMaps:
            size = (depth, *maps.raw.shape[3:])
            laid = functional.interpolate(maps.raw, size=size, mode="trilinear", align_corners=False)
            raw = laid[0, :, before : before + count].movedim(1, 0).contiguous()
            unreached = torch.tensor([[cause == ZERO_GRADIENT for cause in maps.blank[0]]] * count)
            return LayerMaps(maps.name, raw, tuple(map(tuple, blank_cause(raw, unreached))))

        return replace(
            explanation,
            logits=explanation.logits.expand(count, -1),
            classes=explanation.classes.expand(count, -1),
            maps={name: of_layer(maps) for name, maps in explanation.maps.items()},
        )

    def _empty(self, count: int) -> tuple[int, int]:
        """Empty slices before and after so many."""
        depth = max(self.depth, whole_depth(count))
        before = (depth - count) // 2
        return before, depth - count - before


def sees_together(model: nn.Module) -> bool:
    """Whether a model is called with all slices of one scan, which it sees together."""
    return getattr(model, "sees_together", False) is True


def for_slices(model: nn.Module, card: ModelCard) -> nn.Module:
    """A model as one of slices: itself, or a `StackNetwork` where it takes volumes."""
    return StackNetwork(model, int(card.input.get("depth", 0))) if card.dimensions == 3 else model


def batches_by_method(
    model: nn.Module,
    inputs: Sequence[Tensor],
    methods: Sequence[str],
    **options: Any,  # noqa: ANN401 - those of the engine
) -> Iterator[dict[str, Explanation]]:
    """As `stratacam.cam.batches_by_method` of slices, also of a network that sees them together, in one batch."""
    if not isinstance(model, StackNetwork):
        yield from cam.batches_by_method(model, list(inputs), methods, **options)
        return
    classes, count = options.get("classes", "predicted"), len(inputs[0])
    if not isinstance(classes, str | int):
        options["classes"] = [next(iter(classes))]  # all slices have the class of the volume
    volumes = [model.volume(values) for values in inputs]
    for batch in cam.batches_by_method(model.network, volumes, methods, **options):
        yield {method: model.slices(found, count) for method, found in batch.items()}


def explain_methods(
    model: nn.Module,
    inputs: Sequence[Tensor],
    methods: Sequence[str],
    **options: Any,  # noqa: ANN401 - those of the engine
) -> dict[str, Explanation]:
    """As `stratacam.explain_methods` of slices, also of a network that sees them together."""
    batches = list(batches_by_method(model, inputs, methods, **options))
    return {method: join([batch[method] for batch in batches]) for method in methods}


def logits_of(
    model: nn.Module, images: NDArray[np.float32], brain: NDArray[np.bool_], batch_size: int
) -> Tensor:
    """Logits (n, K) of all slices of a scan, (n, C, H, W) with the brain (n, H, W) in them.

    Args:
        model: on its device.
        images: the slices, in order.
        brain: in them, for models that take it.
        batch_size: slices at once, where the model does not see them together.
    """
    device = next(model.parameters()).device
    inputs = inputs_of(model, torch.from_numpy(images), torch.from_numpy(brain))
    with torch.inference_mode():
        if sees_together(model):
            return model(*(values.to(device) for values in inputs)).float().cpu()  # type: ignore[no-any-return]
        logits = [
            model(*(values.to(device, memory_format=torch.channels_last) for values in part))
            for batch in zip(*(torch.split(values, batch_size) for values in inputs), strict=True)
            for part in parts_that_fit(batch, device)
        ]
    return torch.cat(logits).float().cpu()
