"""A chosen map over one of the scans as delivered, and how its files are named."""

from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError
from stratacam.export.choose import ChosenMap
from stratacam.export.laid import LaidMap, lay
from stratacam.maps import entity, label_of
from stratacam.scans.resampling import Grid


@dataclass(frozen=True)
class PlacedMap:
    """A map over one scan.

    Attributes:
        chosen: the map.
        sequence: of the scan as delivered.
        signed: whether negative values are drawn too.
    """

    chosen: ChosenMap
    sequence: str
    signed: bool

    @property
    def name(self) -> str:
        """Of the scan, for readers."""
        return f"{self.chosen.maps.name} {self.sequence}"

    @property
    def stem(self) -> str:
        """What names of files of the map begin with: BIDS entities of scan, class, layer and method."""
        maps = self.chosen.maps
        described = f"desc-{entity(self.chosen.layer)}{'Signed' if self.signed else ''}"
        return f"{maps.name}_space-{entity(self.sequence)}{label_of(maps)}_{described}_{entity(maps.method)}"

    def folder(self, out: Path, kind: str) -> Path:
        """Where files of a format go: as in the study, the recommended maps lie apart from the others."""
        return out / kind / "recommended" if self.chosen.recommended else out / kind

    def lay(self, grid: Grid | None = None) -> LaidMap:
        """The map over the scan, see `stratacam.export.laid.lay`.

        Raises:
            InputError: the scan is missing or damaged, or shows nothing of what was explained.
        """
        chosen = self.chosen
        laid = lay(chosen.scan, chosen.maps, chosen.layer, self.sequence, grid, signed=self.signed)
        if not laid.shown:
            raise InputError(
                f"{self.name}: shows nothing of the slices that were explained; expected a scan of the same part of "
                "the head: choose another --sequence."
            )
        return laid
