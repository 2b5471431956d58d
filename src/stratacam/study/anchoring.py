"""The relative paths of a study's configuration, which are relative to the folder of its file."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stratacam.networks import WEIGHTS, card_of, is_elsewhere, is_given
from stratacam.networks.registry import GIVEN

PATHS = (("", "out"), ("cohort", "input"), ("cohort", "prepared"), ("split", "table"), ("evidence", "atlas"))
"""Settings that are paths: section and name."""


def anchored(configuration: BaseModel, folder: Path) -> dict[str, Any]:
    """What a study's configuration sets, with relative paths made relative to a folder."""
    content = configuration.model_dump(exclude_unset=True)
    for section, name in PATHS:
        place = content.get(section, {}) if section else content
        if place.get(name):
            place[name] = anchor(place[name], folder)
    network = content.get("network", {})
    if "architecture" in network:
        named = network["architecture"]
        network["architecture"] = (
            anchor_reference(named, folder)
            if isinstance(named, str)
            else [anchor_reference(name, folder) for name in named]
        )
    if network.get("weights", "none") not in WEIGHTS:
        network["weights"] = str(anchor(Path(network["weights"]), folder))
    return content


def anchor(path: Path, folder: Path) -> Path:
    """A path that is relative to a folder, or to none, as an absolute one."""
    return (folder / path.expanduser()).resolve()


def anchor_reference(architecture: str, folder: Path) -> str:
    """Anchor the file of `networks.py:make`, and the folder of `transformers:./model`; leave all others as they are."""
    if is_given(architecture):
        return f"{GIVEN}{anchor(card_of(architecture), folder)}"
    if is_elsewhere(architecture):
        package, _, name = architecture.partition(":")
        return f"{package}:{anchor(Path(name), folder)}" if name.startswith((".", "~")) else architecture
    home, colon, function = architecture.rpartition(":")
    return f"{anchor(Path(home), folder)}:{function}" if colon and home.endswith(".py") else architecture
