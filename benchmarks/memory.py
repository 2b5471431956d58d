"""Peak memory of one contestant above the loaded model, in a process of its own, in two ways.

Resident: the kernel's high-water mark of the process (VmHWM), reset after a warm-up at a tiny size, less what
was resident then. It counts everything, numpy's and oneDNN's scratch too, and whatever the allocator did not
give back. Where the mark cannot be reset, VmRSS is sampled every 2 ms instead.
Allocated: torch's own allocations and releases, summed to a running peak. It counts tensors only, exactly.
The difference of the two is scratch, numpy and fragmentation.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import contestants, models
from benchmarks.peers import find_peers

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**18)}
"""Memory of large blocks goes back to the system when it is freed, so that the warm-up leaves none behind."""

TINY = 32
"""Pixels of the warm-up, which loads kernels and libraries."""


@dataclass(frozen=True)
class Peak:
    """Bytes above the loaded model at the peak of one call.

    Attributes:
        resident: of the process, as the kernel counts.
        allocated: by torch.
        way: how `resident` was found, "VmHWM" or "VmRSS".
    """

    resident: int
    allocated: int
    way: str


def peak(name: str, *, architecture: str, batch: int, size: int, memory_format: str, threads: int) -> Peak:
    """Measure the contestant called `name` in a new process."""
    arguments = [name, architecture, str(batch), str(size), memory_format, str(threads)]
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | ALLOCATOR)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")
    return Peak(**json.loads(done.stdout.splitlines()[-1]))


def kept_by_floor(architecture: str, batch: int, size: int) -> dict[str, int]:
    """Bytes that the floor keeps for its backward: every layer's output, and where each pool's maximum was."""
    kept = {"activations": 0, "indices of the maxima": 0}

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept["activations"] += output.numel() * output.element_size()
        if isinstance(module, nn.MaxPool2d):
            kept["indices of the maxima"] += output.numel() * torch.int64.itemsize

    model = models.network(architecture)
    hooks = [model.get_submodule(name).register_forward_hook(count) for name in models.layers(architecture)]
    with torch.inference_mode():
        model(models.images(1, size, "contiguous"))
    for hook in hooks:
        hook.remove()
    return {piece: batch * found for piece, found in kept.items()}


def resident_peak(run: Callable[[], object]) -> tuple[int, str]:
    """Bytes by which `run` raises the resident memory of this process at its peak, and the way it was found."""
    before = _status("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _sampled_peak(run) - before, "VmRSS"
    run()
    return _status("VmHWM") - before, "VmHWM"


def allocated_peak(run: Callable[[], object]) -> int:
    """Bytes by which torch's allocations in `run` stand above its releases at their peak."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        result = run()
    del result
    profiler = profile.profiler
    if profiler is None or profiler.kineto_results is None:
        raise RuntimeError("the profiler of torch gave no events.")
    events = [event for event in profiler.kineto_results.events() if event.name() == "[memory]"]
    held = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        highest = max(highest, held)
    return highest


def _sampled_peak(run: Callable[[], object]) -> int:
    highest = _status("VmRSS")
    done = threading.Event()

    def sample() -> None:
        nonlocal highest
        while not done.is_set():
            highest = max(highest, _status("VmRSS"))
            time.sleep(0.002)

    sampler = threading.Thread(target=sample)
    sampler.start()
    run()
    done.set()
    sampler.join()
    return highest


def _status(field: str) -> int:
    """Bytes of one field of /proc/self/status."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError(f"the kernel does not tell {field}.")
    return 1024 * int(found[1])


def _main() -> None:
    parser = argparse.ArgumentParser()
    for text in ("contestant", "architecture"):
        parser.add_argument(text)
    for number in ("batch", "size"):
        parser.add_argument(number, type=int)
    parser.add_argument("memory_format")
    parser.add_argument("threads", type=int)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    everybody = (contestants.FLOOR, contestants.HELD, contestants.OURS, *find_peers()[0])
    contestant = {one.name: one for one in everybody}[chosen.contestant]
    model = models.handed_over(chosen.architecture, chosen.memory_format, frozen=contestant.frozen)
    layers = models.layers(chosen.architecture)
    if contestant.pass_per_layer:
        layers = layers[:1]  # the pass that holds most
    contestant.run(model, models.images(1, TINY, chosen.memory_format), layers)
    images = models.images(chosen.batch, chosen.size, chosen.memory_format)
    model.zero_grad()
    resident, way = resident_peak(lambda: contestant.run(model, images, layers))
    model.zero_grad()
    allocated = allocated_peak(lambda: contestant.run(model, images, layers))
    print(json.dumps(asdict(Peak(resident, allocated, way))))


if __name__ == "__main__":
    _main()
