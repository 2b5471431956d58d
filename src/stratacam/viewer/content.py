"""What can be asked of a finished study: tables made once, whose places are the only names in a request."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from stratacam.errors import InputError
from stratacam.evidence.regions.atlas import Atlas, atlas_of
from stratacam.evidence.regions.template_space import from_template
from stratacam.files import read_json
from stratacam.maps import ScanMaps
from stratacam.report.choose import choose_patient
from stratacam.report.content import StudyContent, subject_label
from stratacam.report.overlay import WHITE
from stratacam.scans.labels import find_masks, read_mask
from stratacam.scans.prepared import PreparedScan
from stratacam.viewer.answers import (
    AtlasAnswer,
    ChartAnswer,
    FirstView,
    ListedScan,
    Named,
    RangeAnswer,
    ScanAnswer,
    StudyAnswer,
)
from stratacam.viewer.chart import chart_of
from stratacam.viewer.names import training_words
from stratacam.viewer.store_answer import store_answer
from stratacam.viewer.trust import trust_of
from stratacam.viewer.volumes import image_bytes, image_of, map_bytes, nifti_bytes

Part = Literal["mean", "spread", "agreement"]
"""What there is of a map: itself, or the mean of several networks'; and of these their spread and agreement."""


@dataclass(frozen=True)
class ViewedStore:
    """Maps that can be shown.

    Attributes:
        maps: as they were found.
        recommended: whether the study recommends them.
        judged: whether what the study says of maps is about the networks that made these.
        written: mark of the store's file, by which it is known if it is written again.
    """

    maps: ScanMaps
    recommended: bool
    judged: bool
    written: tuple[int, int]

    def of(self, explained: int) -> ScanMaps:
        """The maps of a class.

        Raises:
            InputError: they were written again since they were found: what is known of them is of others.
        """
        if mark_of(self.maps.path) != self.written:
            raise InputError(
                f"{self.maps.path}: was written again since the viewer was started; expected the same maps: start the "
                "viewer again."
            )
        return self.maps.of(self.maps.every_explained[explained])


def mark_of(store: Path) -> tuple[int, int]:
    """What changes when a store is written again."""
    found = (store / "zarr.json").stat()
    return found.st_mtime_ns, found.st_ino


@dataclass(frozen=True)
class ViewedScan:
    """A scan with maps.

    Attributes:
        name: that is shown.
        scan: as prepared.
        stores: places in the list of stores, the recommended ones first.
    """

    name: str
    scan: PreparedScan
    stores: tuple[int, ...]


