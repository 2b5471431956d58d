"""The figures of the report: a module each, numbered in the order of these lists.

To add a figure, write a module with a function that returns a `ReportFigure`, and add its entry here. The page, its
list of figures and the files in `figures/` follow.
"""

from stratacam.report.content import StudyContent
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import FigureEntry
from stratacam.report.figures.confusion import confusion_matrices
from stratacam.report.figures.dependence import dependence
from stratacam.report.figures.every_layer import slice_at_every_layer
from stratacam.report.figures.examples import example_slices
from stratacam.report.figures.group_heat import group_heat
from stratacam.report.figures.learning_curves import learning_curves
from stratacam.report.figures.measures_by_layer import measures_by_layer
from stratacam.report.figures.neighbouring_slices import slices_at_block_before, slices_at_last_block
from stratacam.report.figures.recommended import recommended_map
from stratacam.report.figures.reliability import reliability_plot
from stratacam.report.figures.sequences import sequences
from stratacam.report.figures.strategies import strategies

STUDY_FIGURES: tuple[FigureEntry[StudyContent], ...] = (
    FigureEntry("recommended", recommended_map),
    FigureEntry("examples", example_slices, depends_on_split=False),
    FigureEntry("confusion", confusion_matrices),
    FigureEntry("last-block", slices_at_last_block),
    FigureEntry("block-before", slices_at_block_before),
    FigureEntry("every-layer", slice_at_every_layer),
    FigureEntry("reliability", reliability_plot),
    FigureEntry("learning-curves", learning_curves),
)

EVIDENCE_FIGURES: tuple[FigureEntry[EvidenceContent], ...] = (
    FigureEntry("evidence", measures_by_layer),
    FigureEntry("dependence", dependence),
    FigureEntry("sequences", sequences),
    FigureEntry("groups", group_heat),
    FigureEntry("strategies", strategies),
)
"""Drawn for every network whose evidence was measured; the network's name is added to the name of the file."""
