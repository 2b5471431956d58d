"""What a network expects of its input, as its first layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Convention:
    """How pictures in [0, 1] become what the weights were trained on: `x[:, order] * scale + shift`."""

    order: tuple[int, int, int]
    scale: tuple[float, float, float]
    shift: tuple[float, float, float]


KERAS = Convention((2, 1, 0), (255.0, 255.0, 255.0), (-103.939, -116.779, -123.68))
"""BGR, 0-255, minus the ImageNet means: `keras.applications.vgg16.preprocess_input`."""

TORCHVISION = Convention(
    (0, 1, 2), (1 / 0.229, 1 / 0.224, 1 / 0.225), (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225)
)
"""RGB, 0-1, minus the ImageNet means, over the standard deviations: `torchvision.models.VGG16_Weights`."""

CENTRED = Convention((0, 1, 2), (4.0, 4.0, 4.0), (-2.0, -2.0, -2.0))
"""For weights that were never trained: [0, 1] to [-2, 2]."""


class InputConvention(nn.Module):
    """Apply a `Convention` to pictures (B, 3, H, W) in [0, 1].

    Its numbers are buffers, so they are saved and loaded with the weights they belong to.
    """

    order: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, convention: Convention) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor(convention.order))
        self.register_buffer("scale", torch.tensor(convention.scale).reshape(1, 3, 1, 1))
        self.register_buffer("shift", torch.tensor(convention.shift).reshape(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Reorder the channels, scale and shift: shape and memory format unchanged."""
        reordered = torch.empty_like(pictures).copy_(pictures.index_select(1, self.order))
        return reordered * self.scale + self.shift
