"""What every DICOM result has in common: who made it, when, its UIDs, its codes, its series description."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from stratacam.export.placed import PlacedMap
from stratacam.export.words import title_of

MAKER = "stratacam"
OWN = "99STRATACAM"
"""Designator of our own codes; DICOM leaves those that begin with 99 to anybody."""

LONG_STRING = 64
BODY_PART = "BRAIN"

UCUM = {
    "logit": "{logit}",
    "activation": "{activation}",
    "logit x activation": "{logit}.{act}",
    "logit per intensity": "{logit}/{int}",
    "scale of a network": "{scale}",
    "arbitrary": "[arb'U]",
}
"""Units of maps in UCUM: what has no unit of its own is 1, and named in braces."""

QUANTITY = CodedConcept("cam", OWN, "Class activation map")
NO_UNIT = CodedConcept("1", "UCUM", "no units")


@dataclass(frozen=True)
class Made:
    """When and as what the results of a map are made; the same maps give the same bytes.

    Attributes:
        moment: when the maps were made.
        seed: what UIDs depend on, beside their own.
    """

    moment: datetime
    seed: str

    def uid(self, *parts: str) -> str:
        """A UID that the same parts have again."""
        return str(generate_uid(entropy_srcs=[self.seed, *parts]))

    def finish(self, dataset: Dataset) -> None:
        """Give an instance the moment of its maps in place of that of its export, and say whose our codes are."""
        scheme = Dataset()
        scheme.CodingSchemeDesignator, scheme.CodingSchemeName = OWN, MAKER
        dataset.CodingSchemeIdentificationSequence = [scheme]
        for maker in dataset.get("ContributingEquipmentSequence", ()):
            maker.ContributionDateTime = self.moment.strftime("%Y%m%d%H%M%S")
        day, time = self.moment.strftime("%Y%m%d"), self.moment.strftime("%H%M%S")
        for keyword in ("ContentDate", "InstanceCreationDate", "DateOfSecondaryCapture", "SeriesDate"):
            if keyword in dataset or keyword == "SeriesDate":
                setattr(dataset, keyword, day)
        for keyword in ("ContentTime", "InstanceCreationTime", "TimeOfSecondaryCapture", "SeriesTime"):
            if keyword in dataset or keyword == "SeriesTime":
                setattr(dataset, keyword, time)


def made_of(store: Path, *contents: Iterable[bytes] | str) -> Made:
    """When maps were made, and a seed of all that a result is made of."""
    moment = datetime.fromtimestamp(int((store / "zarr.json").stat().st_mtime)).astimezone()
    digest = hashlib.sha256(f"{version(MAKER)} {moment.isoformat()}".encode())
    for content in contents:
        for part in [content.encode()] if isinstance(content, str) else content:
            digest.update(part)
    return Made(moment, digest.hexdigest())


def equipment() -> dict[str, Any]:
    """Who made a result, as arguments of `highdicom`."""
    return {
        "manufacturer": MAKER,
        "manufacturer_model_name": MAKER,
        "software_versions": version(MAKER),
        "device_serial_number": version(MAKER),
    }


def unit_code(unit: str) -> CodedConcept:
    """A unit of maps in UCUM."""
    return CodedConcept(UCUM[unit], "UCUM", unit)


def series_description(placed: PlacedMap, what: str) -> str:
    """Begins with the warning, as lists of series show the start."""
    return f"RESEARCH ONLY {what}: {title_of(placed.chosen)}"[:LONG_STRING]
