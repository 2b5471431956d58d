"""What `stratacam evidence` left of one network, read for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.evidence.by_class import ClassSummary
from stratacam.evidence.counterfactual.losses import LOSSES, StructureLoss
from stratacam.evidence.measures import Measure
from stratacam.evidence.rows import read_rows
from stratacam.evidence.sequences.by_class import SEQUENCES, SequenceSummary
from stratacam.evidence.sequences.values import KIND
from stratacam.evidence.strategies.tables import STRATEGIES
from stratacam.evidence.values import Summary
from stratacam.files import read_json, read_table
from stratacam.report.content.files import REPEAT, Row, json_if_there
from stratacam.report.content.recommended import networks_title
from stratacam.study.folders import StudyFolders
from stratacam.study.runs import is_of_these_models, read_runs
from stratacam.study.steps.judged import consensus_name


@dataclass(frozen=True)
class EvidenceContent:
    """The evidence of one network.

    Attributes:
        folder: where it is.
        network: the architecture.
        classes: of the network, in its order.
        about: layers, methods, counts, seconds.
        summaries: by method, layer, measure and what it is against.
        by_class: for each class in which the truth is stated and was scored, the same of measures that need the truth.
        claims: by method, the claims as `Claim.as_json` gives them.
        recommendations: by method, as `Recommendation.as_json` gives them.
        losses: what filling each structure does, by class.
        sequences: what each sequence contributes, by class.
        comparison: tests of groups, region by region.
        groups: what was done with groups, in words, and the voxel-wise comparisons.
        strategies: of every analysis, as `Strategies.as_json` gives them, and what was done, in words.
    """

    folder: Path
    network: str
    classes: tuple[str, ...]
    about: Mapping[str, Any]
    summaries: Mapping[tuple[str, str, str, str], Summary]
    by_class: Mapping[str, Mapping[tuple[str, str, str, str], Summary]]
    claims: Mapping[str, Sequence[Mapping[str, Any]]]
    recommendations: Mapping[str, Mapping[str, Any]]
    losses: tuple[StructureLoss, ...]
    sequences: tuple[SequenceSummary, ...]
    comparison: tuple[Row, ...]
    groups: Mapping[str, Any]
    strategies: Mapping[str, Any]

    @property
    def layers(self) -> tuple[str, ...]:
        """The network's own, shallow to deep, then means over layers."""
        return (*self.plain_layers, *self.fused_layers)

    @property
    def title(self) -> str:
        """The networks whose maps were measured, such as "network (consensus of 3 networks)"."""
        return networks_title(self.network, self.about.get("networks", 1))

    @property
    def plain_layers(self) -> tuple[str, ...]:
        """The network's own layers, shallow to deep."""
        return tuple(self.about["layers"])

    @property
    def fused_layers(self) -> tuple[str, ...]:
        """Means over layers."""
        return tuple(self.about.get("fused", ()))

    @property
    def last_convolution(self) -> str:
        """The last layer that is no pool; the last of all where that was not kept."""
        return str(self.about.get("last_convolution", self.plain_layers[-1]))

    @property
    def group_class(self) -> str:
        """The class that maps of groups explain in everybody; "" where no groups were compared."""
        return str(next(iter(self.groups.get("explained", ())), ""))

    @property
    def methods(self) -> tuple[str, ...]:
        """The first one's maps are shown where there is room for one."""
        return tuple(self.about["methods"])

    @property
    def measured(self) -> set[str]:
        """Names of the measures that were taken."""
        of_sequences = {measure.name for measure in KIND.measures if self.sequences}
        return {measure for _, _, measure, _ in self.summaries} | of_sequences

    def of(self, method: str, layer: str, measure: Measure, against: str = "") -> Summary | None:
        """A measure; None where it was not taken."""
        return self.summaries.get((method, layer, measure.name, against))

    def along(self, method: str, measure: Measure, against: str = "") -> list[Summary | None]:
        """A measure of every layer, in the order of `layers`."""
        return [self.of(method, layer, measure, against) for layer in self.layers]


def evidence_folders(folders: StudyFolders) -> dict[Path, str]:
    """The folders of all networks whose evidence was measured of the present models, and their architecture, in order.

    Of an architecture, first that of one network, then that of the consensus of several.
    """
    runs = [trained.run for trained in read_runs(folders.runs)]
    networks = list(dict.fromkeys(run.network for run in runs))
    of_one = {folders.evidence / run.model: run.network for run in runs}
    of_all = {folders.evidence / consensus_name(network): network for network in networks}
    found = sorted((of_one | of_all).items(), key=lambda item: networks.index(item[1]))
    return {
        folder: network
        for folder, network in found
        if (about := json_if_there(folder / "about.json")) and is_of_these_models(folders, about)
    }


def read_evidence(folder: Path, network: str, classes: tuple[str, ...]) -> EvidenceContent:
    """The evidence of a network; what is of classes in their order.

    Raises:
        InputError: a part of it is damaged or missing, or of another version.
    """

    def place(name: str) -> int:
        return classes.index(name) if name in classes else len(classes)

    try:
        by_class: dict[str, dict[tuple[str, str, str, str], Summary]] = {}
        for row in read_rows(folder / "layers_by_class.tsv", ClassSummary):
            by_class.setdefault(row.group, {})[row.summary.key] = row.summary
        return EvidenceContent(
            folder=folder,
            network=network,
            classes=classes,
            about=read_json(folder / "about.json", REPEAT),
            summaries={summary.key: summary for summary in read_rows(folder / "layers.tsv", Summary)},
            by_class=dict(sorted(by_class.items(), key=lambda item: place(item[0]))),
            claims=read_json(folder / "claims.json", REPEAT)["methods"],
            recommendations={
                one["method"]: one for one in read_json(folder / "recommendation.json", REPEAT)["methods"]
            },
            losses=tuple(
                sorted(read_rows(folder / LOSSES, StructureLoss), key=lambda one: place(one.explained))
            ),
            sequences=tuple(
                sorted(read_rows(folder / SEQUENCES, SequenceSummary), key=lambda one: place(one.explained))
            ),
            comparison=tuple(read_table(folder / "comparison.tsv")),
            groups=read_json(folder / "groups.json", REPEAT),
            strategies=read_json(folder / STRATEGIES, REPEAT),
        )
    except (KeyError, OSError) as fault:
        raise InputError(
            f"{folder}: the evidence cannot be read ({fault}); expected all of it: "
            "repeat it with `stratacam evidence`."
        ) from fault
