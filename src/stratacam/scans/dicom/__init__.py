"""DICOM as a hospital delivers it, to BIDS: read headers, choose series by rules, convert, write."""

from stratacam.scans.dicom.importing import Imported, import_dicom
from stratacam.scans.dicom.tell import print_import

__all__ = ["Imported", "import_dicom", "print_import"]
