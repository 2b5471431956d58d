"""What the classes of a data set differ by, as it says beside its masks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError

STATEMENT = "truth.json"
"""File of `derivatives/<name>/` that says which structures are the truth of each class."""


@dataclass(frozen=True)
class TruthStatement:
    """Which structures tell each class from the others.

    Attributes:
        source: what says so: a file of the data set, or a section of the configuration.
        structures: by class, labels of masks; none for a class that has nothing to show.
    """

    source: str
    structures: Mapping[str, tuple[str, ...]]


def read_statement(bids: Path) -> TruthStatement | None:
    """Read which structures are the truth of each class; None where the data set does not say.

    The statement is `derivatives/*/truth.json`, the first in sorted order: an object that has, by class, a list of
    labels of masks, such as `{"control": [], "RRMS": ["lesion"]}`.

    Raises:
        InputError: the file is damaged.
    """
    path = next(iter(sorted(bids.glob(f"derivatives/*/{STATEMENT}"))), None)
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or not all(map(_are_labels, content.values())):
        raise InputError(
            f"{path}: does not say which structures are the truth of a class; expected an object with a list of labels "
            'for each class, such as {"MS": ["lesion"], "control": []}: correct it, or remove it.'
        )
    return TruthStatement(
        path.relative_to(bids).as_posix(), {group: tuple(labels) for group, labels in content.items()}
    )


def _are_labels(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(label, str) and label for label in found)
