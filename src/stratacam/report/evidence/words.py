"""Which layers are recommended, in sentences."""

from collections.abc import Sequence

from stratacam.evidence import registry
from stratacam.report.evidence.content import EvidenceContent


def sentences(evidence: EvidenceContent) -> list[str]:
    """The layers and subjects measured, the recommendation, and the measures left out."""
    about = evidence.about
    found = [
        f"Maps of {len(evidence.layers)} layers were measured on {about['subjects']} subjects "
        f"({about['slices']} slices; {about['slices_again']} of each scan where the network is run again many times), "
        f"for {about['explained']}. "
        + (
            f"The truth is known in {about['truth_slices']} slices of {about['truth_subjects']} subjects; "
            "localisation is measured on those classified right. "
            if about["truth_subjects"]
            else ""
        )
        + "Intervals of 95 % are over subjects."
    ]
    if learnt_from := about["learnt_from"]:
        found.append(
            f"{len(learnt_from)} subjects were left out of the evidence, as the network was trained on them: "
            f"{', '.join(learnt_from[:5])}{' ...' if len(learnt_from) > 5 else ''}."
        )
    found += [_recommended(evidence, method) for method in evidence.methods]
    measured = {measure for _, _, measure, _ in evidence.summaries}
    missing = [kind.question for kind in registry.KINDS if not measured & {one.name for one in kind.measures}]
    if missing:
        found.append(f"Not measured: {'; '.join(missing)}.")
    rules = {one["rule"] for one in evidence.recommendations.values()}
    return [*found, *(f"The rule: {rule}" for rule in sorted(rules))]


def _recommended(evidence: EvidenceContent, method: str) -> str:
    found = evidence.recommendations[method]
    layers = found["layers"]
    if not found["recommended"]:
        nearest = min(layers, key=lambda one: len(one["faults"]))
        return (
            f"No layer's map by {method} is recommended. {nearest['layer']} comes nearest: "
            f"{'; '.join(nearest['faults'])}."
        )
    alike = {one["layer"]: one["alike"] for one in layers}
    recommended = [
        layer + (f" (for {_span(alike[layer])}, which say the same)" if len(alike[layer]) > 1 else "")
        for layer in found["recommended"]
    ]
    return f"Recommended maps by {method}, by the rule below: {', '.join(recommended)}."


def _span(layers: Sequence[str]) -> str:
    return f"{layers[0]} to {layers[-1]}" if len(layers) > 2 else " and ".join(layers)