@dataclass(frozen=True)
class Viewed:
    """A study as the viewer sees it.

    Every method answers for places in these lists, and raises IndexError where there is no such place.

    Attributes:
        content: of the study.
        scans: those that there are maps of, by name.
        stores: all maps.
        without_maps: how many prepared scans there are no maps of.
        damaged: stores of maps that cannot be read, a sentence each, that begins with its name.
    """

    content: StudyContent
    scans: tuple[ViewedScan, ...]
    stores: tuple[ViewedStore, ...]
    without_maps: int = 0
    damaged: tuple[str, ...] = ()

    def only(self, name: str, label: str) -> Self:
        """One scan alone, under a label that does not say whose it is.

        Raises:
            InputError: there is no such scan, or more than one session of a subject.
        """
        found = [one for one in self.scans if name in {one.name, subject_label(one.name)}]
        if len(found) != 1:
            some = ", ".join(one.name for one in self.scans)
            raise InputError(
                f"{name}: names {len(found)} scans with maps; expected one of {some}: choose one."
            )
        chosen = replace(found[0], name=label, stores=tuple(range(len(found[0].stores))))
        stores = tuple(self.stores[store] for store in found[0].stores)
        return replace(self, scans=(chosen,), stores=stores, without_maps=0, damaged=())

    def study(self) -> StudyAnswer:
        """The study, its scans, and what to look at first."""
        recommended = self.content.recommended
        rule = read_json(self.content.folders.recommended).get("rule", {}) if recommended else {}
        in_short, numbers = trust_of(recommended)
        return StudyAnswer(
            title=str(self.content.configuration.get("name", "")),
            version=version("stratacam"),
            recommended=bool(recommended and recommended.chosen),
            in_short=in_short,
            numbers=numbers,
            rule=[rule["opening"], *rule["criteria"], rule["remarks"]] if rule else [],
            warning=self.content.warning,
            scans=[
                ListedScan(
                    place, one.name, self._group(one), maps.predicted, training_words(maps.in_training)
                )
                for place, one in enumerate(self.scans)
                for maps in [self.stores[one.stores[0]].maps]
            ],
            without_maps=self.without_maps,
            damaged=self.damaged,
            first=self._first,
        )

    def scan(self, place: int) -> ScanAnswer:
        """A scan, and all that is known of its maps but the maps."""
        one = self.scans[place]
        sequences = [*one.scan.sequences]
        sequences.sort(key=lambda sequence: sequence != self.content.sequence)
        return ScanAnswer(
            id=place,
            name=one.name,
            group=self._group(one),
            sequences=[Named(one.scan.sequences.index(sequence), sequence) for sequence in sequences],
            white=WHITE,
            masks=[Named(number, name) for number, name in enumerate(self._masks(place))],
            regions=one.scan.template_transform.is_file(),
            stores=[
                store_answer(
                    store,
                    self.stores[store].maps,
                    self.content.recommended if self.stores[store].judged else None,
                    self.stores[store].recommended,
                )
                for store in one.stores
            ],
            left_out=[],
        )

    def image(self, place: int, sequence: int, *, packed: bool = False) -> bytes:
        """The prepared image of a sequence."""
        scan = self.scans[place].scan
        if packed:
            return image_bytes(*scan.read_image(scan.sequences[sequence]), packed=True)
        return image_of(scan, scan.sequences[sequence])

    def mask(self, place: int, number: int, *, packed: bool = False) -> bytes:
        """The mask of a structure on the prepared grid."""
        scan = self.scans[place].scan
        inside = read_mask([*self._masks(place).values()][number], scan)
        return self._on_grid(place, inside.astype(np.uint8), packed=packed)

    def regions(self, place: int, *, packed: bool = False) -> bytes:
        """Labels of the atlas on the prepared grid."""
        scan = self.scans[place].scan
        if not scan.template_transform.is_file():
            raise IndexError(place)
        labels = from_template(self._atlas.labels, self._atlas.grid, scan, labels=True)
        return self._on_grid(place, labels.astype(np.min_scalar_type(int(labels.max()))), packed=packed)

    def map(self, store: int, layer: int, explained: int, part: Part, *, packed: bool = False) -> bytes:
        """The raw map of a layer at its own resolution, signed; or how networks differ there."""
        maps = self.stores[store].of(explained)
        name = maps.layers[layer]
        values = {"mean": maps.raw, "spread": maps.spread, "agreement": maps.agreement}[part](name)
        if values is None:
            raise IndexError(part)
        return map_bytes(maps, _finite(values), packed=packed)

    def range(self, store: int, layer: int) -> RangeAnswer:
        """Lowest and highest raw value of a layer over classes and slices."""
        one = self.stores[store]
        found = [
            _finite(one.of(explained).raw(one.maps.layers[layer]))
            for explained in range(len(one.maps.every_explained))
        ]
        return RangeAnswer(float(min(raw.min() for raw in found)), float(max(raw.max() for raw in found)))

    def chart(self, store: int) -> ChartAnswer:
        """Measures of the layers of a store, of this scan and of all subjects."""
        one = self.stores[store]
        return chart_of(
            self.content, one.maps, self._evidence_of(one.maps) if one.judged else None, one.judged
        )

    def atlas(self) -> AtlasAnswer:
        """Names of the regions."""
        return AtlasAnswer(self._atlas.title, self._atlas.names)

    @cached_property
    def _atlas(self) -> Atlas:
        path = self.content.configuration.get("evidence", {}).get("atlas")
        return atlas_of(path and Path(path))

    def _on_grid(self, place: int, volume: NDArray[np.integer], *, packed: bool) -> bytes:
        grid = self.stores[self.scans[place].stores[0]].maps.geometry.prepared
        return nifti_bytes(volume, grid.world, packed=packed)

    def _masks(self, place: int) -> Mapping[str, Path]:
        return find_masks(self.content.delivered, self.scans[place].scan)

    def _group(self, one: ViewedScan) -> str:
        return self.content.group.get(subject_label(one.scan.name), "")

    @property
    def _first(self) -> FirstView:
        """The recommended map of the subject that the report shows; where there is none, the usual one."""
        recommended = self.content.recommended
        names = [one.scan.name for one in self.scans]
        patient = choose_patient(self.content).name
        scan = names.index(patient) if patient in names else 0
        store = self.scans[scan].stores[0]
        layers = self.stores[store].maps.layers
        chosen = recommended.chosen if recommended else None
        wanted = chosen.layer if chosen else self.content.last_convolution
        return FirstView(scan, store, layers.index(wanted) if wanted in layers else 0)

    def _evidence_of(self, maps: ScanMaps) -> Path | None:
        """The folder of what was measured of these networks; None where nothing was."""
        recommended = self.content.recommended
        judged = recommended.judged if recommended else ()
        names = [one.name for one in judged if (one.networks > 1) == bool(maps.members)]
        return self.content.folders.evidence / names[0] if names else None


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maps whose values that are no numbers are 0: such a map is blank, and its slice says so."""
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
