"""How scans were acquired, from the headers and JSON sidecars of their images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import read_json
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.derivatives import bids_root
from stratacam.scans.image_file import image_end
from stratacam.scans.resampling import read_grid

SCANNER = {
    "Manufacturer": "manufacturer",
    "ManufacturersModelName": "scanner model",
    "MagneticFieldStrength": "field strength",
    "InstitutionName": "institution",
    "StationName": "station",
    "DeviceSerialNumber": "serial number",
    "SoftwareVersions": "scanner software",
    "ReceiveCoilName": "receive coil",
}
"""Fields of the T1w's sidecar that say which scanner it was, and what they are called."""

TIMING = ("RepetitionTime", "EchoTime", "InversionTime", "FlipAngle")
"""Fields of a sidecar that together are the protocol of a sequence."""


def read_acquisition(scans: Sequence[Scan]) -> dict[str, dict[str, str]]:
    """By scan, what is known of its acquisition: the scanner, and voxels and timing of every sequence, as words.

    Sidecars are those beside the images and, by the inheritance principle of BIDS, those above. A header or sidecar
    that cannot be read says nothing.

    Example:
        >>> read_acquisition([])
        {}
    """
    listings: dict[Path, list[Path]] = {}
    return {scan.name: _of_scan(scan, listings) for scan in scans}


def _of_scan(scan: Scan, listings: dict[Path, list[Path]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for sequence, image in scan.images.items():
        sidecar = _sidecar(image, listings)
        if sequence == "T1w":
            found |= {word: str(sidecar[key]) for key, word in SCANNER.items() if sidecar.get(key)}
        timing = [f"{key} {_rounded(sidecar[key])}" for key in TIMING if key in sidecar]
        if timing:
            found[f"protocol of {sequence}"] = ", ".join(timing)
        try:
            edges = read_grid(image).voxel_mm
        except InputError:
            continue
        found[f"voxels of {sequence}"] = " x ".join(f"{edge:.2g}" for edge in edges) + " mm"
    return found


def _sidecar(image: Path, listings: dict[Path, list[Path]]) -> Mapping[str, Any]:
    """What the sidecars say of an image; one nearer to it goes before one above."""
    *entities, suffix = image.name.removesuffix(image_end(image.name) or "").split("_")
    root = bids_root(image)
    folders = [folder for folder in (*reversed(image.parents),) if folder.is_relative_to(root)]
    content: dict[str, Any] = {}
    for folder in folders:
        if folder not in listings:
            listings[folder] = sorted(folder.glob("*.json"), key=lambda path: len(path.name))
        for path in listings[folder]:
            *named, kind = path.stem.split("_")
            if kind == suffix and set(named) <= set(entities):
                content |= read_json(path)
    return content


def _rounded(value: object) -> str:
    """Numbers with three digits, as scanners report a time anew for every scan."""
    return f"{value:.3g}" if isinstance(value, (int, float)) else str(value)
