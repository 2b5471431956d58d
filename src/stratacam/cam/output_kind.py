"""Whether what a network gives is made of probabilities, read off the operations that gave it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.cam.capture import capture
from stratacam.cam.inputs import read_inputs
from stratacam.cam.origin import PROBABILITIES
from stratacam.cam.running import device_of, explainable
from stratacam.cam.twin import twin_of


def gives_squashed(model: nn.Module, example: Tensor | Sequence[Any]) -> bool:
    """Whether a model's output is what a softmax, sigmoid, exponential or the like gave, however it is scaled.

    Args:
        model: any network that gives a tensor.
        example: one batch of input as `explain` takes it; its first image is run.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> image = torch.rand(1, 1, 8, 8)
        >>> gives_squashed(model, image), gives_squashed(nn.Sequential(model, nn.Sigmoid()), image)
        (False, True)
    """
    model = explainable(model)
    inputs = read_inputs(example, None, None)
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        twin_of(model, channels_last=False, private=True) as twin,
    ):
        captured = capture(twin, inputs.take([0]).copied(device_of(twin.model)), {}, None)
    return captured.origins.kind_of(captured.output) == PROBABILITIES
