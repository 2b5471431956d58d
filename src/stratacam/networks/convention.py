"""What a network expects of its input, as its first layer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stratacam.errors import InputError
from stratacam.networks.masked import within


@dataclass(frozen=True)
class Convention:
    """How pictures in [0, 1] become what the weights were trained on: `x[:, order] * scale + shift`."""

    order: tuple[int, ...]
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def for_channels(self, channels: int) -> "Convention":
        """The same for another number of channels, each scaled and shifted by the mean over the channels here."""
        if channels == len(self.order):
            return self
        scale, shift = (sum(values) / len(values) for values in (self.scale, self.shift))
        return Convention(tuple(range(channels)), (scale,) * channels, (shift,) * channels)


KERAS = Convention((2, 1, 0), (255.0, 255.0, 255.0), (-103.939, -116.779, -123.68))
"""BGR, 0-255, minus the ImageNet means: `preprocess_input` of Keras's first networks."""

TORCHVISION = Convention(
    (0, 1, 2), (1 / 0.229, 1 / 0.224, 1 / 0.225), (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225)
)
"""RGB, 0-1, minus the ImageNet means, over the standard deviations: the `transforms` of torchvision's weights."""

CENTRED = Convention((0, 1, 2), (4.0, 4.0, 4.0), (-2.0, -2.0, -2.0))
"""For weights that were never trained: [0, 1] to [-2, 2]."""


class InputConvention(nn.Module):
    """Apply a `Convention` to pictures (B, C, H, W), or volumes (B, C, D, H, W), in [0, 1].

    Its numbers are buffers, so they are saved and loaded with the weights they belong to.
    """

    order: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, convention: Convention, dimensions: int = 2) -> None:
        super().__init__()
        self.dimensions = dimensions
        over = (1, -1, *[1] * dimensions)
        self.register_buffer("order", torch.tensor(convention.order))
        self.register_buffer("scale", torch.tensor(convention.scale).reshape(over))
        self.register_buffer("shift", torch.tensor(convention.shift).reshape(over))

    def forward(self, pictures: Tensor, brain: Tensor | None = None) -> Tensor:
        """Reorder the channels, scale and shift, with 0 outside the brain: shape and memory format unchanged.

        Raises:
            InputError: the pictures have another number of channels.
        """
        channels = len(self.order)
        if pictures.ndim != 2 + self.dimensions or pictures.shape[1] != channels:
            raise InputError(
                f"pictures: found shape {tuple(pictures.shape)}; expected (B, {channels}, "
                f"{'rows, columns' if self.dimensions == 2 else 'slices, rows, columns'}), for which the network was "
                "built; give such pictures, or build it for others."
            )
        reordered = torch.empty_like(pictures).copy_(pictures.index_select(1, self.order))
        return within(reordered * self.scale + self.shift, brain)
