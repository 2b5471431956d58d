"""Small scans and maps that evidence is tested on."""

import numpy as np
import torch
from torch import nn

from stratacam.evidence.measures import ExplainedScan
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.maps.slice_maps import SliceMaps
from stratacam.scans.geometry import Geometry
from stratacam.scans.resampling import Grid


def make_scan(images, brain, truth=None, regions=None, *, group="MS", structures=None):
    """Slices of a scan with pixels of 2 mm; the truth is the union of the structures, if there are any."""
    count, (rows, columns) = len(images), images.shape[2:]
    grid = Grid((columns, rows, 99), np.diag([2.0, 2.0, 2.0, 1.0]))
    centre = ((rows - 1) / 2, (columns - 1) / 2)
    geometry = Geometry(
        grid, "axial", tuple(range(count)), (rows, columns), centre, (float(rows), float(columns))
    )
    structures = structures or {}
    if structures:
        truth = np.logical_or.reduce(list(structures.values()))
    return ScanSlices(
        name="sub-01",
        subject="sub-01",
        group=group,
        images=images.astype(np.float32),
        brain=brain,
        truth=truth,
        geometry=geometry,
        regions=regions,
        structures=structures,
        true_structures=tuple(structures),
    )


def make_maps(raw, *, logits=None, target=0, method="gradcam"):
    """Maps of layers (n, h, w) with causes as the engine gives them."""
    count = len(next(iter(raw.values())))
    blank = {
        layer: tuple(
            "" if one.max() > 0 else "all negative" if one.any() else "zero gradient" for one in maps
        )
        for layer, maps in raw.items()
    }
    logits = np.tile([2.0, 0.0], (count, 1)) if logits is None else logits
    return SliceMaps(
        method,
        target,
        np.asarray(logits, np.float32),
        {k: v.astype(np.float32) for k, v in raw.items()},
        blank,
    )


def explained(maps, scan, model=None, *, true_class=None, references=None, strangers=(), seed=0, **settings):
    """What a measure is given; networks run again on all slices."""
    chosen = EvidenceSettings(slices=len(scan), sanity_slices=len(scan), layers=maps.layers, **settings)
    return ExplainedScan(model, scan, maps, scan, maps, chosen, true_class, references, {}, strangers, seed)


def disc(rows, columns, radius):
    """A round brain in the middle of a picture."""
    y, x = np.mgrid[:rows, :columns]
    return (y - (rows - 1) / 2) ** 2 + (x - (columns - 1) / 2) ** 2 <= radius**2


class BlobNetwork(nn.Module):
    """A network made by hand: its first class is how much there is of squares of 5 x 5 bright pixels.

    `match` fires on the squares alone, `noise` is a layer whose channels say nothing about them.
    """

    def __init__(self):
        super().__init__()
        self.match = nn.Sequential(nn.Conv2d(3, 1, 5, padding=2), nn.ReLU())
        self.predictions = nn.Linear(1, 2)
        with torch.no_grad():
            self.match[0].weight.fill_(1 / 75)
            self.match[0].bias.fill_(-0.9)
            self.predictions.weight.copy_(torch.tensor([[10.0], [-10.0]]))
            self.predictions.bias.copy_(torch.tensor([-0.5, 0.5]))

    def forward(self, images):
        return self.predictions(self.match(images).sum(dim=(2, 3)))


def blob_slices(count=4, size=48, *, seed=0, blobs=2):
    """Slices with dim noise in a round brain and bright squares of 5 x 5 pixels, which are the truth."""
    random = np.random.default_rng(seed)
    brain = np.tile(disc(size, size, size // 2 - 4), (count, 1, 1))
    images = random.uniform(0, 0.4, size=(count, 3, size, size)) * brain[:, None]
    truth = np.zeros((count, size, size), bool)
    for index in range(count):
        for row, column in random.integers(size // 2 - 9, size // 2 + 8, size=(blobs, 2)):
            truth[index, row - 2 : row + 3, column - 2 : column + 3] = True
    images = np.where(truth[:, None], 1.0, images)
    return make_scan(images, brain, truth)


def with_zeros(shape, share, seed=0):
    """Random heat of which a share is exactly zero."""
    random = np.random.default_rng(seed)
    values = random.random(shape).astype(np.float32) + 0.01
    values[random.random(shape) < share] = 0
    return values
