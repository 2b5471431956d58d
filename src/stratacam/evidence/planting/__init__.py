"""Lesions of real shape planted into real anatomy: the evidence that a network must use is known.

After R. Wilming et al., "Scrutinizing XAI using linear ground-truth data with suppressor variables" (2022), and M.
Oliveira et al., "Benchmarking the influence of pre-training on explanation performance in MR image classification"
(2024).
"""

from stratacam.evidence.planting.plant import Planted, plant_scan
from stratacam.evidence.planting.shapes import phantom_shapes, read_shapes, two_kinds
from stratacam.evidence.planting.white_matter import Anatomy, read_anatomy

__all__ = [
    "Anatomy",
    "Planted",
    "phantom_shapes",
    "plant_scan",
    "read_anatomy",
    "read_shapes",
    "two_kinds",
]
