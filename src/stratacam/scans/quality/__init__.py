"""Quality pages: one HTML page per prepared scan, and an index of a cohort."""

from stratacam.scans.quality.index import INDEX, write_index
from stratacam.scans.quality.measures import outliers
from stratacam.scans.quality.page import write_page
from stratacam.scans.quality.planes import Planes
from stratacam.scans.quality.views import SequenceViews

__all__ = ["INDEX", "Planes", "SequenceViews", "outliers", "write_index", "write_page"]
