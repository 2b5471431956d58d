"""The call: maps of chosen layers and classes for a batch of images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.cam.explanation import Explanation, LayerMaps, join
from stratacam.cam.feature_map import TokensToGrid, grid_maker
from stratacam.cam.inputs import read_inputs
from stratacam.cam.layers import Layers, candidate_layers, choose
from stratacam.cam.methods import INPUT, method_pass
from stratacam.cam.methods.input_gradient import strongest_channel
from stratacam.cam.passes import MapFunction, RawMaps, Task
from stratacam.cam.running import channels_last_weights, device_of, evaluating, explainable
from stratacam.cam.scores import Classes, choose_target
from stratacam.cam.smooth import smoothed
from stratacam.cam.views import blank_cause


def explain(
    model: nn.Module,
    inputs: Tensor | Sequence[Any],
    *,
    layers: Layers = "all",
    classes: Classes = "predicted",
    method: str | MapFunction = "gradcam",
    batch_size: int = 8,
    kwargs: Mapping[str, Any] | None = None,
    spatial_input: int | str | None = None,
    tokens_to_grid: Sequence[int] | TokensToGrid | None = None,
    smooth: int = 0,
    noise: float = 0.15,
    seed: int = 0,
) -> Explanation:
    """Maps of every chosen layer and class: by gradients in one forward and one backward per class.

    The model is used in evaluation mode with frozen parameters and put back as it was, also after an error. It
    may be in training mode, frozen, compiled, under autocast, and the caller under `no_grad` or
    `inference_mode`. What a layer gave is what the layer itself gave, also where the next operation changes it
    in place.

    Args:
        model: any network. Where it ends in softmax, log-softmax or sigmoid, the logits before are explained.
        inputs: images (B, channels, *spatial) with 1 to 3 axes, or a sequence of the model's positional
            arguments. A tensor as long as the batch is cut with it; batches are moved to the model's device.
        layers: see `match_layers`. A layer that is named and has no map is an error; one that a pattern
            matches is left out, see `Explanation.left_out`.
        classes: "predicted"; "all"; one class index; one index, or a list of as many indices, per image; or a
            function from what the model gives to the scores (B,) or (B, C) to explain. The single logit of a
            binary network is that of class 1, and its negative that of class 0.
        method: one of `METHODS`, or a function from activation and gradient (B, channels, *spatial) to maps
            (B, *spatial). Methods at the input take no layers and give one, "input".
        batch_size: images that go through the network at once; it bounds the memory.
        kwargs: the model's arguments by name.
        spatial_input: position or name of the argument that maps lie on; the first image if absent.
        tokens_to_grid: for token models: the grid (rows, columns) of the tokens, before which there may be one for
            the class; or a function from what the layers give, such as tokens (B, T, D), to a feature map (B, D,
            *spatial).
        smooth: number of noisy copies of each image to average raw maps over; 0: the image itself. Classes and
            logits are those of the image itself. D. Smilkov et al., "SmoothGrad" (2017).
        noise: standard deviation of the copies' Gaussian noise, as a share of each image's range.
        seed: of the noise.

    Returns:
        Maps at each layer's own resolution, on the CPU.

    Raises:
        ValueError: if layers, classes, method or inputs are not the model's.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
        >>> explain(model, torch.rand(4, 1, 6, 5), classes="all")["0"].raw.shape
        torch.Size([4, 3, 6, 5])
    """
    return join(
        list(
            explain_batches(
                model,
                inputs,
                layers=layers,
                classes=classes,
                method=method,
                batch_size=batch_size,
                kwargs=kwargs,
                spatial_input=spatial_input,
                tokens_to_grid=tokens_to_grid,
                smooth=smooth,
                noise=noise,
                seed=seed,
            )
        )
    )


def explain_batches(
    model: nn.Module,
    inputs: Tensor | Sequence[Any],
    *,
    layers: Layers = "all",
    classes: Classes = "predicted",
    method: str | MapFunction = "gradcam",
    batch_size: int = 8,
    kwargs: Mapping[str, Any] | None = None,
    spatial_input: int | str | None = None,
    tokens_to_grid: Sequence[int] | TokensToGrid | None = None,
    smooth: int = 0,
    noise: float = 0.15,
    seed: int = 0,
) -> Iterator[Explanation]:
    """As `explain`, batch by batch, so that only one batch of maps is held at a time.

    The model is as it was whenever a batch is handed out, so that it may be used, or the rest be left.
    """
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r} must be a whole number of at least 1.")
    if not isinstance(smooth, Integral) or smooth < 0:
        raise ValueError(f"smooth={smooth!r} must be a whole number, and not negative.")
    if not isinstance(noise, Real) or noise < 0:
        raise ValueError(f"noise={noise!r} must be a number, and not negative.")
    to_grid = grid_maker(tokens_to_grid)
    model = explainable(model)
    whole = read_inputs(inputs, kwargs, spatial_input)
    at_input = isinstance(method, str) and method in INPUT
    if at_input and layers != "all":
        raise ValueError(f"method={method!r} is of the input and takes no layers; leave layers out.")
    make_maps = method_pass(method)
    name = method if isinstance(method, str) else getattr(method, "__name__", "own method")
    chosen = {} if at_input else choose(model, layers)
    if not chosen and not at_input:
        raise ValueError(f"layers is empty; the layers are: {', '.join(candidate_layers(model))}.")
    channels_last = True
    start = 0
    for part in whole.batches(batch_size):
        target = partial(choose_target, classes=classes, images=whole.count, start=start)
        task = Task(model, part, chosen, target, to_grid, batch_size)
        copies = (smooth, noise, seed)
        try:
            maps = _run(task, make_maps, *copies, channels_last=channels_last)
        except RuntimeError as fault:
            # Networks that flatten with `view` cannot have channels last, and say so.
            if not channels_last or "view size is not compatible" not in str(fault):
                raise
            channels_last = False
            maps = _run(task, make_maps, *copies, channels_last=channels_last)
        start += part.count
        yield _result(maps, name)


def _run(
    task: Task,
    make_maps: Callable[[Task], RawMaps],
    smooth: int,
    noise: float,
    seed: int,
    *,
    channels_last: bool,
) -> RawMaps:
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(evaluating(task.model))
        inputs = task.inputs.copied(device_of(task.model))
        if channels_last and inputs.faster_channels_last:
            inputs = inputs.channels_last()
            stack.enter_context(channels_last_weights(task.model))
        task = replace(task, inputs=inputs)
        return smoothed(task, make_maps, smooth, noise, seed) if smooth else make_maps(task)


def _result(maps: RawMaps, method: str) -> Explanation:
    if method in INPUT:
        maps = replace(maps, raw={name: strongest_channel(values) for name, values in maps.raw.items()})
    if not maps.raw:
        reasons = " ".join(f"{name} {reason}" for name, reason in maps.refused.items())
        raise ValueError(f"none of the layers has a map: {reasons}")
    return Explanation(
        logits=maps.target.logits.float().cpu(),
        classes=maps.target.classes.cpu(),
        maps={
            name: LayerMaps(name, raw.float().cpu(), blank_cause(raw, maps.zero_gradient[name]))
            for name, raw in maps.raw.items()
        },
        method=method,
        left_out=maps.refused,
    )
