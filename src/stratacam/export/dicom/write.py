"""All DICOM results of one map on disk, whole or not at all."""

import warnings
from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset

from stratacam.errors import InputError
from stratacam.export.dicom.capture import capture
from stratacam.export.dicom.instances import Made, encoded, made_of, settle
from stratacam.export.dicom.parametric_map import parametric_map
from stratacam.export.dicom.report import structured_report
from stratacam.export.dicom.source import Source
from stratacam.export.drawing import draw, legend_of
from stratacam.export.placed import PlacedMap
from stratacam.files import whole_folder, write_private


def write_dicom(source: Source, placed: PlacedMap, folder: Path) -> list[Path]:
    """Write a map as a parametric map, captures and a report.

    Files can be read by their owner alone, as they name the patient.

    Args:
        source: the series that the scan was imported from.
        placed: the map.
        folder: of these files; what it holds is replaced.

    Returns:
        The files.

    Raises:
        InputError: a value cannot be written as DICOM, or the files cannot be written.
    """
    names = []
    with whole_folder(folder) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of patients are as the source has them
        temporary.chmod(0o700)
        try:
            for name, dataset in _results(source, placed):
                names.append(name)
                write_private(temporary / name, encoded(dataset))
        except InputError:
            raise
        except (ValueError, TypeError) as fault:
            raise InputError(
                f"{placed.name}: cannot be written as DICOM ({fault}); expected headers and names of classes that the "
                "standard allows: correct them, and import or run the study again."
            ) from fault
    return [folder / name for name in names]


def _results(source: Source, placed: PlacedMap) -> Iterator[tuple[str, Dataset]]:
    """Every result with its name in the folder."""
    laid = placed.lay(source.grid)
    legend = legend_of(placed.chosen, laid, signed=placed.signed)
    drawn = [draw(laid, index, legend, name=placed.name) for index in laid.shown]
    made = made_of(placed, source, [laid.raw.tobytes()], (one.pixels.tobytes() for one in drawn))
    found = _whole(source, parametric_map(source, placed, laid, made), made)
    yield "map.dcm", found
    for one in drawn:
        yield (
            f"capture-{one.index + 1:03}.dcm",
            _whole(source, capture(source, placed, laid, one, made), made),
        )
    yield "report.dcm", _whole(source, structured_report(source, placed, laid, found, made), made)


def _whole(source: Source, dataset: Dataset, made: Made) -> Dataset:
    """An instance with the class of its source and a UID of its content."""
    source.name_class(dataset)
    settle(dataset, made)
    return dataset
