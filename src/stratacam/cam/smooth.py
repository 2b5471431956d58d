"""Averages of raw maps over noisy copies of the images."""

from collections.abc import Callable
from dataclasses import replace

import torch

from stratacam.cam.task import RawMaps, Task


def smoothed(
    task: Task, make_maps: Callable[[Task], dict[str, RawMaps]], copies: int, noise: float, seed: int
) -> dict[str, RawMaps]:
    """By method, the mean of the raw maps over noisy copies of each image, for the classes of the image itself.

    D. Smilkov et al., "SmoothGrad: removing noise by adding noise" (2017).

    Args:
        task: the batch.
        make_maps: raw maps by method.
        copies: noisy copies of each image, at least 1.
        noise: standard deviation as a share of each image's range, from its lowest to its highest value.
        seed: of the noise, which is the same for every image: a map depends neither on the other images nor on
            where in the batch its own stands. It is drawn on the CPU, so that every device has the same.
    """
    with torch.no_grad():
        target = task.target(replace(task, layers={}, inputs=task.inputs.copied(None)).capture())
    image = task.inputs.image
    flat = image.flatten(1)
    deviation = noise * (flat.amax(dim=1) - flat.amin(dim=1)).reshape(-1, *[1] * (image.ndim - 1))
    generator = torch.Generator(device="cpu").manual_seed(seed)

    def of_noisy_copy() -> dict[str, RawMaps]:
        drawn = torch.randn(image.shape[1:], generator=generator, dtype=torch.float32, device="cpu").to(image)
        inputs = task.inputs.copied(None).with_image(image + deviation * drawn)  # the model may change them
        return make_maps(replace(task, inputs=inputs, target=lambda _: target))

    total = of_noisy_copy()
    for _ in range(copies - 1):
        again = of_noisy_copy()
        total = {name: _add(maps, again[name]) for name, maps in total.items()}
    return {name: _divided(maps, copies) for name, maps in total.items()}


def _divided(maps: RawMaps, copies: int) -> RawMaps:
    return replace(maps, raw={name: values / copies for name, values in maps.raw.items()})


def _add(one: RawMaps, other: RawMaps) -> RawMaps:
    """The sum of maps; a layer that a copy did not run adds nothing."""
    raw, zero = dict(one.raw), dict(one.zero_gradient)
    for name, values in other.raw.items():
        raw[name] = raw[name] + values if name in raw else values
        zero[name] = zero[name] & other.zero_gradient[name] if name in zero else other.zero_gradient[name]
    refused = {name: reason for name, reason in one.refused.items() if name not in raw}
    return replace(one, raw=raw, zero_gradient=zero, refused=refused)
