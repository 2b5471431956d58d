"""The call: maps of chosen layers and classes for a batch of images."""

from collections.abc import Iterator, Mapping, Sequence
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
from stratacam.cam.methods import find_method
from stratacam.cam.methods.input_gradient import strongest_channel
from stratacam.cam.passes import MapFunction
from stratacam.cam.running import explainable
from stratacam.cam.scores import Classes, choose_target
from stratacam.cam.smooth import smoothed
from stratacam.cam.tap import LayerError
from stratacam.cam.task import RawMaps, Task
from stratacam.cam.trial import Trial
from stratacam.cam.views import causes_of, named_causes


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
    per_image: Sequence[int | str] | None = None,
    tokens_to_grid: Sequence[int] | TokensToGrid | None = None,
    smooth: int = 0,
    noise: float = 0.15,
    seed: int = 0,
) -> Explanation:
    """Maps of every chosen layer and class: by gradients in one forward and one backward per class.

    What is run is a twin of the model, in evaluation mode with frozen parameters: the model itself stays as it is. It
    may be in training mode, frozen, compiled, wrapped for several devices, under autocast, and the caller under
    `no_grad` or `inference_mode`. What a layer gave is what the layer itself gave, also where the next operation
    changes it in place.

    Args:
        model: any network. Where it ends in softmax, log-softmax or sigmoid, the logits before are explained.
        inputs: images (B, channels, *spatial) with 1 to 3 axes, or a sequence of the model's positional
            arguments. Batches are moved to the model's device.
        layers: see `match_layers`. A layer that is named and has no map is an error; one that a pattern
            matches is left out, see `Explanation.left_out`.
        classes: "predicted"; "all"; one class index; one index, or a list of as many indices, per image; or a
            function from what the model gives to the scores (B,) or (B, C) to explain, which is also given the
            positions (B,) of these images among all if it takes two arguments. The single logit of a binary
            network is that of class 1, and its negative that of class 0. Where a model gives one row for several
            images, they are one bag: all run at once, and each has its map of that one score.
        method: one of `METHODS`, or a function from activation and gradient (B, channels, *spatial) to maps
            (B, *spatial). Methods at the input take no layers and give one, "input".
        batch_size: images that go through the network at once; it bounds the memory.
        kwargs: the model's arguments by name.
        spatial_input: position or name of the argument that maps lie on; the first image if absent.
        per_image: positions and names of the other arguments that have an entry for each image (tensors, arrays,
            lists, or dictionaries of these), which are cut with the batch. If absent, masks and other tensors of the
            images' positions are cut, and further arguments with as many entries as there are images where the
            model's own scores show that they have to be.
        tokens_to_grid: for layers whose output is not on the image as it is. For token models the grid (rows,
            columns) of the tokens, before which there may be one for the class. Or a function from what a layer
            gives, such as tokens (B, T, D), or frames folded into the batch (B x T, channels, *spatial), to a
            feature map (B, channels, *spatial) with 1 to 3 axes.
        smooth: number of noisy copies of each image to average raw maps over; 0: the image itself. Classes and
            logits are those of the image itself. D. Smilkov et al., "SmoothGrad" (2017).
        noise: standard deviation of the copies' Gaussian noise, as a share of each image's range.
        seed: of the noise.

    Returns:
        Maps at each layer's own resolution, on the CPU.

    Raises:
        ValueError: if layers, classes, method or inputs are not the model's.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
        >>> explain(model, torch.rand(4, 1, 6, 5), classes="all")["0"].raw.shape
        torch.Size([4, 3, 6, 5])
    """
    arguments = locals()  # all of them, under the same names
    found = join(list(explain_batches(**arguments)))
    for name, reason in found.left_out.items():
        if choose(explainable(model), layers).get(name):
            raise LayerError(name, reason)
    if not found.maps:
        reasons = " ".join(f"{name} {reason}" for name, reason in found.left_out.items())
        raise ValueError(f"none of the layers has a map: {reasons}")
    return found


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
    per_image: Sequence[int | str] | None = None,
    tokens_to_grid: Sequence[int] | TokensToGrid | None = None,
    smooth: int = 0,
    noise: float = 0.15,
    seed: int = 0,
) -> Iterator[Explanation]:
    """As `explain`, batch by batch, so that only one batch of maps is held at a time.

    The model may be used, and trained, between batches, and the rest be left. A layer that was not run on a batch
    is left out of it, also where it was named.
    """
    _check_numbers(batch_size, smooth, noise)
    to_grid = grid_maker(tokens_to_grid)
    model = explainable(model)
    if maker := getattr(model, "maps_made_by", ""):
        raise ValueError(
            f"the model is a {type(model).__name__}, whose maps are not those of one network; expected a network: call "
            f"{maker}."
        )
    whole = read_inputs(inputs, kwargs, spatial_input, per_image)
    found = find_method(method)
    name = method if isinstance(method, str) else getattr(method, "__name__", "custom method")
    if found.kind.at_input and layers != "all":
        raise ValueError(
            f"layers: found {layers!r}; {method} is of the input and takes no layers: leave layers out."
        )
    chosen = {} if found.kind.at_input else choose(model, layers)
    if not chosen and not found.kind.at_input:
        raise ValueError(f"layers is empty; the layers are: {', '.join(candidate_layers(model))}.")
    target = partial(choose_target, classes=classes, images=whole.count)
    trial = Trial(model, chosen, target, to_grid, batch_size, found.kind.repeats)
    if whole.uncertain() and (whole.count > batch_size or found.kind.repeats):
        whole = trial.cut(whole)

    def of_batch(task: Task) -> RawMaps:
        maps = smoothed(task, found.make_maps, smooth, noise, seed) if smooth else found.make_maps(task)
        if found.kind.at_input:
            maps = replace(maps, raw={name: strongest_channel(values) for name, values in maps.raw.items()})
        return maps

    for part in whole.batches(batch_size):
        maps = trial.maps(part, of_batch)
        if part.count < whole.count and (maps.target.bag or trial.is_bag(part, whole, maps.target)):
            yield _result(trial.maps(whole, of_batch), name)  # one score for all images needs them all
            return
        yield _result(maps, name)


