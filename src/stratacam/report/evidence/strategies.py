"""Strategies in the report: the analysis that is shown, verdicts in a table, and members."""

from collections.abc import Mapping
from typing import Any

from stratacam.evidence.regions.scan_heat import OWN_CLASS
from stratacam.evidence.strategies.profiles import CELL_MM
from stratacam.evidence.strategies.split import SMALLEST
from stratacam.evidence.strategies.tables import MEMBERS
from stratacam.maps.fused import fused_title
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.names import method_title
from stratacam.report.numbers import NOT_KNOWN, listed, small
from stratacam.report.tables.table import Table

LEVEL = 0.05

STABLE = 0.75
"""Mean Jaccard index from which a strategy counts as stable (C. Hennig, 2007)."""

FOLLOWED = {
    "group": "the group",
    "given": "the class that the network gives",
    "right": "whether the network is right",
    "run": "the training run that explains the scan",
}


def shown_analysis(evidence: EvidenceContent) -> Mapping[str, Any] | None:
    """Of the analyses with several strategies, that with the smallest p-value; None where there is none."""
    several = [one for one in evidence.strategies["analyses"] if one["verdict"] == "several"]
    return min(several, key=lambda one: one["p"], default=None)


def strategies_table(evidence: EvidenceContent) -> Table:
    """Every analysis: whether there are several strategies, and what they follow."""
    found = evidence.strategies
    tests = sum(len(one["follows"]) for one in found["analyses"])
    rows = [
        (
            fused_title(one["layer"]),
            method_title(one["method"]),
            explained_words(one),
            _verdict(one),
            small(one["p"]) if one["verdict"] != "cannot say" else NOT_KNOWN,
            _followed(one, tests),
        )
        for one in found["analyses"]
    ]
    return Table(
        "Strategies: are there several kinds of maps?",
        ("layer", "method", "maps of", "verdict", "family-wise p of one strategy", "what they follow"),
        tuple(rows),
        otherwise=found["statement"],
        note=f"Maps are compared by their heat over regions and over cells of {CELL_MM:.0f} mm in MNI152 space, and "
        "divided as long as no cohort of one strategy would be divided as well. “One” means that several were not "
        f"shown: strategies of fewer than {SMALLEST} subjects cannot be. {found['statement']} "
        f"{found.get('caution', '')}",
    )


def members_table(evidence: EvidenceContent) -> Table | None:
    """The members of the strategies of the analysis that is shown; None where there is none."""
    shown = shown_analysis(evidence)
    if shown is None:
        return None
    rows = [
        (
            f"strategy {one['number']}",
            str(len(one["subjects"])),
            counts(one["groups"]),
            counts(one["right"]),
            f"{one['stability']:.2f}{'' if one['stability'] >= STABLE else ' (unstable)'}",
            ", ".join(one["subjects"]),
        )
        for one in shown["strategies"]
    ]
    blank = f" Without any heat: {', '.join(shown['without_heat'])}." if shown["without_heat"] else ""
    return Table(
        f"Members of the strategies: {method_title(shown['method'])} at {fused_title(shown['layer'])}, maps of "
        f"{explained_words(shown)}",
        ("strategy", "subjects", "groups", "network right", "stability", "members"),
        tuple(rows),
        note="Stability: mean Jaccard index of a strategy with what is found in random four fifths of the subjects; "
        f"from {STABLE} on it counts as stable.{blank} All analyses, subject by subject, are in "
        f"evidence/{evidence.folder.name}/{MEMBERS}.",
    )


def counts(found: Mapping[str, int]) -> str:
    """Write "12 RRMS, 4 SPMS"."""
    return ", ".join(f"{number} {name or 'not known'}" for name, number in found.items())


def explained_words(one: Mapping[str, Any]) -> str:
    """Of which class maps are."""
    own = one["explained"] == OWN_CLASS
    return "each scan's own class" if own else f"{one['explained']} in everybody"


def _verdict(one: Mapping[str, Any]) -> str:
    if one["verdict"] == "several":
        sizes = [str(len(strategy["subjects"])) for strategy in one["strategies"]]
        return f"{len(sizes)} strategies, of {listed(sizes)} subjects"
    return "one" if one["verdict"] == "one" else f"cannot say ({one['reason']})"


def _followed(one: Mapping[str, Any], tests: int) -> str:
    """What strategies go with; p-values are corrected for all such tests."""
    if one["verdict"] != "several":
        return NOT_KNOWN
    found = {name: min(p * tests, 1.0) for name, p in one["follows"].items()}
    words = [f"{FOLLOWED.get(name, name)} (p {small(p)})" for name, p in found.items() if p <= LEVEL]
    return ", ".join(words) or f"nothing that is known of the subjects ({', '.join(found) or 'nothing'})"
