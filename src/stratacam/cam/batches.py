"""Batch by batch: what is asked for is checked, and each batch run by the methods."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn

from stratacam.cam.explanation import Explanation, LayerMaps
from stratacam.cam.feature_map import TokensToGrid, grid_maker
from stratacam.cam.inputs import read_inputs
from stratacam.cam.layers import Layers, candidate_layers, choose
from stratacam.cam.methods import Method, find_method, make_maps
from stratacam.cam.methods.input_gradient import strongest_channel
from stratacam.cam.passes import MapFunction
from stratacam.cam.running import explainable
from stratacam.cam.scores import Classes, choose_target
from stratacam.cam.smooth import smoothed
from stratacam.cam.task import RawMaps, Task
from stratacam.cam.trial import Trial
from stratacam.cam.views import causes_of, named_causes


def batches_by_method(
    model: nn.Module,
    inputs: Tensor | Sequence[Any],
    methods: Sequence[str | MapFunction],
    *,
    layers: Layers = "all",
    classes: Classes = "predicted",
    batch_size: int = 8,
    kwargs: Mapping[str, Any] | None = None,
    spatial_input: int | str | None = None,
    per_image: Sequence[int | str] | None = None,
    tokens_to_grid: Sequence[int] | TokensToGrid | None = None,
    smooth: int = 0,
    noise: float = 0.15,
    seed: int = 0,
) -> Iterator[dict[str, Explanation]]:
    """As `explain_methods`, batch by batch, see `explain_batches`."""
    _check_numbers(batch_size, smooth, noise)
    to_grid = grid_maker(tokens_to_grid)
    model = explainable(model)
    if maker := getattr(model, "maps_made_by", ""):
        raise ValueError(
            f"the model is a {type(model).__name__}, whose maps are not those of one network; expected a network: call "
            f"{maker}."
        )
    whole = read_inputs(inputs, kwargs, spatial_input, per_image)
    found = _by_name(methods)
    at_input = [name for name, method in found.items() if method.kind.at_input]
    if at_input and len(at_input) < len(found):
        raise ValueError(
            f"methods: found {', '.join(found)}; {', '.join(at_input)} {'is' if len(at_input) == 1 else 'are'} of the "
            "input, and the others of layers: ask for them apart."
        )
    if at_input and layers != "all":
        raise ValueError(
            f"layers: found {layers!r}; {at_input[0]} is of the input and takes no layers: leave layers out."
        )
    chosen = {} if at_input else choose(model, layers)
    if not chosen and not at_input:
        raise ValueError(f"layers is empty; the layers are: {', '.join(candidate_layers(model))}.")
    target = partial(choose_target, classes=classes, images=whole.count)
    repeats = any(method.kind.repeats for method in found.values())
    trial = Trial(model, chosen, target, to_grid, batch_size, repeats)
    if whole.uncertain() and (whole.count > batch_size or repeats):
        whole = trial.cut(whole)
    make = partial(make_maps, methods=found)

    def of_batch(task: Task) -> dict[str, RawMaps]:
        maps = smoothed(task, make, smooth, noise, seed) if smooth else make(task)
        return {name: _strongest(one) for name, one in maps.items()} if at_input else maps

    for part in whole.batches(batch_size):
        maps = trial.maps(part, of_batch)
        of_all = next(iter(maps.values())).target
        if part.count < whole.count and (of_all.bag or trial.is_bag(part, whole, of_all)):
            yield _results(trial.maps(whole, of_batch))  # one score for all images needs them all
            return
        yield _results(maps)


def _by_name(methods: Sequence[str | MapFunction]) -> dict[str, Method]:
    """Methods by their names, in the order given."""
    if isinstance(methods, str):
        raise TypeError(f"methods: found the text {methods!r}; expected a list, such as [{methods!r}].")
    methods = list(methods)
    names = [
        method if isinstance(method, str) else getattr(method, "__name__", "custom method")
        for method in methods
    ]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"methods: found {', '.join(names) or 'none'}; expected one or more, each of a name of its own."
        )
    return dict(zip(names, map(find_method, methods), strict=True))


def _strongest(maps: RawMaps) -> RawMaps:
    return replace(maps, raw={name: strongest_channel(values) for name, values in maps.raw.items()})


def _check_numbers(batch_size: object, smooth: object, noise: object) -> None:
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise ValueError(f"batch_size: found {batch_size!r}; expected a whole number of at least 1.")
    if not isinstance(smooth, Integral) or smooth < 0:
        raise ValueError(f"smooth: found {smooth!r}; expected a whole number of at least 0.")
    if not isinstance(noise, Real) or noise < 0:
        raise ValueError(f"noise: found {noise!r}; expected a number of at least 0.")


def _results(maps: Mapping[str, RawMaps]) -> dict[str, Explanation]:
    """What methods found on a batch, in the host's memory."""
    found: dict[str, Explanation] = {}
    for method, one in maps.items():
        found[method] = _result(one, method, settle=not found)  # all methods have the same scores
    return found


def _result(maps: RawMaps, method: str, *, settle: bool) -> Explanation:
    names = list(maps.raw)
    raw = [maps.raw[name].float() for name in names]
    causes = [causes_of(raw, [maps.zero_gradient[name] for name in names])] if names else []
    doubt = maps.target.doubt if settle else None
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
        left_out=dict(maps.refused),
    )


def _on_host(values: Sequence[Tensor]) -> list[Tensor]:
    """The tensors in the host's memory, after one wait for all that come from a graphics card."""
    copies = [value.to("cpu", non_blocking=value.is_cuda) for value in values]
    for device in {value.device for value in values if value.is_cuda}:
        torch.cuda.current_stream(device).synchronize()
    return copies
