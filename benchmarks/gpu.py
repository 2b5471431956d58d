"""Maps on a graphics card: are they those of a CPU, and what do they cost beside the card's own forward and backward?

    python -m benchmarks.gpu --out gpu.json

takes under four minutes on one CUDA card. It reads no scan and no weights. Activations, training and evidence need
what stratacam needs; the rest torch, numpy, pydantic and safetensors.
"""

import argparse
import json
import platform
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.card.agreement import METHODS, Difference, compare
from benchmarks.card.precision import PRECISIONS, use_exact
from benchmarks.card.speed import FORMATS, Cost, measure
from benchmarks.card.study import MapError, Step, fast_errors, steps, whole_study
from benchmarks.card.waiting import Waits, count_waits
from benchmarks.table import Bar, markdown

EXACT = Bar(1e-3)
"""Of float32 maps: difference from the CPU's, relative to the map's maximum."""
TIME = Bar(1.10)
"""Of all layers' maps: time over that of the card's own forward and backward to the activations."""
COST_KEY = (
    "Floor: forward and backward to the activations. By method: time over the floor's until raw maps lie on the card "
    f"(bar {TIME}; NO: missed); until they are in the host's memory; images a second; peak memory."
)
EVIDENCE = Bar(20)
"""Seconds of evidence of one scan of 135 slices."""
STUDY = Bar(10)
"""Minutes of a study of 38 subjects, added up."""
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
            name: max(
                (one for one in mine if one.precision == name), key=lambda one: one.largest, default=None
            )
            for name in ("rounding", *PRECISIONS)
        }
        cells = [f"{one.largest:.1e} {one.group}" if one else "" for one in worst.values()]
        exact = worst["float32"]
        rows.append((network, method, *cells, verdict(EXACT, exact.largest) if exact else ""))
    header = ("network", "method", "CPU, float32 to float64", *PRECISIONS, f"float32 {EXACT}")
    return markdown(header, rows)


def group_table(found: list[Difference], network: str = "vgg16") -> str:
    """Differences of the methods by gradients, by group of layers and precision: median over maps, and largest."""
    mine = [one for one in found if one.network == network and one.method in METHODS["gradients"]]
    rows = []
    for group in dict.fromkeys(one.group for one in mine):
        cells = []
        for precision in ("rounding", *PRECISIONS):
            some = [one for one in mine if (one.group, one.precision) == (group, precision)]
            cells.append(f"{median(one.median for one in some):.1e} ({max(one.largest for one in some):.1e})")
        rows.append((group, *cells))
    return markdown((f"{network}, layers", "CPU, float32 to float64", *PRECISIONS), rows)


def cost_table(found: list[Cost]) -> str:
    """Time and memory against the floor's: a row for each setting, and for each method a cell."""
    rows = []
    for setting in dict.fromkeys((one.precision, one.memory_format, one.batch) for one in found):
        mine = {one.method: one for one in found if (one.precision, one.memory_format, one.batch) == setting}
        first = next(iter(mine.values()))
        cells = [_cost(mine[method]) if method in mine else "" for method in METHODS["timed"]]
        floor = f"{first.floor:.1f} ms, {first.floor_bytes / 2**20:.0f} MiB"
        rows.append((*map(str, setting), floor, *cells))
    return markdown(("precision", "format", "batch", "floor", *METHODS["timed"]), rows)


def _cost(one: Cost) -> str:
    """Of one method: over the floor, captured and delivered; images a second; memory."""
    captured, delivered = one.captured / one.floor, one.delivered / one.floor
    missed = "" if TIME.met(captured) else " **NO**"
    rate, size = 1000 * one.batch / one.delivered, one.bytes / 2**20
    return f"{captured:.2f}{missed}, host {delivered:.2f}, {rate:.0f}/s, {size:.0f} MiB"


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
    return markdown(
        ("method", "what", "waits of layers", "of all", "a layer", f"capture {WAIT}", "where"), rows
    )


def step_table(found: list[Step]) -> str:
    """Seconds of activations, training and evidence, by precision; and of evidence by kind of measure."""
    rows = []
    for one in found:
        parts = sorted(one.parts.items(), key=lambda part: -part[1])
        rows.append(
            (
                one.step,
                one.precision,
                f"{one.seconds:.1f} s",
                f"{one.slices / one.seconds:.0f}",
                verdict(EVIDENCE, one.seconds) if one.step == "evidence" else "",
                ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts[:8]),
            )
        )
    return markdown(("step", "precision", "time", "slices a second", f"{EVIDENCE} s", "of it, s"), rows)


