"""Networks that see the brain alone: the mask is an argument, `network(pictures, brain)`."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.layers import GlobalAveragePool
from stratacam.networks.masked import cleared

BrainUse = Literal["features", "pooling", "off"]
"""What a network does with the brain: see `build`."""

BRAIN_USES: tuple[BrainUse, ...] = get_args(BrainUse)


class BrainSequential(nn.Sequential):
    """Layers in sequence, each but the head given the brain: what lies outside it cannot change a logit.

    It is cut by slicing as every `nn.Sequential`; the parts take (features, brain).
    """

    takes_brain = True
    """Read by `takes_brain`."""

    def hands_brain_to(self, layer: nn.Module) -> bool:
        """Whether a layer is called with the brain."""
        return not isinstance(layer, nn.Linear)

    def forward(self, features: Tensor, brain: Tensor | None = None) -> Tensor:
        """Run the layers.

        Args:
            features: (B, K, h, w), of volumes (B, K, d, h, w): pictures, or what an earlier layer gave for them.
            brain: (B, 1, H, W), of volumes (B, 1, D, H, W), 1 in the brain and 0 outside; at the resolution of the
                pictures, or at least that of the features.

        Raises:
            InputError: the brain is absent, or does not suit the features.
        """
        _check(features, brain)
        if brain is not None and len(self) and self.hands_brain_to(self[0]):
            features = cleared(features, brain)
        for layer in self:
            features = layer(features, brain) if self.hands_brain_to(layer) else layer(features)
        return features


class PooledOverBrain(BrainSequential):
    """Layers in sequence, of which global average pooling alone is given the brain."""

    def hands_brain_to(self, layer: nn.Module) -> bool:
        """Whether a layer is called with the brain."""
        return isinstance(layer, GlobalAveragePool)


CONTAINERS: dict[BrainUse, type[nn.Sequential]] = {
    "features": BrainSequential,
    "pooling": PooledOverBrain,
    "off": nn.Sequential,
}
"""What layers are joined by."""


def takes_brain(model: nn.Module) -> bool:
    """Whether a network, or a part of it, is called with the brain as its second argument."""
    return getattr(model, "takes_brain", False) is True


def inputs_of(model: nn.Module, pictures: Tensor, brain: Tensor) -> tuple[Tensor, ...]:
    """What a network is called with: the pictures, and the brain in them if it takes it.

    Args:
        model: any network.
        pictures: (B, C, H, W), or volumes (B, C, D, H, W).
        brain: (B, H, W) or (B, 1, H, W), of volumes with D too; of any type.
    """
    if not takes_brain(model):
        return (pictures,)
    return pictures, (brain if brain.ndim == pictures.ndim else brain[:, None]).to(torch.float32)


def _check(features: Tensor, brain: Tensor | None) -> None:
    if brain is None:
        raise InputError(
            "network: found pictures without the brain in them; expected both, as it was built to see the brain alone; "
            "call it as network(pictures, brain), brain (B, 1, rows, columns) with 1 inside and 0 outside."
        )
    fits = brain.ndim == features.ndim and brain.shape[:2] == (len(features), 1)
    if not fits or any(
        there < wanted for there, wanted in zip(brain.shape[2:], features.shape[2:], strict=False)
    ):
        raise InputError(
            f"network, brain: found shape {tuple(brain.shape)} for pictures or features of shape "
            f"{tuple(features.shape)}; expected ({len(features)}, 1, {'slices, ' * (features.ndim == 5)}rows, "
            "columns), with at least as many along each axis; give a mask at the resolution of the pictures."
        )
