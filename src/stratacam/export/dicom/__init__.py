"""Maps as DICOM beside the series that they were made of: parametric map, colour captures, structured report."""

from stratacam.export.dicom.source import Source, find_source, read_sources
from stratacam.export.dicom.write import write_dicom

__all__ = ["Source", "find_source", "read_sources", "write_dicom"]