def _check_numbers(batch_size: object, smooth: object, noise: object) -> None:
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise ValueError(f"batch_size: found {batch_size!r}; expected a whole number of at least 1.")
    if not isinstance(smooth, Integral) or smooth < 0:
        raise ValueError(f"smooth: found {smooth!r}; expected a whole number of at least 0.")
    if not isinstance(noise, Real) or noise < 0:
        raise ValueError(f"noise: found {noise!r}; expected a number of at least 0.")


def _result(maps: RawMaps, method: str) -> Explanation:
    names = list(maps.raw)
    raw = [maps.raw[name].float() for name in names]
    causes = [causes_of(raw, [maps.zero_gradient[name] for name in names])] if names else []
    doubt = maps.target.doubt
    checks = [doubt.checks] if doubt else []
    logits, classes, *found = _on_host(
        [maps.target.logits.float(), maps.target.classes, *checks, *causes, *raw]
    )
    if doubt:
        replace(doubt, checks=found.pop(0)).settle()
    blank = dict(zip(names, map(named_causes, found.pop(0)), strict=True)) if names else {}
    return Explanation(
        logits=logits,
        classes=classes,
        maps={name: LayerMaps(name, values, blank[name]) for name, values in zip(names, found, strict=True)},
        method=method,
        left_out=maps.refused,
    )


def _on_host(values: Sequence[Tensor]) -> list[Tensor]:
    """The tensors in the host's memory, after one wait for all that come from a graphics card."""
    copies = [value.to("cpu", non_blocking=value.is_cuda) for value in values]
    for device in {value.device for value in values if value.is_cuda}:
        torch.cuda.current_stream(device).synchronize()
    return copies
