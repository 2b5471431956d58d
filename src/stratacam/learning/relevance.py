"""Relevance-guided training: the loss gets the share of heat that lies outside a mask, such as the brain.

After C. Tinauer et al., "Interpretable brain disease classification and relevance-guided deep learning" (2022), with
maps of a layer, of the true class, in place of their relevance at the input. The maps are those of the engine; they are
made in the training step from its own forward, and are differentiated again with the loss.

A low share shows where the map lies, and not that the network uses nothing outside: see `stratacam.learning.air`.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from stratacam.cam import map_function, match_layers
from stratacam.errors import InputError
from stratacam.learning.forward import Batch, forward
from stratacam.learning.settings import TrainSettings
from stratacam.networks import Dimensions, branches_of, inputs_of

PROBES: dict[Dimensions, tuple[int, ...]] = {2: (64, 64), 3: (32, 64, 64)}
"""Sizes of the pictures and volumes that a network is tried with."""

PROBED = 2
"""Their number."""


@dataclass(frozen=True)
class Relevance:
    """How a network is guided.

    Attributes:
        weight: of the term in the loss.
        method: of the maps.
        name: of the layer that they are of.
        layer: its module.
    """

    weight: float
    method: str
    name: str
    layer: nn.Module

    def run(
        self,
        network: nn.Module,
        batch: Batch,
        labels: torch.Tensor,
        mask: torch.Tensor,
        device: str,
        *,
        differentiable: bool = True,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run a network, or the part of it that is trained, and find the heat outside the mask.

        Args:
            network: on `device`, in the mode in which it is to be run. Batch normalisation in training mode mixes the
                slices of a batch, also in their maps.
            batch: what it is called with.
            labels: (B,) the class whose map is meant, on `device`.
            mask: (B, 1, H, W), of volumes (B, 1, D, H, W), 1 inside and 0 outside.
            device: where to compute.
            differentiable: whether the shares may be differentiated.

        Returns:
            Logits (B, K), and of each slice the share of heat outside, (B,); see `share_outside`.

        Raises:
            InputError: the layer is not run, gives no feature map, does not lead to the logits, or is frozen with
                everything before it.
        """
        outputs: list[object] = []

        def keep(_module: nn.Module, _arguments: object, output: object) -> object:
            outputs.append(output)
            return output.clone() if isinstance(output, torch.Tensor) else output  # may be changed in place

        hook = self.layer.register_forward_hook(keep)
        try:
            logits = forward(network, batch, device)
        finally:
            hook.remove()
        activation = outputs[-1] if outputs else None
        if not isinstance(activation, torch.Tensor) or activation.ndim != mask.ndim:
            raise self.unsuitable("does not give a feature map of the pictures, (B, channels, *spatial)")
        if not activation.requires_grad:
            raise self.unsuitable("is frozen, with all that comes before it")
        score = logits.gather(1, labels[:, None]).sum()
        (gradient,) = torch.autograd.grad(score, activation, create_graph=differentiable, allow_unused=True)
        if gradient is None:
            raise self.unsuitable("does not lead to the logits")
        maps = map_function(self.method)(activation, gradient)
        return logits, share_outside(maps, mask.to(maps.device))

    def unsuitable(self, why: str) -> InputError:
        """The error that the layer cannot guide, and why."""
        return InputError(
            f"training.relevance_layer: found {self.name}, which {why}; expected a layer with a feature map that is "
            "trained or comes after one that is: name another, or freeze fewer layers (training.frozen)."
        )


def share_outside(maps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The share of positive heat outside a mask, at the resolution of the maps.

    Args:
        maps: raw maps (B, h, w), or (B, d, h, w) of volumes.
        mask: (B, 1, *spatial), 1 inside and 0 outside; a cell of the maps is inside by the share of its area.

    Returns:
        (B,), from 0 to 1; 1 where there is no positive heat, which is no better than all of it outside, and 0 where
        nothing is in the mask, so that nothing is wanted.

    Example:
        >>> mask = torch.tensor([[[[1.0, 1, 0, 0], [1, 0, 0, 0]]]])  # two cells, 3/4 and 0 inside
        >>> share_outside(torch.tensor([[[4.0, 1.0]]]), mask)
        tensor([0.4000])
    """
    heat = maps.clamp_min(0)
    size, axes = heat.shape[1:], tuple(range(1, heat.ndim))
    pool: Any = functional.adaptive_avg_pool2d if len(size) == 2 else functional.adaptive_avg_pool3d
    outside = 1 - pool(mask.to(heat.dtype), size)[:, 0]
    total = heat.sum(dim=axes)
    lit = total > 0
    share = torch.where(lit, (heat * outside).sum(dim=axes) / torch.where(lit, total, 1), 1)
    return torch.where(mask.flatten(1).any(dim=1), share, 0)


def find_relevance(
    network: nn.Module, settings: TrainSettings, trained: nn.Module | None = None
) -> Relevance | None:
    """How a network is guided by the settings; None where it is not.

    Args:
        network: the whole network.
        settings: see `TrainSettings`.
        trained: the part of it that is run in training; all of it if absent.

    Raises:
        InputError: the settings do not name one layer of that part.
    """
    if settings.guide is None:
        return None
    if branches_of(network) and settings.relevance_layer is None:
        raise InputError(
            'training.relevance_layer: found none with network.fusion = "late"; expected a layer of the branch that is '
            f"to be guided ({', '.join(branches_of(network))}), as there is no last one of all: name it."
        )
    try:
        names = match_layers(network, settings.relevance_layer or "last")
    except ValueError as fault:
        raise InputError(f"training.relevance_layer: {fault}") from fault
    modules = dict(network.named_modules())
    if len(names) != 1 or names[0] not in modules:
        raise InputError(
            f"training.relevance_layer: found {settings.relevance_layer!r}, which means {', '.join(names)}; expected "
            "one layer: name one of these."
        )
    relevance = Relevance(settings.relevance, settings.relevance_method, names[0], modules[names[0]])
    if trained is not None and relevance.layer not in set(trained.modules()):
        raise relevance.unsuitable("is frozen, with all that comes before it")
    return relevance


def check_relevance(
    network: nn.Module, settings: TrainSettings, channels: int, dimensions: Dimensions = 2
) -> str | None:
    """Try a network with its frozen layers on grey pictures; return the name of the layer whose maps guide it.

    Raises:
        InputError: as `find_relevance` and `Relevance.run`.
    """
    relevance = find_relevance(network, settings)
    if relevance is None:
        return None
    size = PROBES[dimensions]
    pictures, inside = torch.full((PROBED, channels, *size), 0.5), torch.ones(PROBED, 1, *size)
    labels = torch.zeros(PROBED, dtype=torch.int64)
    network.eval()
    relevance.run(network, inputs_of(network, pictures, inside), labels, inside, "cpu", differentiable=False)
    return relevance.name
