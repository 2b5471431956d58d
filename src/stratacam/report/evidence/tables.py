"""Tables of the evidence: the claims, the layers, and the groups."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from statistics import fmean
from typing import Any

from stratacam.evidence import registry
from stratacam.evidence.localisation import AVERAGE_PRECISION
from stratacam.evidence.measures import Measure
from stratacam.evidence.references import CEILING, REFERENCES
from stratacam.evidence.regions.scan_heat import OWN_CLASS
from stratacam.evidence.rows import NONE
from stratacam.evidence.values import Summary
from stratacam.files import RECORDS, read_json
from stratacam.maps.fused import fused_title
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.content.files import Row
from stratacam.report.names import method_title
from stratacam.report.numbers import NOT_KNOWN, decimal, estimate_of, small
from stratacam.report.tables.table import Table

STRONGEST = 12
"""Comparisons of groups that are listed."""

LEVEL = 0.05


def claims_table(evidence: EvidenceContent, method: str) -> Table:
    """The abstract's claims, each test with effect, interval, p-values and verdict."""
    rows = [
        (
            claim["title"] if not number else "",
            claim["verdict"] if not number else "",
            test["name"],
            _with_reason(test),
            estimate_of(test["effect"], test["low"], test["high"]),
            str(test["subjects"]),
            "; ".join(f"{name} {small(p)}" for name, p in test["p"].items() if p is not None) or NOT_KNOWN,
        )
        for claim in evidence.claims[method]
        for number, test in enumerate(claim["tests"])
    ]
    return Table(
        f"What Hong and Zhang (2021) claim, tested on {method_title(method)}",
        (
            "claim",
            "verdict",
            "test",
            "of the test",
            "effect",
            "subjects",
            "family-wise p against",
        ),
        tuple(rows),
        otherwise="No claim could be tested.",
        note="Effects are of what exceeds the mean of random maps of the same spectrum (surrogates); in brackets "
        "Student's 95 % interval over subjects, of each number for itself. A test supports or contradicts a claim "
        "where all its p-values are at most 0.05, over all tests and methods together, and the signs agree. With few "
        "surrogates or untrained networks p cannot be small: 19 of them give 0.05 at best. Average precision is here "
        "of all slices with truth, whether or not the network is right. The last claim holds where no other layer may "
        "be the best, and is contradicted where the last convolution may not. Claims: Hong and Zhang, ISMRM 2021, no. "
        "3275.",
    )


def _with_reason(found: Mapping[str, Any]) -> str:
    """A verdict with the reason why there is none, in brackets."""
    return f"{found['verdict']} ({found['reason']})" if found["reason"] else str(found["verdict"])


def layers_table(evidence: EvidenceContent, method: str) -> Table:
    """Every layer: the registered measures that have a column and were measured, and its verdict."""
    verdicts = {one["layer"]: one for one in evidence.recommendations[method]["layers"]}
    columns = [
        (_with_unit(measure, measure.column.against), found, measure.column.interval)
        for measure in registry.measures()
        if measure.column and any(found := evidence.along(method, measure, measure.column.against))
    ]
    rows = [
        (
            fused_title(layer),
            _verdict(verdicts[layer]),
            *(_of(found[number], interval=interval) for _, found, interval in columns),
        )
        for number, layer in enumerate(evidence.layers)
    ]
    return Table(
        f"Layers, maps by {method_title(method)}",
        ("layer", "verdict", *(heading for heading, _, _ in columns)),
        tuple(rows),
        note="Verdicts: the mean, and one-sided 95 % bounds that hold for all layers and methods together. Columns: "
        "in brackets the 95 % interval over subjects, of each number for itself. Numbers without a unit are shares "
        "(0 to 1), correlations or differences of these (-1 to 1). All measures, with every method and layer, are in "
        f"evidence/{evidence.folder.name}/layers.tsv.",
    )


def reasons_table(evidence: EvidenceContent, method: str) -> Table | None:
    """Why layers are not recommended; None where all are."""
    rows = [
        (fused_title(one["layer"]), one["verdict"], ". ".join((*one["faults"], *one["reasons"])))
        for one in evidence.recommendations[method]["layers"]
        if one["faults"] or one["reasons"]
    ]
    title = f"Why layers are not recommended, maps by {method_title(method)}"
    return Table(title, ("layer", "verdict", "why"), tuple(rows)) if rows else None


def rule_table(evidence: EvidenceContent) -> Table:
    """The rule by which layers are recommended."""
    stored = evidence.recommendations[evidence.methods[0]]["rule"]
    if isinstance(stored, str):  # evidence of earlier versions has it as one sentence
        return Table("The rule", ("criterion",), (), otherwise=stored)
    return Table(
        "The rule",
        (stored["opening"].removesuffix(":"),),
        tuple((criterion,) for criterion in stored["criteria"]),
        note=stored["remarks"],
    )


def truth_table(evidence: EvidenceContent, method: str) -> Table | None:
    """Localisation by class, every layer and what maps are held against; None where nothing was scored."""
    columns = list(
        dict.fromkeys(
            (measure, key[3])
            for measure in registry.measures_of_truth()
            for found in evidence.by_class.values()
            for key in found
            if measure.column and key[2] == measure.name
        )
    )
    rows = []
    for group, found in evidence.by_class.items():
        shown = [(layer, (method, layer)) for layer in evidence.layers]
        shown += [(name, (name, "")) for name in REFERENCES if name != CEILING]
        for name, key in shown:
            cells = [found.get((*key, measure.name, against)) for measure, against in columns]
            attainable = found.get((CEILING, key[1], AVERAGE_PRECISION.name, ""))
            if any(cells):
                subjects = max(cell.subjects for cell in cells if cell)
                rows.append(
                    (
                        group,
                        fused_title(name),
                        str(subjects),
                        *(_of(cell) for cell in cells),
                        _of(attainable, interval=False),
                    )
                )
    if not rows:
        return None
    headings = (measure.heading(against and f"({against})") for measure, against in columns)
    return Table(
        f"Where the truth is, by class ({method_title(method)})",
        ("class", "map", "subjects", *headings, "attainable average precision"),
        tuple(rows),
        note="In brackets 95 % intervals over the subjects of the class, of each number for itself. A structure in "
        "brackets is scored by itself. “Above others”: less the maps of other subjects on the same truth; “above "
        "noise”: less the same map moved in the brain. “Attainable”: the truth itself at the layer's "
        f"resolution. All measures are in evidence/{evidence.folder.name}/layers_by_class.tsv.",
    )


