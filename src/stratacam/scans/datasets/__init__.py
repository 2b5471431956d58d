"""Open data sets as they are downloaded, as BIDS: one module and one entry of `LAYOUTS` for each layout."""

from stratacam.scans.datasets.importing import ImportedDataset, import_dataset
from stratacam.scans.datasets.layout import Layout, Person
from stratacam.scans.datasets.registry import LAYOUTS, find_layout

__all__ = ["LAYOUTS", "ImportedDataset", "Layout", "Person", "find_layout", "import_dataset"]
