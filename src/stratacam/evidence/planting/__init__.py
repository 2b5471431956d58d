"""Lesions of real shape planted into real anatomy: what a network can use is known, and is not what is bright.

After R. Wilming et al., "Scrutinizing XAI using linear ground-truth data with suppressor variables" (2022; noise that
targets and their surroundings share), C. Budding et al., "Evaluating saliency methods on artificial data with
different background types" (2021; classes that differ by the shape of lesions), and M. Oliveira et al., "Benchmarking
the influence of pre-training on explanation performance in MR image classification" (2024; shapes of real lesions).
Decoys, equal signal and separate shapes for every fold are ours.
"""

from stratacam.evidence.planting.plant import Planted, plant_scan
from stratacam.evidence.planting.shapes import Kinds, kinds_of_folds, phantom_shapes, read_shapes
from stratacam.evidence.planting.white_matter import Anatomy, read_anatomy

__all__ = [
    "Anatomy",
    "Kinds",
    "Planted",
    "kinds_of_folds",
    "phantom_shapes",
    "plant_scan",
    "read_anatomy",
    "read_shapes",
]
