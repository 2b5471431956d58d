"""Maps on a graphics card: are they those of a CPU, and what do they cost beside the card's own forward and backward?

    python -m benchmarks.gpu --out gpu.json

takes under four minutes on one CUDA card, and needs no scan and no weights file: torch, numpy, pydantic and safetensors.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.card.agreement import METHODS, Difference, compare
from benchmarks.card.precision import PRECISIONS, use_exact
from benchmarks.card.speed import FORMATS, Cost, measure
from benchmarks.card.waiting import Waits, count_waits
from benchmarks.table import Bar, markdown

EXACT = Bar(1e-3)
"""Of float32 maps: difference from the CPU's, relative to the map's maximum."""
TIME = Bar(1.10)
"""Of all layers' maps: time over that of the card's own forward and backward to the activations."""
WAIT = Bar(0)
"""Synchronisations of a capture for each further layer."""


def verdict(bar: Bar, value: float) -> str:
    """Whether a value keeps to its bar.

    Example:
        >>> verdict(TIME, 1.09), verdict(TIME, 1.2)
        ('yes', '**NO**')
    """
    return "yes" if bar.met(value) else "**NO**"


def agreement_table(found: list[Difference]) -> str:
    """The largest difference of each network and method, with the group of layers where it is, by precision."""
    rows = []
    for network, method in dict.fromkeys((one.network, one.method) for one in found):
        mine = [one for one in found if (one.network, one.method) == (network, method)]
        worst = {
            name: max((one for one in mine if one.precision == name), key=lambda one: one.largest, default=None)
            for name in ("rounding", *PRECISIONS)
        }
        cells = [f"{one.largest:.1e} {one.group}" if one else "" for one in worst.values()]
        exact = worst["float32"]
        rows.append((network, method, *cells, verdict(EXACT, exact.largest) if exact else ""))
    header = ("network", "method", "CPU, float32 to float64", *PRECISIONS, f"float32 {EXACT}")
    return markdown(header, rows)


def group_table(found: list[Difference], network: str = "vgg16") -> str:
    """The largest difference over the methods by gradients, by group of layers and precision."""
    mine = [one for one in found if one.network == network and one.method in METHODS["gradients"]]
    groups = dict.fromkeys(one.group for one in mine)
    rows = [
        (
            group,
            *(
                f"{max((one.largest for one in mine if (one.group, one.precision) == (group, name)), default=0):.1e}"
                for name in ("rounding", *PRECISIONS)
            ),
        )
        for group in groups
    ]
    return markdown((f"{network}, layers", "CPU, float32 to float64", *PRECISIONS), rows)


def cost_table(found: list[Cost]) -> str:
    """Time and memory against the floor's."""
    rows = [
        (
            one.precision,
            one.memory_format,
            str(one.batch),
            one.method,
            f"{one.floor:.1f}",
            f"{one.captured:.1f}",
            f"{one.delivered:.1f}",
            f"{one.captured / one.floor:.2f}",
            f"{one.delivered / one.floor:.2f}",
            verdict(TIME, one.captured / one.floor),
            f"{1000 * one.batch / one.delivered:.0f}",
            f"{one.floor_bytes / 2**20:.0f}",
            f"{one.bytes / 2**20:.0f}",
        )
        for one in found
    ]
    header = (
        *("precision", "format", "batch", "method", "floor, ms", "maps, ms", "host, ms", "maps/floor", "host/floor"),
        *(f"maps {TIME}", "images/s", "floor, MiB", "maps, MiB"),
    )
    return markdown(header, rows)


def wait_table(found: list[Waits]) -> str:
    """How often the host waited for the card, and for each further layer."""
    rows = [
        (
            one.method,
            one.what,
            f"{one.some} of {one.some_layers}",
            f"{one.all} of {one.all_layers}",
            f"{one.per_layer:.2f}",
            verdict(WAIT, one.per_layer) if one.what == "capture" else "",
            ", ".join(f"{place} x{count}" for place, count in list(one.places.items())[:4]),
        )
        for one in found
    ]
    return markdown(("method", "what", "waits of layers", "of all", "a layer", f"capture {WAIT}", "where"), rows)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help='"cpu" for a try without a card, default %(default)s')
    parser.add_argument("--out", type=Path, help="JSON file of everything that was measured")
    parser.add_argument("--seconds", type=float, default=200, help="start nothing after this, default %(default)s")
    parser.add_argument("--size", type=int, default=224, help="pixels, default %(default)s")
    parser.add_argument("--small", type=int, default=64, help="pixels of methods that run the network once a channel")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64], help="default: 16 64")
    parser.add_argument("--rounds", type=int, default=20, help="default %(default)s")
    parser.add_argument("--network", default="vgg16", help="whose speed is measured, default %(default)s")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("There is no CUDA card that torch can use here; --device cpu tries the benchmark without one.")
    started = time.monotonic()
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU"
    title = f"{card}, torch {torch.__version__}, Python {platform.python_version()}"
    found: dict[str, Any] = {"card": title, "settings": {k: str(v) for k, v in vars(chosen).items()}}

    def left() -> float:
        return chosen.seconds - (time.monotonic() - started)

    def keep(name: str, values: list[Any]) -> None:
        found[name] = [vars(one) for one in values]
        if chosen.out:  # after each part, so that what was measured is there whatever follows
            chosen.out.write_text(json.dumps(found, indent=1) + "\n")

    print(f"# Maps on a graphics card\n\n{title}; {chosen.size} px, medians of {chosen.rounds} rounds in turn.\n")
    use_exact()
    waits = count_waits(chosen.network, device, chosen.size, chosen.batches[0]) if device.type == "cuda" else []
    keep("waits", waits)
    print(f"{wait_table(waits)}\n", flush=True)
    costs = measure(chosen, device, lambda: left() > 0.4 * chosen.seconds)
    keep("costs", costs)
    print(f"{cost_table(costs)}\n", flush=True)
    differences = compare(device, chosen.size, chosen.small, lambda: left() > 0)
    keep("differences", differences)
    print("Largest difference of a map from the CPU's in float32, of its maximum, and the layers where it is:\n")
    print(f"{agreement_table(differences)}\n\n{group_table(differences)}\n")
    wanted = len(chosen.batches) * len(FORMATS) * len(PRECISIONS) * len(METHODS["timed"])
    print(f"{wanted - len(costs)} of {wanted} rows of time did not fit; {time.monotonic() - started:.0f} s in all.")


if __name__ == "__main__":
    main()
