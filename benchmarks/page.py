"""The report: measurements as tables in Markdown."""

import argparse
import platform
from statistics import median

import torch

from benchmarks import arithmetic, models, peers
from benchmarks.contestants import BARE, FLOOR, FLOOR_OF_THREE, OURS, OURS_OF_LAST, OURS_OF_THREE, Contestant
from benchmarks.measured import PRODUCT, Measured
from benchmarks.table import Bar, Row, duration, markdown, mebibytes

HEADER = ("measured", "figure", "against", "value", "bar", "met")


def time_rows(measured: Measured) -> list[Row]:
    """Ours against what is possible."""
    middle = {name: median(times) for name, times in measured.times.items()}

    def against(one: Contestant, reference: Contestant, limit: float) -> Row:
        ratio = middle[one.name] / middle[reference.name]
        return Row(one.name, duration(measured.times[one.name]), reference.name, ratio, Bar(limit))

    references = [
        Row(name, duration(measured.times[name])) for name in (BARE.name, FLOOR.name, FLOOR_OF_THREE.name)
    ]
    sustained = measured.operations / middle[FLOOR.name]
    possible = arithmetic.PRODUCT_OPERATIONS / middle[PRODUCT]
    return [
        *references,
        against(OURS, FLOOR, 1.10),
        against(OURS_OF_LAST, BARE, 1.05),
        against(OURS_OF_THREE, FLOOR_OF_THREE, 1.0),
        Row(PRODUCT, f"{possible / 1e9:.0f} GFLOP/s"),
        Row(
            "floor, sustained",
            f"{sustained / 1e9:.0f} GFLOP/s",
            PRODUCT,
            sustained / possible,
            Bar(0.85, at_least=True),
        ),
    ]


def peer_rows(measured: Measured) -> list[Row]:
    """How many times faster ours is than each peer."""
    bars = {peers.GRADCAM_AVERAGED: 1.8, peers.GRADCAM_PER_LAYER: 10.0, peers.CAPTUM: 10.0}
    ours = median(measured.times[OURS.name])
    return [
        Row(
            name,
            duration(measured.times[name]),
            f"{OURS.name}: times as fast",
            median(measured.times[name]) / ours,
            Bar(bars[name], at_least=True) if name in bars else None,
        )
        for name in measured.differences
    ]


def memory_table(measured: Measured) -> str:
    """Peaks above the loaded model, against the floor's; the bar holds for both ways of measuring."""
    floor, bar = measured.peaks[FLOOR.name], Bar(0.75)
    rows = []
    for name, found in measured.peaks.items():
        resident, allocated = found.resident / floor.resident, found.allocated / floor.allocated
        met = bar.met(resident) and bar.met(allocated)
        rows.append(
            (
                name,
                mebibytes(found.resident),
                f"{resident:.3g}",
                mebibytes(found.allocated),
                f"{allocated:.3g}",
                *((str(bar), "yes" if met else "**NO**") if name == OURS.name else ("", "")),
            )
        )
    return markdown(("contestant", "resident", "of floor", "allocated", "of floor", "bar", "met"), rows)


def pieces(measured: Measured) -> str:
    """What the floor's peak is made of."""
    floor = measured.peaks[FLOOR.name]
    found = {
        **measured.kept,
        "gradients and other tensors at the peak": floor.allocated - sum(measured.kept.values()),
        "scratch and fragments (resident less allocated)": floor.resident - floor.allocated,
    }
    return ", ".join(f"{piece} {mebibytes(size)}" for piece, size in found.items())


def import_rows(times: dict[str, list[float]]) -> list[Row]:
    """What importing costs a process that has torch."""
    return [
        Row(name, duration(found), "import torch", median(found), Bar(0.3)) for name, found in times.items()
    ]


def page(
    chosen: argparse.Namespace,
    found: dict[str, Measured],
    imports: dict[str, list[float]],
    absent: dict[str, str],
) -> str:
    """The whole report in Markdown."""
    parts = [
        "# Benchmark of the engine",
        (
            f"{chosen.size} x {chosen.size}, batch {chosen.batch}, float32, {chosen.threads} threads, CPU "
            f"({torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}, Python "
            f"{platform.python_version()}; medians of {chosen.rounds} rounds, in turn in one process "
            f"({chosen.slow_rounds} of what takes a pass per layer)."
        ),
    ]
    for architecture, measured in found.items():
        agreement = markdown(
            ("peer", "memory format", "largest difference of a map from ours, of its maximum"),
            ((name, measured.formats[name], f"{value:.2g}") for name, value in measured.differences.items()),
        )
        parts += [
            f"## {architecture}: {len(models.layers(architecture))} layers",
            markdown(HEADER, (row.cells() for row in time_rows(measured))),
            "Peers:",
            markdown(HEADER, (row.cells() for row in peer_rows(measured))),
            agreement,
            "Peak memory above the loaded model:",
            memory_table(measured),
            f"The floor's peak: {pieces(measured)}.",
        ]
    parts += ["## Start", markdown(HEADER, (row.cells() for row in import_rows(imports)))]
    parts += ["Absent: " + "; ".join(f"{name} ({why})" for name, why in absent.items()) + "."]
    return "\n\n".join(parts) + "\n"
