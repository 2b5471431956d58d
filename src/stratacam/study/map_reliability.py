"""How reliable the maps of several networks are, over the subjects of a study: `reliability.tsv`."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stratacam.evidence.inference import mean_interval
from stratacam.evidence.inference.means import mean_known
from stratacam.files import write_table
from stratacam.maps import ScanMaps
from stratacam.maps.reliability import WANTED, networks_needed, spearman_brown

RELIABILITY = "reliability.tsv"
"""The table, below a folder of maps."""

LIMITS = (-1.0, 1.0)

COLUMNS = (
    "method", "layer", "networks", "reliability", "low", "high", "subjects", f"networks_for_{WANTED}"
)  # fmt: skip


def write_reliability(file: Path, maps: Sequence[ScanMaps]) -> None:
    """Write the table of consensus maps; remove it where there are none.

    A row for each layer and method: the mean over subjects, its 95 % interval, and how many networks are needed for
    `WANTED`. Where scans have maps of different numbers of networks, their reliabilities are brought to the smallest.
    """
    if not maps:
        file.unlink(missing_ok=True)
        return
    networks = min(len(one.members) for one in maps)
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for one in maps:
        for layer in one.layers:
            value = one.reliability(layer)
            if value is not None:
                of_subjects = found.setdefault((one.method, layer), {})
                common = spearman_brown(value, networks / len(one.members))
                of_subjects.setdefault(one.name.split("_", maxsplit=1)[0], []).append(common)
    rows: list[tuple[str, ...]] = [COLUMNS]
    for (method, layer), of_subjects in found.items():
        values = np.array([float(np.mean(numbers)) for numbers in of_subjects.values()])
        mean, (low, high) = float(mean_known(values)), mean_interval(values, LIMITS)
        needed = networks_needed(mean, networks)
        numbers = ["" if math.isnan(number) else f"{number:.4f}" for number in (mean, low, high)]
        rows.append(
            (method, layer, str(networks), *numbers, str(len(values)), "" if needed is None else str(needed))
        )
    write_table(file, rows)
