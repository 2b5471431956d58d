"""What every DICOM result has in common: who made it, when, its UIDs, its codes, its series description."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from io import BytesIO
from typing import Any

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid

from stratacam.errors import InputError
from stratacam.export.dicom.source import Source
from stratacam.export.placed import PlacedMap
from stratacam.export.words import printable
from stratacam.maps.fused import fused_title

MAKER = "stratacam"
OWN = "99STRATACAM"
"""Designator of our own codes; DICOM leaves those that begin with 99 to anybody."""

FIRST_SERIES = 9001
"""Number of the first new series: behind those of a scanner."""

SERIES_OF_A_MAP = 3
AGAIN = {
    False: "run the study again with --force explain",
    True: "delete its recommended maps, and make them again with `stratacam evidence`",
}
"""What makes maps again, by whether they are recommended ones."""

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
        moment: when the maps were made, UTC.
        seed: what UIDs depend on, beside their own.
        first_number: of the series that the map is written as.
    """

    moment: datetime
    seed: str
    first_number: int

    def uid(self, *parts: str) -> str:
        """A UID that the same parts have again."""
        return str(generate_uid(entropy_srcs=[self.seed, *parts]))

    def finish(self, dataset: Dataset) -> None:
        """Give an instance the moment of its maps in place of that of its export, and say whose our codes are.

        Dates are UTC. TimezoneOffsetFromUTC would say so of StudyTime too, which is the hospital's: it is left out.
        """
        scheme = Dataset()
        scheme.CodingSchemeDesignator, scheme.CodingSchemeName = OWN, MAKER
        dataset.CodingSchemeIdentificationSequence = [scheme]
        for maker in dataset.get("ContributingEquipmentSequence", ()):
            maker.ContributionDateTime = self.moment.strftime("%Y%m%d%H%M%S+0000")
        day, time = self.moment.strftime("%Y%m%d"), self.moment.strftime("%H%M%S")
        for keyword in ("ContentDate", "InstanceCreationDate", "DateOfSecondaryCapture", "SeriesDate"):
            if keyword in dataset or keyword == "SeriesDate":
                setattr(dataset, keyword, day)
        for keyword in ("ContentTime", "InstanceCreationTime", "TimeOfSecondaryCapture", "SeriesTime"):
            if keyword in dataset or keyword == "SeriesTime":
                setattr(dataset, keyword, time)


def made_of(placed: PlacedMap, source: Source, *contents: Iterable[bytes]) -> Made:
    """When a map was made, and a seed of all that its results are made of.

    Args:
        placed: the map.
        source: the series that it lies over.
        contents: values and pictures.

    Raises:
        InputError: the study does not say when.
    """
    chosen = placed.chosen
    if chosen.made is None:
        raise InputError(
            f"{placed.name}: the study's provenance.json does not say when its step {chosen.step} ended; expected "
            f"that, as DICOM files bear it: {AGAIN[chosen.recommended]}."
        )
    header = json.dumps(
        [placed.stem, asdict(source.series), chosen.made.isoformat(), version(MAKER)], sort_keys=True
    )
    digest = hashlib.sha256(header.encode())
    for content in contents:
        for part in content:
            digest.update(part)
    maps = chosen.maps
    place = 0
    for one, others in (
        (placed.sequence, list(maps.geometry.delivered)),
        (maps.explained, maps.every_explained),
        (chosen.layer, maps.layers),
    ):
        place = place * len(others) + others.index(one)
    return Made(chosen.made, digest.hexdigest(), FIRST_SERIES + SERIES_OF_A_MAP * place)


def encoded(dataset: Dataset) -> bytes:
    """An instance as a file."""
    content = BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()


def settle(dataset: Dataset, made: Made) -> None:
    """Give an instance the UID that follows from everything in it."""
    uid = UID(made.uid(hashlib.sha256(encoded(dataset)).hexdigest()))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid


def long_string(text: str) -> str:
    """A text as a DICOM Long String: no backslash, which separates values, no control characters, 64 characters."""
    return printable(text.replace("\\", "/"))[:LONG_STRING]


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
    """Begins with the warning, as lists of series show the start; the end may be cut off."""
    maps, layer = placed.chosen.maps, fused_title(placed.chosen.layer)
    return long_string(f"RESEARCH ONLY {placed.sequence} {what} for {maps.explained}: {maps.method}, {layer}")
