"""Prepared pictures to trained classifiers, their evaluation, and simple baselines."""

from stratacam.learning.augment import AugmentSettings
from stratacam.learning.baselines.logistic import Baseline, Protocol
from stratacam.learning.baselines.simple import frozen_features, scan_baselines
from stratacam.learning.dataset import ScanPictures, SliceDataset, make_dataset, save_pictures
from stratacam.learning.epoch import slice_weights
from stratacam.learning.evaluation.calibration import apply_temperature, fit_temperature
from stratacam.learning.evaluation.evaluate import evaluate, evaluate_subjects
from stratacam.learning.evaluation.pooled import Pooled, pool_seeds
from stratacam.learning.evaluation.result import Evaluation, write_evaluation
from stratacam.learning.evaluation.table import write_comparison
from stratacam.learning.features import cache_activations, cache_head_inputs, read_head_inputs
from stratacam.learning.forward import compute_logits
from stratacam.learning.inputs import Inputs, augmented_inputs, cached_inputs
from stratacam.learning.settings import TrainSettings
from stratacam.learning.split import (
    PARTS,
    SLICES_OF_ONE_PERSON,
    AnySplit,
    Part,
    Split,
    SplitSettings,
    hold_out_again,
    make_splits,
    write_split,
)
from stratacam.learning.train import Checkpoint, Epoch, History, Progress, train

__all__ = [
    "PARTS",
    "SLICES_OF_ONE_PERSON",
    "AnySplit",
    "AugmentSettings",
    "Baseline",
    "Checkpoint",
    "Epoch",
    "Evaluation",
    "History",
    "Inputs",
    "Part",
    "Pooled",
    "Progress",
    "Protocol",
    "ScanPictures",
    "SliceDataset",
    "Split",
    "SplitSettings",
    "TrainSettings",
    "apply_temperature",
    "augmented_inputs",
    "cache_activations",
    "cache_head_inputs",
    "cached_inputs",
    "compute_logits",
    "evaluate",
    "evaluate_subjects",
    "fit_temperature",
    "frozen_features",
    "hold_out_again",
    "make_dataset",
    "make_splits",
    "pool_seeds",
    "read_head_inputs",
    "save_pictures",
    "scan_baselines",
    "slice_weights",
    "train",
    "write_comparison",
    "write_evaluation",
    "write_split",
]
