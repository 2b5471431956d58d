"""Which layers to read, in sentences."""

from collections.abc import Sequence

from stratacam.report.evidence.content import EvidenceContent

NOT_MEASURED = {
    "average_precision": "whether heat finds the truth (no lesion masks, or no slice with lesions classified right)",
    "road": "faithfulness",
    "above_rank": "dependence on what was learned",
}


def sentences(evidence: EvidenceContent) -> list[str]:
    """What was measured on whom, what is recommended, and what was not measured."""
    about = evidence.about
    found = [
        f"Maps of {len(evidence.layers)} layers were measured on {about['subjects']} subjects "
        f"({about['slices']} slices; {about['slices_again']} of each scan where the network is run again many times), "
        f"for {about['explained']}. "
        + (
            f"The truth is known in {about['truth_slices']} slices of {about['truth_subjects']} subjects; "
            "localisation is of those classified right. "
            if about["truth_subjects"]
            else ""
        )
        + "Intervals of 95 % are over subjects."
    ]
    found += [_recommended(evidence, method) for method in evidence.methods]
    missing = [
        words
        for measure, words in NOT_MEASURED.items()
        if not any(summary.measure == measure for summary in evidence.summaries.values())
    ]
    if missing:
        found.append(f"Not measured: {'; '.join(missing)}.")
    rules = {one["rule"] for one in evidence.recommendations.values()}
    return [*found, *(f"The rule: {rule}" for rule in sorted(rules))]


def _recommended(evidence: EvidenceContent, method: str) -> str:
    found = evidence.recommendations[method]
    judged = found["layers"]
    if not found["read"]:
        least = min(judged, key=lambda one: len(one["faults"]))
        return f"Of {method}, no layer's map passes. {least['layer']} comes nearest: {'; '.join(least['faults'])}."
    alike = {one["layer"]: one["alike"] for one in judged}
    read = [
        layer + (f" (for {_span(alike[layer])}, which say the same)" if len(alike[layer]) > 1 else "")
        for layer in found["read"]
    ]
    return f"Of {method}, worth reading by the rule below: {', '.join(read)}."


def _span(layers: Sequence[str]) -> str:
    return f"{layers[0]} to {layers[-1]}" if len(layers) > 2 else " and ".join(layers)
