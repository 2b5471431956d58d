"""The evidence on the maps of one network, or of several as one."""

from pathlib import Path
from typing import TYPE_CHECKING

from stratacam.errors import InputError
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.names import method_title
from stratacam.results.frames import frame_of
from stratacam.results.html import table

if TYPE_CHECKING:
    import pandas as pd


class Evidence:
    """What was measured of the maps of every layer, and the verdict on each.

    Attributes:
        content: as the report reads it.

    Example:
        found, *others = stratacam.open_study("results").evidence
        found.verdicts  # a data frame: method, layer, verdict, why
    """

    def __init__(self, content: EvidenceContent) -> None:
        self.content = content

    @property
    def title(self) -> str:
        """The networks, such as "network (consensus of 3 networks)"."""
        return self.content.title

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.content.folder

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods whose maps were measured."""
        return self.content.methods

    @property
    def layers(self) -> tuple[str, ...]:
        """The network's own, shallow to deep, then means over layers."""
        return self.content.layers

    @property
    def measures(self) -> "pd.DataFrame":
        """A row for every method, layer and measure: mean over subjects with its 95 % interval."""
        return frame_of(self.content.summaries.values())

    @property
    def verdicts(self) -> "pd.DataFrame":
        """A row for every method and layer: the verdict, and what speaks against it."""
        return frame_of(
            {"method": method, "layer": layer, "verdict": verdict, "why": why}
            for method, layer, verdict, why in self._verdicts()
        )

    def measure(self, name: str, *, method: str | None = None, against: str = "") -> "pd.DataFrame":
        """One measure along the layers.

        Args:
            name: such as "road"; see `measures`.
            method: that made the maps; the first if absent.
            against: what it is held against.

        Raises:
            InputError: it was not taken.
        """
        method = method or self.methods[0]
        rows = [
            one
            for key, one in self.content.summaries.items()
            if key[0] == method and key[2:] == (name, against)
        ]
        if not rows:
            raise InputError(
                f"{self.folder}: holds no measure {name!r} of {method} against {against!r}; there are "
                f"{', '.join(sorted(self.content.measured))}, of {', '.join(self.methods)}."
            )
        return frame_of(rows)

    def __repr__(self) -> str:
        return f"Evidence({self.title}: {len(self.methods)} method(s), {len(self.layers)} layers)"

    def _repr_html_(self) -> str:
        rows = [
            (f"{method_title(method)}, {layer}", verdict, why)
            for method, layer, verdict, why in self._verdicts()
        ]
        return f"<p><b>{self.title}</b>: which map to believe</p>" + table(rows, ("map", "verdict", "why"))

    def _verdicts(self) -> list[tuple[str, str, str, str]]:
        return [
            (method, one["layer"], one["verdict"], "; ".join((*one["faults"], *one["reasons"])))
            for method, found in self.content.recommendations.items()
            for one in found["layers"]
        ]