def study_lines(found: list[Step]) -> str:
    """What a study of 38 subjects takes with the steps measured, by precision."""
    lines = []
    for precision in dict.fromkeys(one.precision for one in found):
        minutes = whole_study(found, precision)
        total = sum(minutes.values())
        steps = ", ".join(f"{step} {value:.1f}" for step, value in minutes.items())
        lines.append(f"- {precision}: {total:.1f} minutes ({STUDY}: {verdict(STUDY, total)}): {steps}")
    return "\n".join(lines)


def error_table(found: list[MapError]) -> str:
    """The errors of fast maps by layer."""
    return markdown(("layer", "error of fast maps"), [(one.layer, f"{one.error:.4f}") for one in found])


def print_study(found: list[Step], errors: list[MapError]) -> None:
    """Print what was measured besides maps."""
    print(f"{step_table(found)}\n\n38 subjects at 1 mm, prepared, added up:\n\n{study_lines(found)}\n")
    print("Norm of the difference of fast Grad-CAM maps from exact ones, over the norm of these:\n")
    print(f"{error_table(errors)}\n", flush=True)


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--device", default="cuda", help='"cpu" for a try without a card, default %(default)s'
    )
    parser.add_argument("--out", type=Path, help="JSON file of everything that was measured")
    parser.add_argument(
        "--seconds", type=float, default=210, help="start nothing after this, default %(default)s"
    )
    parser.add_argument("--size", type=int, default=224, help="pixels, default %(default)s")
    parser.add_argument(
        "--small",
        type=int,
        default=64,
        help="pixels where the network runs once a channel, default %(default)s",
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64], help="default: 16 64")
    parser.add_argument("--rounds", type=int, default=10, help="default %(default)s")
    parser.add_argument("--slices", type=int, default=135, help="of the scan, default %(default)s")
    parser.add_argument("--picture", type=int, default=128, help="its pixels, default %(default)s")
    parser.add_argument(
        "--again", type=int, default=8, help="its slices of faithfulness, default %(default)s"
    )
    parser.add_argument("--network", default="vgg16", help="whose speed is measured, default %(default)s")
    return parser.parse_args()


def main() -> None:
    """Measure, print and write."""
    chosen = arguments()
    device = torch.device(chosen.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit(
            "There is no CUDA card that torch can use here; --device cpu tries the benchmark without one."
        )
    started = time.monotonic()
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU"
    title = f"{card}, torch {torch.__version__}, Python {platform.python_version()}"
    failed: list[str] = []
    found: dict[str, Any] = {"card": title, "settings": {k: str(v) for k, v in vars(chosen).items()}}

    def left() -> float:
        return chosen.seconds - (time.monotonic() - started)

    def keep(name: str, values: Iterable[Any]) -> list[Any]:
        kept: list[Any] = []
        try:
            for value in values:
                kept.append(value)  # noqa: PERF402 - those before a fault count
        except Exception:  # noqa: BLE001 - whatever a card raises, the other parts are still of use
            failed.append(name)
            traceback.print_exc(file=sys.stdout)
        found[name] = [vars(one) for one in kept]
        if chosen.out:
            chosen.out.write_text(json.dumps(found, indent=1) + "\n")
        return kept

    print(
        f"# Maps on a graphics card\n\n{title}; {chosen.size} px, medians of {chosen.rounds} rounds in turn.\n"
    )
    use_exact()
    if device.type == "cuda":
        waits = keep("waits", count_waits(chosen.network, device, chosen.size, chosen.batches[0]))
        print(f"{wait_table(waits)}\n", flush=True)
    costs = keep("costs", measure(chosen, device, lambda: left() > 0.65 * chosen.seconds))
    print(f"All layers of {chosen.network}. {COST_KEY}\n\n{cost_table(costs)}\n", flush=True)
    differences = keep(
        "differences", compare(device, chosen.size, chosen.small, lambda: left() > 0.4 * chosen.seconds)
    )
    print(
        "Largest difference of a map from the CPU's in float32, of its maximum, and the layers where it is:\n"
    )
    print(f"{agreement_table(differences)}\n")
    print("Median over maps of all methods by gradients, and the largest:\n")
    print(f"{group_table(differences)}\n")
    measured = steps(device, chosen.picture, chosen.slices, chosen.again, lambda: left() > 0)
    print_study(keep("steps", measured), keep("errors", fast_errors(device, chosen.picture)))
    wanted = len(chosen.batches) * len(FORMATS) * len(PRECISIONS) * len(METHODS["timed"])
    print(f"{len(costs)} of {wanted} rows of time fitted; {time.monotonic() - started:.0f} s in all.")
    if failed:
        sys.exit(f"Not measured to the end: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