def measures_table(evidence: EvidenceContent) -> Table:
    """What was measured, in the words of the registry."""
    rows = [
        (measure.name, measure.definition, measure.better or NOT_KNOWN, measure.held_against or NOT_KNOWN)
        for measure in registry.measures()
        if measure.name in evidence.measured
    ]
    title = f"What was measured, {evidence.title}"
    return Table(title, ("measure", "what it is", "better", "held against"), tuple(rows))


REGION_COLUMNS: dict[str, Callable[[Row], str]] = {
    "layer": lambda row: fused_title(row["layer"]),
    "method": lambda row: method_title(row["method"]),
    "region": itemgetter("region"),
    "groups": itemgetter("groups"),
    "test": itemgetter("test"),
    "subjects": itemgetter("subjects"),
    "Cliff's delta": lambda row: _known(row["effect"], "{:+.2f}".format),
    "p": lambda row: _known(row["p"], small),
    "q": lambda row: _known(row["q"], small),
    "family-wise p": lambda row: _known(row["family_wise"], small),
}


def comparison_tables(evidence: EvidenceContent) -> list[Table]:
    """The strongest differences between groups, region by region: of one class in everybody, then of the own class."""
    groups = evidence.groups
    statement = groups.get("statement", "") or "No groups were compared."
    tables = []
    for explained in groups.get("explained", ()):
        rows = [row for row in evidence.comparison if row["explained"] == explained]
        tests = [row for row in rows if row["q"] != NONE]
        found = sum(float(row["q"]) < LEVEL for row in tests)
        strongest = sorted(tests, key=lambda row: (float(row["q"]), float(row["p"])))[:STRONGEST]
        own = explained == OWN_CLASS
        words = "each scan's own class" if own else f"{explained} in everybody"
        tables.append(
            Table(
                f"Heat of regions, groups compared: maps of {words}",
                tuple(REGION_COLUMNS),
                tuple(tuple(cell(row) for cell in REGION_COLUMNS.values()) for row in strongest),
                otherwise=statement,
                note=f"{statement} In this table, {found or 'none'} of {len(tests)} tests with q below {LEVEL}; the "
                f"{len(strongest)} smallest are shown. Regions: {groups.get('atlas', '')}. "
                f"{groups.get('caution', '') if own else ''}",
            )
        )
    return tables or [
        Table("Heat of regions, groups compared", tuple(REGION_COLUMNS), (), otherwise=statement)
    ]


def voxelwise_table(evidence: EvidenceContent) -> Table | None:
    """Groups compared voxel by voxel; None where they were not."""
    found = evidence.groups.get("voxelwise", [])
    if not found:
        return None
    rows = [
        (
            fused_title(one["layer"]),
            one["pair"],
            str(one.get("voxels_t", NOT_KNOWN)),
            small(one["smallest_p_t"]) if "voxels_t" in one else NOT_KNOWN,
            str(one.get("voxels_tfce", NOT_KNOWN)),
            small(one["smallest_p_tfce"]) if "voxels_t" in one else NOT_KNOWN,
            one["statement"],
        )
        for one in found
    ]
    voxels = f"voxels with family-wise p up to {LEVEL}"
    columns = ("layer", "groups", f"{voxels}, largest t", "smallest p", f"{voxels}, TFCE", "smallest p")
    whose = f"{found[0]['explained']} by {method_title(found[0]['method'])}"
    return Table(
        f"Heat voxel by voxel, groups compared: maps of {whose}", (*columns, "what was done"), tuple(rows)
    )


def seconds_table(evidence: EvidenceContent) -> Table:
    """How long each kind of measure took for a scan."""
    found = [
        read_json(file) for file in sorted((evidence.folder / "scans" / RECORDS / "seconds").glob("*.json"))
    ]
    kinds = dict.fromkeys(kind for one in found for kind in one)
    rows = tuple((kind, f"{fmean(one.get(kind, 0.0) for one in found):.1f}") for kind in kinds)
    title = f"Time of the evidence, {evidence.title}"
    return Table(title, ("measures", "mean seconds of a scan"), rows)


def _known(cell: str, write: Callable[[float], str]) -> str:
    return NOT_KNOWN if cell == NONE else write(float(cell))


def _of(summary: Summary | None, *, interval: bool = True) -> str:
    if summary is None:
        return NOT_KNOWN
    return estimate_of(summary.value, summary.low, summary.high) if interval else decimal(summary.value)


def _verdict(verdict: Mapping[str, Any]) -> str:
    others = ", ".join(fused_title(layer) for layer in verdict["alike"] if layer != verdict["layer"])
    return f"says the same as {others}" if verdict["verdict"] == "says the same" else str(verdict["verdict"])


def _with_unit(measure: Measure, against: str) -> str:
    unit = f", {measure.unit}" if measure.unit and measure.unit not in measure.heading(against) else ""
    return f"{measure.heading(against)}{unit}"
