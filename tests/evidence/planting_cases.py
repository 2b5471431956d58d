"""Made-up anatomy to plant into, and a network made by hand that recognises targets by their shape."""

import numpy as np
import torch
from evidence_cases import disc
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from torch import nn

from stratacam.evidence.planting import Anatomy
from stratacam.evidence.planting.plant import CONTRAST
from stratacam.evidence.planting.score import ABOVE_DECOYS, PlantedSlice, score_heat
from stratacam.evidence.planting.shapes import kinds_of_folds
from stratacam.evidence.planting.stamp import make_stamps
from stratacam.maps.slice_maps import explain_slices

NORMAL, LESION = np.array([0.6, 0.3, 0.5], np.float32), np.array([0.5, 0.7, 0.9], np.float32)
AREA = 24


def blob(seed):
    """A rough ellipse of some 70 pixels, from round to five times as long as wide."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[-20:21, -20:21] / 4.7
    angle, ratio = random.uniform(0, np.pi), random.uniform(1, 5)
    along, across = (
        rows * np.cos(angle) + columns * np.sin(angle),
        columns * np.cos(angle) - rows * np.sin(angle),
    )
    rough = ndimage.gaussian_filter(random.normal(size=rows.shape), 2) * 0.8
    labels, _ = ndimage.label(along**2 / ratio + across**2 * ratio + rough < 1)
    return labels == labels[20, 20] if labels[20, 20] else labels == 1


def kinds(folds=1, *, area=AREA, count=300):
    """Shapes of made-up lesions with one cross-section each."""
    return kinds_of_folds([[blob(seed)] for seed in range(count)], area, folds)


def anatomy(count=3, size=96, *, seed=0):
    """Slices of a round brain that is white matter but for its edge, with texture."""
    random = np.random.default_rng(seed)
    brain = np.tile(disc(size, size, size * 0.46), (count, 1, 1))
    white = np.tile(disc(size, size, size * 0.4), (count, 1, 1))
    texture = random.normal(scale=0.02, size=(count, 3, size, size))
    images = ((NORMAL[:, None, None] + texture) * brain[:, None]).astype(np.float32)
    return Anatomy(
        f"sub-{seed:02d}", f"sub-{seed:02d}", images, brain, white, np.arange(count), NORMAL, LESION, 2.0, 2
    )


def slice_of(planted, material, index):
    """A planted slice as it is scored."""
    source = planted.source[index]
    image = planted.images[index]
    return PlantedSlice(
        "regular",
        material.scan,
        image,
        image[2],
        planted.truth[index],
        planted.decoys[index],
        material.brain[source],
        2.0,
    )


class ShapeNetwork(nn.Module):
    """Made by hand: a class is how many lesions have one of its shapes, whatever their brightness.

    `contrast` is the sum of the channels, weighted so that a lesion adds 1 at its peak. `match` correlates it with
    every shape of every class, turned and mirrored; the templates sum to 0, which removes the smooth noise, and a
    threshold leaves exact matches alone. `spread` puts each match's shape back in its place, a
    channel for each class.

    Args:
        classes: shapes of each class; a class without shapes is known by the absence of the others.
        threshold: the least response, where 1 is that of a perfect match.
    """

    def __init__(self, classes, *, threshold=0.94):
        super().__init__()
        stamps = [turned for shapes in classes for turned in _turned(shapes)]
        owner = [number for number, shapes in enumerate(classes) for _ in _turned(shapes)]
        side = stamps[0].mask.shape[0]
        self.contrast = nn.Conv2d(3, 1, 1)
        self.match = nn.Sequential(nn.Conv2d(1, len(stamps), side, padding=side // 2), nn.ReLU())
        self.spread = nn.Sequential(
            nn.ConvTranspose2d(len(stamps), len(classes), side, padding=side // 2, bias=False), nn.ReLU()
        )
        self.predictions = nn.Linear(len(classes), len(classes))
        contrast = torch.from_numpy(CONTRAST * (LESION - NORMAL))
        with torch.no_grad():
            self.contrast.weight.copy_((contrast / (contrast**2).sum())[None, :, None, None])
            self.contrast.bias.fill_(
                -float((contrast * torch.from_numpy(NORMAL)).sum() / (contrast**2).sum())
            )
            self.spread[0].weight.zero_()
            for number, (stamp, group) in enumerate(zip(stamps, owner, strict=True)):
                around = ndimage.binary_dilation(stamp.signal > 0)
                template = np.where(around, stamp.signal - stamp.signal[around].mean(), 0)
                template /= (template * stamp.signal).sum()
                self.match[0].weight[number, 0] = torch.from_numpy(template.astype(np.float32))
                self.spread[0].weight[number, group] = torch.from_numpy(stamp.mask.astype(np.float32))
            self.match[0].bias.fill_(-threshold)
            weights = 2 * torch.eye(len(classes)) - 1
            self.predictions.weight.copy_(1e4 * weights)
            self.predictions.bias.zero_()

    def forward(self, images):
        return self.predictions(self.spread(self.match(self.contrast(images))).mean(dim=(2, 3)))


def learn(network, planted, labels):
    """Fit the last layer to the mean activations of `spread`, by logistic regression."""
    features = _pooled(network, planted)
    scale = features.std(axis=0) + 1e-9
    fit = LogisticRegression(max_iter=1000).fit(features / scale, labels)
    weights = torch.from_numpy((fit.coef_[0] / scale / 2).astype(np.float32))
    network.predictions = nn.Linear(len(weights), 2)
    with torch.no_grad():
        network.predictions.weight.copy_(torch.stack([-weights, weights]))
        network.predictions.bias.copy_(torch.tensor([-1.0, 1.0]) * float(fit.intercept_[0]) / 2)


def scores_above_decoys(network, planted, material, number):
    """Average precision on targets less that on decoys of LayerCAM at `spread`, of slices classified right."""
    maps = explain_slices(
        network, planted.images, np.ones_like(planted.truth), number, "layercam", layers=("spread.0",)
    )
    right = maps.logits.argmax(axis=1) == number
    found = []
    for index in np.flatnonzero(right):
        one = slice_of(planted, material, index)
        heat = {("layercam", "spread"): maps.heat("spread.0", one.brain.shape)[index]}
        found += [row.value for row in score_heat(heat, one) if row.against == ABOVE_DECOYS]
    return np.array(found), right.mean()


def _pooled(network, planted):
    """Mean activations of `spread`, (slices of both classes, channels)."""
    with torch.no_grad():
        return np.concatenate(
            [
                network.spread(network.match(network.contrast(torch.from_numpy(part))))
                .mean(dim=(2, 3))
                .numpy()
                for one in planted
                for part in np.array_split(one.images, max(1, len(one.images) // 16))
            ]
        )


def _turned(shapes):
    """Lesions of these shapes in all eight positions."""
    copies = [np.rot90(one, turns) for shape in shapes for one in (shape, shape[::-1]) for turns in range(4)]
    return make_stamps(copies) if copies else []
