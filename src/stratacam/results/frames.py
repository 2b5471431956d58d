"""Tables of a study as data frames of pandas, which is not needed for anything else."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratacam.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def read_frame(path: Path) -> "pd.DataFrame":
    """A tab-separated table; empty cells are missing values, and names such as "01" stay text.

    Raises:
        InputError: pandas is not installed, or the table cannot be read.
    """
    pandas = _pandas()
    try:
        texts = pandas.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as fault:
        raise InputError(f"{path}: is no table ({fault}); make it again with `stratacam run`.") from fault
    return texts.apply(_numbers_where_all_are)


def frame_of(rows: Iterable[Any]) -> "pd.DataFrame":
    """A data frame of named tuples, data classes or dictionaries.

    Raises:
        InputError: pandas is not installed.
    """
    return _pandas().DataFrame(list(rows))


def _numbers_where_all_are(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column as numbers where every cell is one or empty, and none begins with a 0 that a number would lose."""
    pandas = _pandas()
    filled = column[column != ""]
    if filled.empty or filled.str.fullmatch(r"0\d+").any():
        return column
    numbers = pandas.to_numeric(column.where(column != "", "nan"), errors="coerce")
    return numbers if numbers[filled.index].notna().sum() + (filled == "nan").sum() == len(filled) else column


def _pandas() -> Any:  # noqa: ANN401 - the module
    try:
        import pandas as pd  # noqa: PLC0415 - only where a data frame is asked for
    except ImportError as fault:
        raise InputError(
            "pandas is not installed; expected it for data frames: pip install 'stratacam[notebook]', or pip install "
            "pandas."
        ) from fault
    return pd
