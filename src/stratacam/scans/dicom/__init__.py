"""DICOM as a hospital delivers it, to BIDS: read headers, choose series by rules, convert, write."""

from stratacam.scans.dicom.console import print_import
from stratacam.scans.dicom.importing import Imported, import_dicom

__all__ = ["Imported", "import_dicom", "print_import"]
