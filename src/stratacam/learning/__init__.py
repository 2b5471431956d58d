"""Prepared volumes to a trained and evaluated classifier."""

from stratacam.learning.augment import AugmentSettings
from stratacam.learning.dataset import (
    ScanPictures,
    SliceDataset,
    make_dataset,
    make_datasets,
    save_pictures,
)
from stratacam.learning.evaluate import Evaluation, evaluate, predict, write_evaluation
from stratacam.learning.settings import TrainSettings
from stratacam.learning.split import PARTS, Part, Split, SplitSettings, split_subjects, write_split
from stratacam.learning.train import Epoch, History, train

__all__ = [
    "PARTS",
    "AugmentSettings",
    "Epoch",
    "Evaluation",
    "History",
    "Part",
    "ScanPictures",
    "SliceDataset",
    "Split",
    "SplitSettings",
    "TrainSettings",
    "evaluate",
    "make_dataset",
    "make_datasets",
    "predict",
    "save_pictures",
    "split_subjects",
    "train",
    "write_evaluation",
    "write_split",
]
