"""The registry of layouts. A new one is a module with a `Layout`, and an entry here."""

from stratacam.errors import InputError, did_you_mean
from stratacam.scans.datasets.layout import Layout
from stratacam.scans.datasets.msseg import MSSEG
from stratacam.scans.datasets.open_ms_data import OPEN_MS_DATA

LAYOUTS = {layout.name: layout for layout in (OPEN_MS_DATA, MSSEG)}
"""By name."""


def find_layout(name: str) -> Layout:
    """Return the layout of a name.

    Raises:
        InputError: it is none.

    Example:
        >>> find_layout("msseg").group
        'MS'
    """
    if name not in LAYOUTS:
        raise InputError(
            f"LAYOUT: found {name!r}; {did_you_mean(name, LAYOUTS)}expected one of {', '.join(LAYOUTS)}: choose one. A "
            "data set in BIDS needs no import."
        )
    return LAYOUTS[name]
