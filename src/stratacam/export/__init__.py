"""Maps of a finished study in the formats of others: NIfTI, pictures, films, and DICOM for an archive."""

from stratacam.export.choose import Wanted
from stratacam.export.run import Exported, export_study

__all__ = ["Exported", "Wanted", "export_study"]
