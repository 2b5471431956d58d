"""A finished study in Python: tables as data frames, scans and maps as images, and what it shows of itself."""

from stratacam.results.evidence import Evidence
from stratacam.results.study import Study, open_study

__all__ = ["Evidence", "Study", "open_study"]
