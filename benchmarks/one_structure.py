"""Phantoms whose two classes differ in one structure, ventricles or lesions, and small networks trained on them."""

from collections.abc import Collection
from typing import Literal

import numpy as np
import torch
from torch import nn

from stratacam.evidence.draws import generator
from stratacam.evidence.scan import ScanSlices
from stratacam.networks import build
from stratacam.scans.geometry import Geometry
from stratacam.scans.phantom.anatomy import FRACTIONS, blur, head
from stratacam.scans.phantom.body import Body, draw_position, draw_warp, sample, template_voxels
from stratacam.scans.phantom.contrast import signal, vary
from stratacam.scans.phantom.disease import Disease
from stratacam.scans.phantom.lesions import grow_lesions
from stratacam.scans.resampling import Grid
from stratacam.scans.sequences import DEFAULT_SEQUENCES, simulated_sequences

Structure = Literal["ventricle", "lesion"]

LEVELS_MM = (2.0, 9.0, 16.0, 23.0)
"""Of the slices, above the anterior commissure: the level of the lateral ventricles."""

EPOCHS, BATCH, RATE = 30, 32, 2e-3
"""Of the training."""

GAIN = 0.1
"""Standard deviation of the brightness of each channel, where pictures are augmented."""

WHITE = {"T1w": 0.6, "T2w": 0.33, "FLAIR": 0.53}
"""Intensity of white matter in prepared scans."""


def draw_burden(structure: Structure, *, sick: bool, random: np.random.Generator) -> Disease:
    """The burden of a subject: the two classes differ in `structure` alone."""
    lesion_ml, ventricle_mm = 12.0, 1.5
    if structure == "lesion":
        lesion_ml = 25.0 if sick else 3.0
    else:
        ventricle_mm = 4.0 if sick else 0.0
    lesion_ml *= float(np.exp(0.4 * np.clip(random.normal(), -2, 2)))
    ventricle_mm += float(0.6 * np.clip(random.normal(), -2, 2))
    return Disease(lesion_ml, int(random.integers(0, 4)), 0.2, ventricle_mm)


def make_slices(
    structure: Structure,
    index: int,
    *,
    sick: bool,
    lesions_on: Collection[str] = DEFAULT_SEQUENCES,
    size: int = 64,
    pixel_mm: float = 3.5,
    seed: int = 0,
) -> ScanSlices:
    """Axial slices of one subject as a network sees them, with the masks of ventricles and lesions.

    Lesions are seen on some sequences alone, if these are named.
    """
    name = f"sub-{index:03d}"
    random = generator(seed, "phantom", structure, name)
    template = head(pixel_mm)
    disease = draw_burden(structure, sick=sick, random=random)
    body = Body(template, draw_position(random), draw_warp(template, random), disease.ventricle_mm)
    lesions = grow_lesions(template, disease, random)
    affine = np.diag([pixel_mm, pixel_mm, LEVELS_MM[1] - LEVELS_MM[0], 1.0])
    affine[:3, 3] = [-pixel_mm * (size - 1) / 2, -18 - pixel_mm * (size - 1) / 2, LEVELS_MM[0]]
    grid = Grid((size, size, len(LEVELS_MM)), affine)
    voxels = template_voxels(body, affine, grid.shape)
    tissue = np.stack([sample(part, voxels) for part in template.tissue])
    lesion, core = (sample(blur(part, pixel_mm), voxels) for part in (lesions.lesion, lesions.black_hole))
    brain = sample(template.brain, voxels) >= 0.5
    tissues = vary(random)
    images = []
    for sequence in DEFAULT_SEQUENCES:
        timing = simulated_sequences()[sequence]
        signals = {kind: signal(one, timing) for kind, one in tissues.items()}
        plain = np.tensordot(np.array([signals[kind] for kind in FRACTIONS]), tissue, 1)
        mixed = plain
        if sequence in lesions_on:
            mixed = plain * (1 - lesion) + (lesion - core) * signals["lesion"] + core * signals["black hole"]
        noise = random.normal(scale=0.03, size=grid.shape)
        images.append((mixed / signals["white matter"] + noise) * WHITE[sequence] * brain)
    middle = ((size - 1) / 2, (size - 1) / 2)
    return ScanSlices(
        name,
        name,
        "sick" if sick else "well",
        np.clip(np.stack(images).transpose(3, 0, 2, 1)[:, :, ::-1], 0, 1).astype(np.float32),
        _laid(brain),
        None,
        Geometry(
            grid,
            "axial",
            tuple(range(len(LEVELS_MM))),
            (size, size),
            middle,
            (float(size), float(size)),
        ),
        structures={
            "ventricle": _laid(sample(template.ventricles, voxels) >= 0.5),
            "lesion": _laid(lesion >= 0.5),
        },
    )


def train_network(network: str, scans: list[ScanSlices], seed: int, *, augmented: bool = False) -> nn.Module:
    """A network trained from random weights; on pictures half of which are mirrored, with random gains, or as is."""
    torch.manual_seed(seed)
    model = build(network, 2, weights="none")
    images = torch.from_numpy(np.concatenate([scan.images for scan in scans]))
    labels = torch.tensor([int(scan.group == "sick") for scan in scans for _ in scan.images])
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    model.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images)).split(BATCH):
            batch = images[rows]
            if augmented:
                mirrored = torch.rand(len(rows), 1, 1, 1) < 0.5
                gains = 1 + GAIN * torch.randn(len(rows), batch.shape[1], 1, 1)
                batch = gains * torch.where(mirrored, batch.flip(3), batch)
            loss = nn.functional.cross_entropy(model(batch), labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    return model.eval()


def _laid(mask: np.ndarray) -> np.ndarray:
    """A volume (X, Y, Z) as slices (n, rows, columns), the front on top."""
    return np.ascontiguousarray(mask.transpose(2, 1, 0)[:, ::-1])
