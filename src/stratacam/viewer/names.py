"""Maps in words: which networks made them, and whether these had seen the scan."""

from stratacam.maps import ScanMaps
from stratacam.maps.nifti import HELD_OUT
from stratacam.networks import network_title
from stratacam.report.numbers import listed


def networks_of(maps: ScanMaps) -> str:
    """Which network or networks made maps.

    Example: "small CNN, seed 0, fold 2", "small CNN, consensus of 3 networks (seeds 0, 1 and 2)".
    """
    every = maps.members or (maps.model,)
    title = network_title(str(every[0].get("architecture", "unknown network")))
    seeds, folds = (
        [str(value) for value in dict.fromkeys(one.get(key) for one in every) if value is not None]
        for key in ("seed", "fold")
    )
    folds = [fold for fold in folds if fold != "0"]
    which = ", ".join(
        f"{word}{'s' if len(values) > 1 else ''} {listed(values)}"
        for word, values in (("seed", seeds), ("fold", folds))
        if values
    )
    if len(every) > 1:
        return f"{title}, consensus of {len(every)} networks" + (f" ({which})" if which else "")
    return f"{title}, {which}" if which else title


def training_words(part: str) -> str:
    """Whether networks were trained without a scan, in words."""
    return {True: "held out", False: "the network was trained on it", None: "not known whether held out"}[
        HELD_OUT.get(part)
    ]
