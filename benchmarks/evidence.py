"""`python -m benchmarks.evidence`: seconds of every kind of measure for one scan, all layers of VGG16.

A made-up scan of 135 slices with lesions; random weights: what the maps show changes no time but that of ties.
Defaults of the settings, one method. CPU seconds are beside those of the clock: on a machine that does
other things as well they tell more.
"""

import argparse
import time
from functools import cache

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from stratacam.evidence.measure import Measured, measure_scan
from stratacam.evidence.references import reference_maps
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.sequences.exchange import Exchange
from stratacam.evidence.sequences.values import KIND, sequence_values
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.strangers import Stranger
from stratacam.networks import build
from stratacam.scans.geometry import Geometry
from stratacam.scans.resampling import Grid
from stratacam.scans.sequences import DEFAULT_SEQUENCES


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--slices", type=int, default=135, help="default %(default)s")
    parser.add_argument("--again", type=int, default=8, help="slices of faithfulness, default %(default)s")
    parser.add_argument("--size", type=int, default=128, help="pixels, default %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="default %(default)s")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    model = build("vgg16", classes=3, weights="none").eval().to(memory_format=torch.channels_last)
    start, start_cpu = time.perf_counter(), time.process_time()
    measured = measure(model, made_up_scan(chosen.slices, chosen.size), again=chosen.again)
    whole, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    for kind, seconds in measured.seconds.items():
        print(f"{kind:15} {seconds:7.1f} s")
    print(f"{'all':15} {whole:7.1f} s = {whole / 60:.1f} min, {cpu:.0f} CPU s, {len(measured.values)} values")


def measure(model: nn.Module, scan: ScanSlices, *, again: int) -> Measured:
    """Every kind of measure of Grad-CAM for a scan, with the seconds of each; faithfulness of so many slices."""
    settings = EvidenceSettings(methods=("gradcam",), fused=(), slices=again)
    sampled = scan.some(settings.slices)
    measured = measure_scan(
        model,
        scan,
        settings,
        target=0,
        true_class=0,
        references=reference_maps(scan, intensity=scan.images[:, 2]),
        strangers=[
            Stranger(np.roll(sampled.images, shift, axis=0), np.roll(sampled.brain, shift, axis=0))
            for shift in range(1, 1 + settings.strangers)
        ],
    )
    with measured.timed(KIND.name):
        donated = np.roll(sampled.images, 1, axis=0)
        exchange = Exchange(
            DEFAULT_SEQUENCES, sampled.images, donated, sampled.brain, ("sub-02",) * len(sampled)
        )
        sequence_values(model, [exchange], ("a", "b", "c"), settings.batch_size)
    return measured


@cache
def made_up_scan(count: int, size: int) -> ScanSlices:
    """Smooth noise in a round brain, with lesions."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    brain = np.tile((y - size / 2) ** 2 / 0.43**2 + (x - size / 2) ** 2 / 0.33**2 < size**2, (count, 1, 1))
    smooth = ndimage.gaussian_filter(random.random((count, 3, size, size)), (0, 0, 2, 2))
    images = ((smooth - smooth.min()) / np.ptp(smooth) * brain[:, None]).astype(np.float32)
    lesions = (ndimage.gaussian_filter(random.random((count, size, size)), (0, 3, 3)) > 0.53) & brain
    grid = Grid((size, size, count), np.diag([1.6, 1.6, 1.0, 1.0]))
    middle = ((size - 1) / 2, (size - 1) / 2)
    geometry = Geometry(grid, "axial", tuple(range(count)), (size, size), middle, (float(size), float(size)))
    regions = np.tile(1 + 4 * (4 * y // size) + 4 * x // size, (count, 1, 1))
    return ScanSlices("sub-01", "sub-01", "MS", images, brain, lesions, geometry, regions)


if __name__ == "__main__":
    main()
