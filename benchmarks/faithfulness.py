"""`python -m benchmarks.faithfulness`: ROAD of every layer's map of one slice, against pytorch-grad-cam and Quantus.

The same maps of VGG16's 18 layers, on a made-up slice, most and least relevant first, at four shares of the whole
picture's pixels; stratacam does what the peers do and no more. The three take turns; figures are medians. Quantus's own
metric fails on pictures of three channels; its imputation is used with a plain loop around it.
"""

import argparse
import importlib
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from benchmarks.stand_in import stand_in
from stratacam.evidence.faithfulness.curves import scores_of_slice
from stratacam.evidence.faithfulness.imputation import impute
from stratacam.maps.slice_maps import explain_slices
from stratacam.networks import build

SHARES = (0.2, 0.4, 0.6, 0.8)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faithfulness", description=__doc__)
    parser.add_argument("--size", type=int, default=128, help="pixels, default %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="of each, default %(default)s")
    parser.add_argument("--layers", type=int, default=18, help="whose maps, default %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="default %(default)s")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    model = build("vgg16", classes=3, weights="none").eval()
    random = np.random.default_rng(0)
    image = ndimage.gaussian_filter(random.random((3, chosen.size, chosen.size)), (0, 2, 2)).astype(
        np.float32
    )
    image = (image - image.min()) / np.ptp(image)
    maps = explain_slices(model, image[None], np.ones((1, *image.shape[1:]), bool), 0, "gradcam++")
    heat = np.concatenate([maps.heat(layer, image.shape[1:]) for layer in maps.layers[: chosen.layers]])
    contestants: dict[str, Callable[[], object]] = {
        "stratacam": lambda: scores_of_slice(
            model,
            image,
            np.ones(image.shape[1:], bool),
            heat,
            0,
            fractions=SHARES,
            random=np.random.default_rng(0),
        ),
        **_peers(model, image, heat),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(chosen.rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    own = statistics.median(seconds["stratacam"])
    for name, found in seconds.items():
        print(f"{name:40} {statistics.median(found):7.1f} s, {statistics.median(found) / own:5.1f} x")
    removed = np.zeros(image.shape[1:], bool)
    removed[heat[0] >= np.quantile(heat[0], 0.5)] = True
    start = time.perf_counter()
    impute(image, removed)
    print(f"one imputation of half of the pixels {1000 * (time.perf_counter() - start):.0f} ms")


def _peers(model: nn.Module, image: np.ndarray, heat: np.ndarray) -> dict[str, Callable[[], object]]:
    """The peers that are installed; each is given the maps as a batch of copies of the slice."""
    warnings.simplefilter("ignore")
    found: dict[str, Callable[[], object]] = {}
    batch = torch.from_numpy(image)[None].repeat(len(heat), 1, 1, 1)
    if find_spec("pytorch_grad_cam"):
        with stand_in("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
            road: Any = importlib.import_module("pytorch_grad_cam.metrics.road")
            targets: Any = importlib.import_module("pytorch_grad_cam.utils.model_targets")
        wanted = [targets.ClassifierOutputSoftmaxTarget(0)] * len(heat)
        percentiles = [100 - 100 * share for share in SHARES]

        def grad_cam() -> None:
            for order in (road.ROADMostRelevantFirstAverage, road.ROADLeastRelevantFirstAverage):
                order(percentiles=percentiles)(batch, heat, wanted, model)

        found["pytorch-grad-cam"] = grad_cam
    if find_spec("quantus"):
        perturb: Any = importlib.import_module("quantus.functions.perturb_func")

        def quantus() -> None:
            for one in heat:
                hottest = np.argsort(-one.ravel())
                for indices in (hottest, hottest[::-1]):
                    filled = [
                        perturb.noisy_linear_imputation(
                            image, indices[: round(share * indices.size)], noise=0.01
                        )
                        for share in SHARES
                    ]
                    with torch.inference_mode():
                        model(torch.from_numpy(np.stack(filled).astype(np.float32))).softmax(dim=1)

        found["Quantus, its imputation"] = quantus
    return found


if __name__ == "__main__":
    main()
