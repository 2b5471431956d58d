"""Measures of every layer beside its maps: of the scan that is shown, and the mean over subjects."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from stratacam.evidence import registry
from stratacam.maps import ScanMaps
from stratacam.report.content import StudyContent
from stratacam.report.content.files import Row, table_if_there
from stratacam.viewer.answers import Bar, ChartAnswer, MeasureAnswer

NOT_MEASURED = "Nothing was measured of these maps: run stratacam evidence on the study's file."
THE_REST = "Other measures were not taken: run stratacam evidence on the study's file."
OTHER_METHOD = "Nothing else was measured of maps by this method."
OTHER_NETWORKS = "These maps are of other networks than the study measured."


def chart_of(study: StudyContent, maps: ScanMaps, evidence: Path | None, judged: bool) -> ChartAnswer:
    """Every measure that the report charts, of the layers of a store.

    Args:
        study: for the reliability over subjects.
        maps: the store.
        evidence: folder of what was measured of its networks; None where nothing was.
        judged: whether the study's measures are of the networks that made the maps.

    Raises:
        InputError: a table is damaged.
    """
    found = [_reliability(study, maps, judged)] if maps.members else []
    found = [one for one in found if one.bars]
    if not judged:
        return ChartAnswer(found, OTHER_NETWORKS)
    if evidence is None:
        return ChartAnswer(found, THE_REST if found else NOT_MEASURED)
    subjects = _of_method(table_if_there(evidence / "layers.tsv"), maps)
    own = _of_method(table_if_there(evidence / "scans" / f"{maps.name}_values.tsv"), maps)
    for measure in registry.measures():
        for against in measure.panel.against if measure.panel else ():
            wanted = (measure.name, against)
            bars = _bars(maps, _by_layer(own, *wanted), _by_layer(subjects, *wanted))
            found.append(MeasureAnswer(measure.heading(against), measure.definition, measure.better, bars))
    return ChartAnswer([one for one in found if one.bars], "" if subjects else OTHER_METHOD)


def _reliability(study: StudyContent, maps: ScanMaps, judged: bool) -> MeasureAnswer:
    """How far as many other networks, trained alike, would show the same."""
    rows = {row["layer"]: row for row in study.reliability if judged and row["method"] == maps.method}
    bars = [
        _bar(
            maps.layers.index(layer),
            maps.reliability(layer) if layer in maps.reliability_of else None,
            rows.get(layer, {}),
            "reliability",
        )
        for layer in maps.layers
    ]
    return MeasureAnswer(
        "Reliability of the consensus",
        "expected rank correlation with the consensus of as many other networks, trained alike",
        "higher",
        [bar for bar in bars if bar.value is not None or bar.mean is not None],
    )


def _of_method(rows: Iterable[Row], maps: ScanMaps) -> list[Row]:
    return [row for row in rows if row["method"] == maps.method]


def _by_layer(rows: Iterable[Row], measure: str, against: str) -> dict[str, Row]:
    return {row["layer"]: row for row in rows if (row["measure"], row["against"]) == (measure, against)}


def _bars(maps: ScanMaps, own: Mapping[str, Row], subjects: Mapping[str, Row]) -> list[Bar]:
    return [
        _bar(place, _number(own.get(layer, {}).get("value")), subjects.get(layer, {}), "value")
        for place, layer in enumerate(maps.layers)
        if layer in own or layer in subjects
    ]


def _bar(layer: int, value: float | None, row: Row, mean: str) -> Bar:
    return Bar(
        layer,
        value,
        mean=_number(row.get(mean)),
        low=_number(row.get("low")),
        high=_number(row.get("high")),
        subjects=int(row.get("subjects") or 0),
    )


def _number(text: str | None) -> float | None:
    """A number of a table; None where there is none."""
    try:
        value = float(text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
