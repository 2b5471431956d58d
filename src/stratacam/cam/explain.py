"""The call: maps of chosen layers and classes for a batch of images."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from torch import Tensor, nn

from stratacam.cam.batches import batches_by_method
from stratacam.cam.explanation import Explanation, join
from stratacam.cam.feature_map import TokensToGrid
from stratacam.cam.layers import Layers, choose
from stratacam.cam.passes import MapFunction
from stratacam.cam.running import explainable
from stratacam.cam.scores import Classes
from stratacam.cam.tap import LayerError


class Options(TypedDict, total=False):
    """What `explain` takes beside a model, inputs and a method."""

    layers: Layers
    classes: Classes
    batch_size: int
    kwargs: Mapping[str, Any] | None
    spatial_input: int | str | None
    per_image: Sequence[int | str] | None
    tokens_to_grid: Sequence[int] | TokensToGrid | None
    smooth: int
    noise: float
    seed: int


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
    options = Options(
        layers=layers,
        classes=classes,
        batch_size=batch_size,
        kwargs=kwargs,
        spatial_input=spatial_input,
        per_image=per_image,
        tokens_to_grid=tokens_to_grid,
        smooth=smooth,
        noise=noise,
        seed=seed,
    )
    (found,) = explain_methods(model, inputs, [method], **options).values()
    return found


def explain_methods(
    model: nn.Module,
    inputs: Tensor | Sequence[Any],
    methods: Sequence[str | MapFunction],
    **options: Unpack[Options],
) -> dict[str, Explanation]:
    """As `explain` by each method, for little more than one costs: methods by gradients share forward and backward.

    Args:
        model: see `explain`, as all but `methods`.
        inputs: images.
        methods: names or functions; those at the input only among their like.

    Returns:
        By a method's name, or a function's.

    Raises:
        ValueError: as by `explain`; or two methods have the same name, or there is none.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
        >>> list(explain_methods(model, torch.rand(4, 1, 6, 5), ["gradcam", "layercam"]))
        ['gradcam', 'layercam']
    """
    parts = list(batches_by_method(model, inputs, methods, **options))
    found = {name: join([part[name] for part in parts]) for name in parts[0]}
    for one in found.values():
        for name, reason in one.left_out.items():
            if choose(explainable(model), options.get("layers", "all")).get(name):
                raise LayerError(name, reason)
        if not one.maps:
            reasons = " ".join(f"{name} {reason}" for name, reason in one.left_out.items())
            raise ValueError(f"none of the layers has a map: {reasons}")
    return found


def explain_batches(
    model: nn.Module,
    inputs: Tensor | Sequence[Any],
    *,
    method: str | MapFunction = "gradcam",
    **options: Unpack[Options],
) -> Iterator[Explanation]:
    """As `explain`, batch by batch, so that only one batch of maps is held at a time.

    The model may be used, and trained, between batches, and the rest be left. A layer that was not run on a batch
    is left out of it, also where it was named.
    """
    for found in batches_by_method(model, inputs, [method], **options):
        yield from found.values()
