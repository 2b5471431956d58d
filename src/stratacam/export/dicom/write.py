"""All DICOM results of one scan on disk, whole or not at all."""

import warnings
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import count
from pathlib import Path

from pydicom.dataset import Dataset

from stratacam.export.dicom.capture import capture
from stratacam.export.dicom.instances import made_of
from stratacam.export.dicom.parametric_map import parametric_map
from stratacam.export.dicom.report import structured_report
from stratacam.export.dicom.source import Source
from stratacam.export.drawing import draw, legend_of
from stratacam.export.placed import PlacedMap
from stratacam.files import whole_folder, write_private

FIRST_SERIES = 9001
"""Number of the first new series: behind those of a scanner."""


def write_dicom(source: Source, maps: Sequence[PlacedMap], folder: Path) -> list[Path]:
    """Write the maps of one scan, method and set of networks: of each a parametric map and captures, and one report.

    Files can be read by their owner alone, as they name the patient.

    Args:
        source: the series that the scan was imported from.
        maps: to be written.
        folder: of these files; what it holds is replaced.

    Returns:
        The files.
    """
    names = []
    with whole_folder(folder) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of patients are as the source has them
        temporary.chmod(0o700)
        for name, dataset in _results(source, maps):
            source.name_class(dataset)
            names.append(name)
            content = BytesIO()
            dataset.save_as(content, enforce_file_format=True)
            write_private(temporary / name, content.getvalue())
    return [folder / name for name in names]


def _results(source: Source, maps: Sequence[PlacedMap]) -> Iterator[tuple[str, Dataset]]:
    """Every result with its name below the folder."""
    numbers = count(FIRST_SERIES)
    written: list[tuple[PlacedMap, Dataset]] = []
    for placed in maps:
        laid = placed.lay(source.grid)
        legend = legend_of(placed.chosen, laid, signed=placed.signed)
        drawn = [draw(laid, index, legend, name=placed.name) for index in laid.shown]
        uids = [source.series.header["SeriesInstanceUID"].encode(), placed.stem.encode()]
        made = made_of(
            placed.chosen.maps.path,
            uids,
            [laid.raw.tobytes()],
            (one.pixels.tobytes() for one in drawn),
        )
        found = parametric_map(source, placed, laid, made, series_number=next(numbers))
        written.append((placed, found))
        yield f"{placed.stem}/map.dcm", found
        number = next(numbers)
        for one in drawn:
            name = f"{placed.stem}/capture-{one.index + 1:03}.dcm"
            yield name, capture(source, placed, laid, one, made, series_number=number)
    made = made_of(maps[0].chosen.maps.path, "report", *(one.SOPInstanceUID for _, one in written))
    yield "report.dcm", structured_report(source, written, made, series_number=next(numbers))
