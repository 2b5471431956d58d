"""Ablation-CAM: channels weighted by the loss of score without each of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stratacam.cam.feature_map import TokensToGrid
from stratacam.cam.layers import split_call
from stratacam.cam.passes import forward_maps, sum_of_channels
from stratacam.cam.scores import Target
from stratacam.cam.tap import Tap
from stratacam.cam.task import RawMaps, Task


def ablationcam(task: Task) -> RawMaps:
    """Ablation-CAM: sum_k w_k A_k with w_k = y - y_k, where y_k is the logit with channel k set to 0.

    S. Desai and H. G. Ramaswamy, "Ablation-CAM: visual explanations for deep convolutional network via
    gradient-free localization" (2020). There the difference is divided by y, which scales the map
    and turns it over where the logit is negative; here it stays in the unit of the logit. The network runs once
    for every channel, `task.batch_size` channels at a time.
    """

    def one_image(tap: Tap, activation: Tensor, index: int, target: Target) -> Tensor:
        def scores(times: int) -> Tensor:
            return target.score(
                task.run(task.inputs.repeat(index, times)), target.classes[index].expand(times, -1)
            )

        whole, found = scores(1), []
        for channels in torch.split(torch.arange(len(activation), device=activation.device), task.batch_size):
            with _ablated(task.twin.model, tap, channels):
                found.append(scores(len(channels)))
        weights = (whole - torch.cat(found)).float()
        return sum_of_channels(weights.T[None], activation[None])[0]

    return forward_maps(task, one_image)


@contextmanager
def _ablated(model: nn.Module, tap: Tap, channels: Tensor) -> Iterator[None]:
    """Within this context, channel `channels[i]` of image i is 0 in the layer's output."""
    path, wanted = split_call(tap.name)
    calls = 0

    def ablate(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls != (wanted or 1):
            return output
        if tap.tokens_to_grid:
            return output.masked_fill(_made_of(output, channels, tap.tokens_to_grid), 0)
        ablated = output.clone()
        ablated[torch.arange(len(channels), device=channels.device), channels] = 0
        return ablated

    hook = model.get_submodule(path).register_forward_hook(ablate)
    try:
        yield
    finally:
        hook.remove()


def _made_of(output: Tensor, channels: Tensor, to_grid: TokensToGrid) -> Tensor:
    """Which tokens' values become channel `channels[i]` of image i on the grid: those that its gradient reaches."""
    with torch.enable_grad():
        values = output.detach().requires_grad_()
        chosen = to_grid(values)[torch.arange(len(channels), device=channels.device), channels].sum()
        (reached,) = torch.autograd.grad(chosen, values)
    return reached != 0
