"""What a convolution should read beyond the rim of the brain, in a network that sees nothing outside of it.

Candidates: zeros, which `stratacam.networks.masked` takes; partial convolution (G. Liu et al. 2018), which divides by
the share of the window that is brain; and the mean of the brain's cells in the window, as if tissue went on. Two things
are measured with VGG16 and its ImageNet weights:

- nearness: brains are cut back by 16 pixels, so that tissue lies beyond the new rim. How far are the features at the
  rim from those of the whole picture? Root of the squared error over that of the features, and ratio of the means;
- accuracy: planted lesions that differ by place (deep or near the edge) or by shape, told apart by logistic regression
  on the mean features of a block, of people who were held out.

    .venv/bin/python -m benchmarks.rim PREPARED

PREPARED is a folder of prepared scans; 38 synthetic subjects take about ten minutes on one core.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional as F

from stratacam.evidence.planting import kinds_of_folds, phantom_shapes, plant_scan, read_anatomy
from stratacam.evidence.planting.plant import Difference
from stratacam.networks import build, layers, masked
from stratacam.scans.pictures import PictureSettings, cut_scan
from stratacam.scans.prepared import PreparedScan, find_prepared

Convolve = Callable[[nn.Conv2d, Tensor, Tensor | None], Tensor]

FOLDS = 4
CUT_BACK = 16
LAYERS = ("block1_pool", "block2_pool", "block3_pool", "block4_pool", "block5_pool")


def partial(layer: nn.Conv2d, features: Tensor, brain: Tensor | None) -> Tensor:
    """Divide what a window sums by the share of it that is brain."""
    if brain is None or layer.bias is None:
        return masked.convolve(layer, features, brain)
    cells = masked.cells_of(brain, features)
    found = F.conv2d(features * cells, layer.weight, None, layer.stride, layer.padding)
    share = F.avg_pool2d(cells, layer.kernel_size, layer.stride, layer.padding)  # type: ignore[arg-type]
    return masked.within(found / share.clamp(min=1e-3) + layer.bias[:, None, None], brain)


def mean_around(layer: nn.Conv2d, features: Tensor, brain: Tensor | None) -> Tensor:
    """Convolve features that have, outside the brain, the mean of the brain's in a 3 x 3 window."""
    if brain is None:
        return masked.convolve(layer, features, brain)
    cells = masked.cells_of(brain, features)
    inside = features * cells
    share = F.avg_pool2d(cells, 3, 1, 1).clamp(min=1e-3)
    continued = inside + F.avg_pool2d(inside, 3, 1, 1) * ((1 - cells) / share)
    found = F.conv2d(continued, layer.weight, layer.bias, layer.stride, layer.padding)
    return masked.within(found, brain)


CANDIDATES: dict[str, Convolve] = {"zeros": masked.convolve, "partial": partial, "mean around": mean_around}


def features_of(
    model: nn.Sequential, pictures: Tensor, brain: Tensor | None, convolve: Convolve
) -> Iterator[tuple[str, Tensor]]:
    """The outputs of `LAYERS`, with a candidate in place of the network's convolutions."""
    features = pictures
    with torch.inference_mode(), patch.object(layers, "convolve", convolve):
        for name, layer in list(model.named_children())[:-2]:
            features = layer(features, brain)
            if name in LAYERS:
                yield name, features


def nearness(model: nn.Sequential, scans: list[PreparedScan]) -> None:
    """Print how near features at the rim are to those of the whole picture."""
    sums: dict[tuple[str, str], NDArray[np.float64]] = {}
    settings = PictureSettings(width_mm=208, every=8, part=(0.35, 0.75))
    for scan in scans:
        cut = cut_scan(scan, settings)
        inner = np.stack([ndimage.distance_transform_edt(brain) > CUT_BACK for brain in cut.brain])
        pictures, brain = torch.from_numpy(cut.images), torch.from_numpy(inner)[:, None].float()
        expected = dict(features_of(model, pictures, None, masked.convolve))
        for candidate, convolve in {**CANDIDATES, "black air": masked.convolve}.items():
            black = candidate == "black air"
            given, mask = (pictures * brain, None) if black else (pictures, brain)
            for name, found in features_of(model, given, mask, convolve):
                cells = masked.cells_of(brain, found)
                rim = (cells > 0) & (F.max_pool2d(1 - cells, 3, 1, 1) > 0)  # with a neighbour outside
                here, whole = (values[rim.expand_as(values)].double() for values in (found, expected[name]))
                row = [((here - whole) ** 2).sum(), (whole**2).sum(), here.sum(), whole.sum()]
                sums[name, candidate] = sums.get((name, candidate), np.zeros(4)) + np.array(row)
    for (name, candidate), (error, size, ours, wanted) in sums.items():
        print(f"{name} {candidate:12} error {np.sqrt(error / size):6.2f}  ratio {ours / wanted:6.2f}")


def accuracy(model: nn.Sequential, scans: list[PreparedScan], difference: Difference) -> None:
    """Print how well planted lesions are told apart by the mean features of every block."""
    kinds = kinds_of_folds(phantom_shapes(0), 20, FOLDS)
    pictures, brains, labels, people = [], [], [], []
    for number, scan in enumerate(scans):
        anatomy = read_anatomy(scan, PictureSettings(size=96, width_mm=208, every=6, part=(0.3, 0.85)))
        classes = plant_scan(
            anatomy, kinds[number % FOLDS], difference=difference, lesions=2, copies=2, seed=0
        )
        for group, planted in enumerate(classes):
            pictures.append(planted.images)
            brains.append(anatomy.brain[planted.source])
            labels += [group] * len(planted.images)
            people += [number] * len(planted.images)
    given = torch.from_numpy(np.concatenate(pictures))
    brain = torch.from_numpy(np.concatenate(brains))[:, None].float()
    label, person = np.array(labels, dtype=np.int64), np.array(people, dtype=np.int64)
    print(f"{difference}: {len(given)} slices of {len(set(people))} subjects")
    ways: dict[str, tuple[Convolve, bool, bool]] = {
        "off": (masked.convolve, False, False),
        "pooling": (masked.convolve, False, True),
    }
    ways |= {name: (convolve, True, True) for name, convolve in CANDIDATES.items()}
    for way, (convolve, inside, pooled) in ways.items():
        means: dict[str, list[Tensor]] = {}
        for batch, mask in zip(torch.split(given, 8), torch.split(brain, 8), strict=True):
            for name, found in features_of(model, batch, mask if inside else None, convolve):
                means.setdefault(name, []).append(masked.average(found, mask if pooled else None))
        shares = [_accuracy(torch.cat(values).numpy(), label, person) for values in means.values()]
        print(f"{way:12}", *(f"{mean:.3f} ({error:.3f})" for mean, error in shares))


def _accuracy(
    features: NDArray[np.float32], label: NDArray[np.int64], person: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean over people of the share of slices that are classified right, and its standard error."""
    right = np.zeros(len(label))
    for fold in range(FOLDS):
        held_out = person % FOLDS == fold
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
        classifier.fit(features[~held_out], label[~held_out])
        right[held_out] = classifier.predict(features[held_out]) == label[held_out]
    shares = np.array([right[person == one].mean() for one in np.unique(person)])
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares)))


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--threads", type=int, default=1, help="default %(default)s")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    scans = find_prepared(chosen.prepared)
    model = build("vgg16", 2, weights="imagenet").eval()
    nearness(model, scans[:6])
    accuracy(model, scans, "place")
    accuracy(model, scans, "shape")


if __name__ == "__main__":
    main()
