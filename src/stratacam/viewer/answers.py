"""The form of what the viewer answers: whatever the page knows of a study is in one of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """Something that can be asked for by its place in a list."""

    id: int
    name: str


@dataclass(frozen=True)
class ListedScan:
    """A line of the list of scans.

    Attributes:
        id: of the scan.
        name: such as "sub-01_ses-2".
        group: of the subject; "" where it is not known.
        predicted: the class that the networks give it; "" where there are no maps.
        in_training: such as "held out"; "" where there are no maps.
    """

    id: int
    name: str
    group: str
    predicted: str
    in_training: str


@dataclass(frozen=True)
class FirstView:
    """What is seen first: a scan, and a layer of one of its stores."""

    scan: int
    store: int
    layer: int


@dataclass(frozen=True)
class StudyAnswer:
    """A study.

    Attributes:
        title: its name.
        version: of stratacam.
        recommended: whether a map is recommended.
        in_short: which, and how far to trust it; or why none is.
        numbers: of the recommended map: whose they are, then one a line; none where there is none.
        rule: what a map must meet to be recommended, a line each; none where maps were not measured.
        warning: what stands beside everything that comes of the split; "" where there is nothing to warn of.
        scans: those that there are maps of.
        without_maps: how many prepared scans there are no maps of.
        damaged: maps that cannot be read, a sentence each, that begins with the store's name.
        first: what is seen first.
    """

    title: str
    version: str
    recommended: bool
    in_short: str
    numbers: Sequence[str]
    rule: Sequence[str]
    warning: str
    scans: Sequence[ListedScan]
    without_maps: int
    damaged: Sequence[str]
    first: FirstView


@dataclass(frozen=True)
class LayerAnswer:
    """A layer of a store.

    Attributes:
        id: its place, shallow to deep.
        name: as the network has it.
        title: of a mean over layers in words, else the name.
        rows: of its maps.
        columns: of its maps.
        verdict: what the rule says of it.
        because: why, a line each.
        blank: by class explained, for each slice "" or why its map shows nothing.
        parts: "mean", and of several networks "spread" and "agreement", as far as they can be had.
    """

    id: int
    name: str
    title: str
    rows: int
    columns: int
    verdict: str
    because: Sequence[str]
    blank: Sequence[Sequence[str]]
    parts: Sequence[str]


@dataclass(frozen=True)
class StoreAnswer:
    """Maps of one scan by one method, of one network or several.

    Attributes:
        id: of the store.
        method: that made the maps, in words.
        networks: which network or networks, in words.
        members: how many networks; 1 where there is one.
        recommended: whether they are those of the map that the study recommends.
        classes: of the networks.
        explained: classes that there are maps of, by place.
        predicted: the class that the networks give the scan.
        probabilities: of every class, for the scan as a whole.
        in_training: such as "held out".
        unit: of the raw values.
        unit_meaning: what that is, in a sentence; "" where it needs none.
        plane: of the slices.
        slices: explained ones, in the prepared volume.
        slice_probabilities: of every class, by slice.
        layers: shallow to deep, then means over layers.
    """

    id: int
    method: str
    networks: str
    members: int
    recommended: bool
    classes: Sequence[str]
    explained: Sequence[str]
    predicted: str
    probabilities: Sequence[float]
    in_training: str
    unit: str
    unit_meaning: str
    plane: str
    slices: Sequence[int]
    slice_probabilities: Sequence[Sequence[float]]
    layers: Sequence[LayerAnswer]


@dataclass(frozen=True)
class ScanAnswer:
    """A scan.

    Attributes:
        id: of the scan.
        name: of the scan.
        group: of the subject.
        sequences: whose images can be had; the first is the one to show.
        white: intensity of the images that is shown as white.
        masks: structures whose masks can be had.
        regions: whether the scan has a place in the space of the atlas, so that its regions can be had.
        stores: maps, the recommended ones first.
        left_out: what a single file has no room for, in words.
    """

    id: int
    name: str
    group: str
    sequences: Sequence[Named]
    white: float
    masks: Sequence[Named]
    regions: bool
    stores: Sequence[StoreAnswer]
    left_out: Sequence[str]


@dataclass(frozen=True)
class AtlasAnswer:
    """Regions of the brain: what they are, and the name of each by its label."""

    title: str
    names: Mapping[int, str]


@dataclass(frozen=True)
class RangeAnswer:
    """Lowest and highest raw value of a layer over all explained classes and slices of a scan."""

    low: float
    high: float


@dataclass(frozen=True)
class Bar:
    """A measure of one layer.

    Attributes:
        layer: its place in the store.
        value: of this scan; None where it was not measured.
        mean: over subjects; None where it was not measured.
        low: lower bound of the mean.
        high: upper bound of the mean.
        subjects: that were measured.
    """

    layer: int
    value: float | None
    mean: float | None
    low: float | None
    high: float | None
    subjects: int


@dataclass(frozen=True)
class MeasureAnswer:
    """A measure by layer, of a scan and of all subjects.

    Attributes:
        title: in words.
        definition: what it is.
        better: "higher", "lower", or "" where neither speaks for a map.
        bars: of the layers that were measured.
    """

    title: str
    definition: str
    better: str
    bars: Sequence[Bar]


@dataclass(frozen=True)
class ChartAnswer:
    """Measures of the layers of a store; none where they were not measured.

    Attributes:
        measures: that there are.
        remark: what the reader must know; "" where there is nothing.
    """

    measures: Sequence[MeasureAnswer]
    remark: str
