"""Splits: subjects to train on, to stop training by, and held out."""

from stratacam.learning.split.make import hold_out_again, make_splits
from stratacam.learning.split.parts import PARTS, SLICES_OF_ONE_PERSON, AnySplit, Part, SliceSplit, Split
from stratacam.learning.split.settings import SplitSettings
from stratacam.learning.split.table import write_split

__all__ = [
    "PARTS",
    "SLICES_OF_ONE_PERSON",
    "AnySplit",
    "Part",
    "SliceSplit",
    "Split",
    "SplitSettings",
    "hold_out_again",
    "make_splits",
    "write_split",
]
