"""Which layers are recommended, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from stratacam.evidence import registry
from stratacam.maps.fused import fused_title, is_fused
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.content.recommended import PASSED
from stratacam.report.names import method_title
from stratacam.report.numbers import counted, listed, sentence_case
from stratacam.report.words.recommended import cross_fitted

FAITHFUL = (
    "Faithful is not correct: a map may be true to a network that uses what has nothing to do with the class (Haufe et "
    "al. 2024, arXiv 2409.14590)."
)
CROSS_FITTED = (
    "Where several layers say the same and passed, numbers are cross-fitted: either half of the subjects chooses one, "
    "which is measured on the other half."
)
OF_THE_TABLE = (
    "Where nothing says the same as a layer that passed, its numbers are those of the table: of the subjects on whom "
    "it passed."
)


def sentences(evidence: EvidenceContent) -> list[str]:
    """The recommendation, then the layers and subjects measured, and the measures left out."""
    about = evidence.about
    count = len(evidence.fused_layers)
    means = f" and {counted(count, 'mean')} over layers" if count else ""
    measured_on = (
        f"Maps of {counted(len(evidence.plain_layers), 'layer')}{means} were measured on "
        f"{counted(about['subjects'], 'subject')} ({counted(about['slices'], 'slice')} that have maps, be they "
        f"classified for the results or not; {about['slices_again']} of each scan where the network is run again many "
        f"times), for {about['explained']}. Intervals in tables are of "
        "95 %, over subjects (Student's, corrected for skewness), each number for itself."
    )
    found = [_recommended(evidence, method) for method in evidence.methods]
    found += _whose_numbers(evidence)
    found += [FAITHFUL, measured_on]
    if learnt_from := about["learnt_from"]:
        found.append(
            f"Left out of the evidence, as the network was trained on them: {counted(len(learnt_from), 'subject')}, "
            f"{', '.join(learnt_from[:5])}{' ...' if len(learnt_from) > 5 else ''}."
        )
    found += _truth(about)
    missing = [
        kind.question
        for kind in registry.KINDS
        if not evidence.measured & {one.name for one in kind.measures}
    ]
    if missing:
        found.append(f"Not measured: {'; '.join(missing)}.")
    return found


def _whose_numbers(evidence: EvidenceContent) -> list[str]:
    """On whom the numbers of recommended layers were measured; nothing where none is recommended."""
    several = {
        sum(one["verdict"] in PASSED for one in found["layers"] if choice["layer"] in one["alike"]) > 1
        for found in evidence.recommendations.values()
        for choice in found["choices"]
    }
    said = [words for one, words in ((True, CROSS_FITTED), (False, OF_THE_TABLE)) if one in several]
    return [" ".join((*said, "In brackets 95 % intervals."))] if said else []


def _truth(about: Mapping[str, Any]) -> list[str]:
    """What is the truth of each class, on how much it was scored, and why it was not."""
    stated = [
        f"{group}: {', '.join(one['structures']) or 'nothing'}"
        + (
            f" ({one['scored_slices']} of {one['slices']} slices, {one['scored_subjects']} of {one['subjects']} "
            "subjects scored)"
            if one["structures"]
            else ""
        )
        for group, one in about["truth"].items()
    ]
    sentences = []
    if stated:
        sentences.append(
            f"What tells a class from the others is stated. {'; '.join(stated)}. Localisation is scored where the "
            "network is right, which selects slices in which the disease is plain."
        )
    if about["truth_remark"]:
        sentences.append(about["truth_remark"])
    return [" ".join(sentences)] if sentences else []


def _recommended(evidence: EvidenceContent, method: str) -> str:
    found = evidence.recommendations[method]
    if not found["recommended"]:
        return f"No layer's map by {method_title(method)} is recommended: {_why_none(found['layers'])}."
    alike = {one["layer"]: one["alike"] for one in found["layers"]}
    recommended = [
        fused_title(choice["layer"])
        + (
            f" (for {_span(alike[choice['layer']])}, which say the same)"
            if len(alike[choice["layer"]]) > 1
            else ""
        )
        + "".join(f"; {cross_fitted(one)}" for one in choice["numbers"])
        for choice in found["choices"]
    ]
    count = len(recommended)
    title = f"Recommended map{'s' if count > 1 else ''} by {method_title(method)}, by the rule"
    return f"{title}: {'. '.join(map(sentence_case, recommended)) if count > 1 else recommended[0]}."


def _why_none(layers: Sequence[Mapping[str, Any]]) -> str:
    """How many layers were shown to fail, of how many nothing can be said, and what is missing of all layers."""
    failed = sum(one["verdict"] == "not recommended" for one in layers)
    unsaid = sum(one["verdict"] == "cannot say" for one in layers)
    missing = [reason for reason in layers[0]["reasons"] if all(reason in one["reasons"] for one in layers)]
    parts = [f"{failed} of {len(layers)} were shown to fail a criterion"] if failed else []
    parts += [f"of {unsaid} nothing can be said"] if unsaid else []
    found = ", and ".join(parts)
    return f"{found}. No layer could pass here: {'; '.join(missing)}" if missing else found


def _span(layers: Sequence[str]) -> str:
    if len(layers) > 2 and not any(map(is_fused, layers)):
        return f"{layers[0]} to {layers[-1]}"
    return listed([fused_title(layer) for layer in layers])
