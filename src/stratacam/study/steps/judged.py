"""Whose maps are judged: a network of the first seed, or the consensus of all its seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stratacam.errors import InputError
from stratacam.networks import short_name
from stratacam.scans.prepared import PreparedScan
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.planning import Planned
from stratacam.study.runs import Run
from stratacam.study.steps.explain import held_out_by, run_for, runs_for


@dataclass(frozen=True)
class Judged:
    """Networks whose maps are judged as one.

    Attributes:
        name: of the folders of its scores and evidence, such as "network_seed-0" or "network_consensus".
        network: the architecture, or the reference of a user's function.
        model: network and first seed, such as "network_seed-0".
        consensus: whether they are all seeds; else only the first.
    """

    name: str
    network: str
    model: str
    consensus: bool

    def runs_for(self, scan: PreparedScan, planned: Sequence[Planned]) -> tuple[Run, ...]:
        """The runs that explain a scan: those that held its subject out, see `run_for` and `runs_for`."""
        if self.consensus:
            return runs_for(scan, planned, self.network)
        return (run_for(scan, self.held_out(planned), planned, self.model),)

    def held_out(self, planned: Sequence[Planned]) -> Mapping[str, Run]:
        """Subject to the run of the first seed that held it out."""
        return held_out_by(planned, self.model)

    def runs(self, planned: Sequence[Planned]) -> list[Run]:
        """Every run that may explain a scan."""
        return [
            plan.run
            for plan in planned
            if (plan.run.network == self.network if self.consensus else plan.run.model == self.model)
        ]


def all_judged(configuration: StudyConfiguration, planned: Sequence[Planned]) -> list[Judged]:
    """Networks of the first seed, each followed by the consensus of its seeds where the study makes such maps.

    Raises:
        InputError: the settings ask for a consensus alone, and there is none.
    """
    judged = []
    wanted = configuration.evidence.networks
    several = configuration.explain.models == "all" and len(configuration.seeds) > 1
    if not several and "single" not in wanted:
        raise InputError(
            'evidence.networks: found "consensus" alone, but the study makes no consensus; expected explain.models = '
            '"all" and repeats of 2 or more: set these, or add "single".'
        )
    first = {plan.run.network: plan.run.model for plan in planned if plan.run.seed == configuration.seed}
    for network, model in first.items():
        if "single" in wanted:
            judged.append(Judged(model, network, model, consensus=False))
        if several and "consensus" in wanted:
            judged.append(Judged(consensus_name(network), network, model, consensus=True))
    return judged


def consensus_name(network: str) -> str:
    """The folder of what all seeds of a network are together."""
    return f"{short_name(network)}_consensus"
