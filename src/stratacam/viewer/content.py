"""What can be asked of a finished study: tables made once, whose places are the only names in a request."""

from collections.abc import Mapping, Sequence
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
from stratacam.maps import ScanMaps, find_maps
from stratacam.report.choose import choose_patient
from stratacam.report.content import StudyContent, read_study, subject_label
from stratacam.report.overlay import WHITE
from stratacam.report.words.recommended import UNMEASURED, in_short
from stratacam.scans.labels import find_masks, read_mask
from stratacam.scans.prepared import PreparedScan
from stratacam.study.folders import StudyFolders
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
from stratacam.viewer.volumes import image_bytes, image_of, map_bytes, nifti_bytes

Part = Literal["mean", "spread", "agreement"]
"""What there is of a map: itself, or the mean of several networks'; and of these their spread and agreement."""


@dataclass(frozen=True)
class ViewedStore:
    """Maps that can be shown, and whether the study recommends them."""

    maps: ScanMaps
    recommended: bool


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
    """

    content: StudyContent
    scans: tuple[ViewedScan, ...]
    stores: tuple[ViewedStore, ...]

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
        return replace(self, scans=(chosen,), stores=tuple(self.stores[store] for store in found[0].stores))

    def study(self) -> StudyAnswer:
        """The study, its scans, and what to look at first."""
        recommended = self.content.recommended
        rule = read_json(self.content.folders.recommended).get("rule", {}) if recommended else {}
        return StudyAnswer(
            title=str(self.content.configuration.get("name", "")),
            version=version("stratacam"),
            recommended=bool(recommended and recommended.chosen),
            in_short=UNMEASURED if recommended is None else in_short(recommended),
            rule=[rule["opening"], *rule["criteria"], rule["remarks"]] if rule else [],
            warning=self.content.warning,
            scans=[
                ListedScan(
                    place, one.name, self._group(one), maps.predicted, training_words(maps.in_training)
                )
                for place, one in enumerate(self.scans)
                for maps in [self.stores[one.stores[0]].maps]
            ],
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
                    place, self.stores[place].maps, self.content.recommended, self.stores[place].recommended
                )
                for place in one.stores
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
        maps = self._maps(store, explained)
        name = maps.layers[layer]
        values = {"mean": maps.raw, "spread": maps.spread, "agreement": maps.agreement}[part](name)
        if values is None:
            raise IndexError(part)
        return map_bytes(maps, values, packed=packed)

    def range(self, store: int, layer: int) -> RangeAnswer:
        """Lowest and highest raw value of a layer over classes and slices."""
        found = [
            self._maps(store, explained).raw(self.stores[store].maps.layers[layer])
            for explained in range(len(self.stores[store].maps.every_explained))
        ]
        return RangeAnswer(float(min(raw.min() for raw in found)), float(max(raw.max() for raw in found)))

    def chart(self, store: int) -> ChartAnswer:
        """Measures of the layers of a store, of this scan and of all subjects."""
        maps = self.stores[store].maps
        return chart_of(self.content, maps, self._evidence_of(maps))

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

    def _maps(self, store: int, explained: int) -> ScanMaps:
        maps = self.stores[store].maps
        return maps.of(maps.every_explained[explained])

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


def open_viewed(folders: StudyFolders, further: Sequence[Path] = ()) -> Viewed:
    """Open a finished study.

    Args:
        folders: of the study.
        further: folders of other maps of its scans, as `stratacam explain` writes them.

    Raises:
        InputError: a part of the study is missing or damaged, or there are no maps of its scans.
    """
    content = read_study(folders)
    chosen = content.recommended and content.recommended.chosen
    found = [ViewedStore(maps, recommended=True) for maps in content.recommended_maps.values()]
    for folder in (folders.maps, *further):
        found += [ViewedStore(maps, recommended=False) for maps in find_maps(folder)]
    scans = []
    for name, scan in sorted(content.scans.items()):
        stores = tuple(place for place, one in enumerate(found) if one.maps.name == name)
        if stores:
            scans.append(ViewedScan(name, scan, stores))
    if not scans:
        raise InputError(
            f"{folders.maps}: holds maps of other scans than were prepared; make them again with `stratacam run`."
        )
    if chosen and not any(one.recommended for one in found):
        raise InputError(
            f"{folders.recommended_maps}: holds no maps; make them again with `stratacam evidence`."
        )
    return Viewed(content, tuple(scans), tuple(found))
