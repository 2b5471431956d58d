"""Time and memory of all layers' maps against those of one forward and one backward to the activations."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks.card import networks
from benchmarks.card.precision import PRECISIONS, computing_in
from stratacam import cam
from stratacam.cam.inputs import read_inputs
from stratacam.cam.methods import find_method, make_maps
from stratacam.cam.scores import choose_target
from stratacam.cam.trial import Trial

FORMATS = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}
TIMED = ("gradcam", "layercam", "multiscale_gradcam")
WARM_UP = 3

Run = Callable[[nn.Module, tuple[Tensor, ...], Sequence[str], str], object]


@dataclass(frozen=True)
class Cost:
    """Of the maps of all layers for one batch: medians in milliseconds, and bytes at the peak above the model.

    Attributes:
        precision: of the card.
        memory_format: of images and kernels.
        batch: number of images.
        method: of the maps.
        floor: time of one forward and one backward to the activations.
        captured: time until the raw maps lie on the card.
        delivered: time of `stratacam.explain`, until they are in the host's memory.
        floor_bytes: of the floor.
        bytes: of `stratacam.explain`.
    """

    precision: str
    memory_format: str
    batch: int
    method: str
    floor: float
    captured: float
    delivered: float
    floor_bytes: int
    bytes: int


def floor(model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[str], _method: str) -> list[Tensor]:
    """The gradients of the predicted classes' logits at the layers' outputs, with nothing made of them."""
    activations: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        activations.append(output if output.requires_grad else output.requires_grad_())

    hooks = [model.get_submodule(name).register_forward_hook(keep) for name in layers]
    try:
        logits = model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    score = logits.gather(1, logits.detach().argmax(dim=1, keepdim=True)).sum()
    return list(torch.autograd.grad(score, activations))


def capture(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[str], method: str
) -> dict[str, Tensor]:
    """The raw maps on the card, as `explain` makes them."""
    whole = read_inputs(inputs, None, None)
    target = partial(choose_target, classes="predicted", images=whole.count)
    trial = Trial(model, dict.fromkeys(layers, True), target, None, whole.count)
    return trial.maps(whole, partial(make_maps, methods={method: find_method(method)}))[method].raw


def explained(
    model: nn.Module, inputs: tuple[Tensor, ...], layers: Sequence[str], method: str
) -> cam.Explanation:
    """The maps in the host's memory."""
    return cam.explain(model, inputs, layers=layers, method=method, batch_size=len(inputs[0]))


def measure(chosen: argparse.Namespace, device: torch.device, go_on: Callable[[], bool]) -> Iterator[Cost]:
    """Every precision, memory format, batch and method, as long as `go_on()`."""
    plain = networks.make(chosen.network).requires_grad_(False)
    layers = [layer.name for layer in cam.list_layers(plain, networks.inputs(chosen.network, 1, 32))]
    for batch, memory_format, precision in product(sorted(chosen.batches, reverse=True), FORMATS, PRECISIONS):
        if not go_on():
            break
        model = plain.to(device)
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=FORMATS[memory_format])
        images, *others = networks.inputs(chosen.network, batch, chosen.size)
        inputs = (
            images.to(device, memory_format=FORMATS[memory_format]),
            *(one.to(device) for one in others),
        )
        runs: dict[str, Callable[[], object]] = {"floor": partial(floor, model, inputs, layers, "")}
        for method in TIMED:
            runs[f"captured {method}"] = partial(capture, model, inputs, layers, method)
            runs[f"delivered {method}"] = partial(explained, model, inputs, layers, method)
        with computing_in(precision, device):
            times = take_turns(runs, device, chosen.rounds)
            peaks = {name: peak(run, device) for name, run in runs.items()}
        for method in TIMED:
            yield Cost(
                precision,
                memory_format,
                batch,
                method,
                times["floor"],
                times[f"captured {method}"],
                times[f"delivered {method}"],
                peaks["floor"],
                peaks[f"delivered {method}"],
            )


def take_turns(runs: dict[str, Callable[[], object]], device: torch.device, rounds: int) -> dict[str, float]:
    """Median milliseconds of each, one call each per round after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(WARM_UP + rounds):
        for name, run in runs.items():
            taken = milliseconds(run, device)
            if number >= WARM_UP:
                times[name].append(taken)
    return {name: median(values) for name, values in times.items()}


def milliseconds(run: Callable[[], object], device: torch.device) -> float:
    """Of one call, by the card's own events; of a CPU by the clock."""
    if device.type != "cuda":
        begun = time.perf_counter()
        run()
        return 1000 * (time.perf_counter() - begun)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize(device)
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def peak(run: Callable[[], object], device: torch.device) -> int:
    """Bytes that torch has on the card at the most, above what was there before; 0 on a CPU."""
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before
