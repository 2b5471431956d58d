"""The figures of the report: a module each, numbered in the order of these lists.

To add a figure, write a module with a function that returns a `ReportFigure`, and add its entry here. The page, its
list of figures, the files in `figures/`, `stratacam figure` and its documentation follow.
"""

from stratacam.report.content import StudyContent
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.figure import FigureEntry
from stratacam.report.figures.classes import maps_of_classes
from stratacam.report.figures.confusion import confusion_matrices
from stratacam.report.figures.dependence import dependence
from stratacam.report.figures.every_layer import slice_at_every_layer
from stratacam.report.figures.examples import example_slices
from stratacam.report.figures.group_heat import group_heat
from stratacam.report.figures.learning_curves import learning_curves
from stratacam.report.figures.measures_by_layer import measures_by_layer
from stratacam.report.figures.neighbouring_slices import slices_at_block_before, slices_at_last_block
from stratacam.report.figures.outcomes import right_and_wrong
from stratacam.report.figures.recommended import recommended_map
from stratacam.report.figures.reliability import reliability_plot
from stratacam.report.figures.sequences import sequences
from stratacam.report.figures.strategies import strategies

STUDY_FIGURES: tuple[FigureEntry[StudyContent], ...] = (
    FigureEntry(
        "recommended",
        "the map to believe, or why none is, on a subject of each group",
        recommended_map,
        scans="any",
    ),
    FigureEntry(
        "right-and-wrong",
        "maps of subjects classified right and wrong, of every group",
        right_and_wrong,
        scans="any",
        needs="explained subjects of a known group",
    ),
    FigureEntry(
        "classes",
        "signed maps of all classes of one scan, on one scale",
        maps_of_classes,
        scans="one",
        needs='maps of several classes of a scan (setting explain.target = "all")',
    ),
    FigureEntry("every-layer", "one slice at every layer, block by block", slice_at_every_layer, scans="one"),
    FigureEntry(
        "last-block", "neighbouring slices at the layers of the last block", slices_at_last_block, scans="one"
    ),
    FigureEntry(
        "block-before",
        "neighbouring slices at the end of the block before",
        slices_at_block_before,
        scans="one",
        needs="a network of two blocks",
    ),
    FigureEntry(
        "confusion", "confusion matrices, per subject and per slice", confusion_matrices, chapter="results"
    ),
    FigureEntry(
        "reliability",
        "whether probabilities mean what they say",
        reliability_plot,
        needs="predictions of held-out subjects",
        chapter="results",
    ),
    FigureEntry(
        "learning-curves",
        "losses of every training",
        learning_curves,
        needs="histories of the trainings",
        chapter="results",
    ),
    FigureEntry(
        "examples",
        "every sequence of a subject of each group",
        example_slices,
        scans="any",
        chapter="cohort",
        depends_on_split=False,
    ),
)

EVIDENCE_FIGURES: tuple[FigureEntry[EvidenceContent], ...] = (
    FigureEntry("evidence", "every measure of maps, layer by layer", measures_by_layer),
    FigureEntry(
        "dependence",
        "how alike the maps of layers are, and which weights they depend on",
        dependence,
        needs="maps of two layers",
    ),
    FigureEntry(
        "sequences",
        "what each sequence contributes to each class",
        sequences,
        needs="measured sequences (setting evidence.donors above 0)",
    ),
    FigureEntry(
        "groups",
        "heat of every group in MNI152 space",
        group_heat,
        needs="two groups in MNI152 space (setting prepare.template = true)",
    ),
    FigureEntry(
        "strategies",
        "typical maps of each strategy in MNI152 space",
        strategies,
        needs="several strategies that were told apart",
    ),
)
"""Drawn for every network whose evidence was measured; the network's name is added to the figure's."""
