"""Which scans are explained, each by the run that held its subject out."""

from collections.abc import Collection, Mapping, Sequence

from stratacam.learning import Split
from stratacam.scans.prepared import PreparedScan
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.planning import Planned
from stratacam.study.runs import Run


def held_out_by(planned: Sequence[Planned], model: str) -> dict[str, Run]:
    """Subject to the run of a network and seed that held it out; nobody where slices were split.

    Args:
        planned: all runs of the study.
        model: network and seed, see `Run.model`.
    """
    return {
        subject: plan.run
        for plan in planned
        if plan.run.model == model and isinstance(plan.split, Split)
        for subject in plan.split.test
    }


def run_for(scan: PreparedScan, held_out: Mapping[str, Run], planned: Sequence[Planned], model: str) -> Run:
    """The run that explains a scan: the one that held its subject out, or else the first of the network and seed."""
    first = next(plan.run for plan in planned if plan.run.model == model)
    return held_out.get(f"sub-{scan.subject}", first)


def to_explain(
    configuration: StudyConfiguration, prepared: Sequence[PreparedScan], tested: Collection[str]
) -> list[PreparedScan]:
    """The scans of the subjects that the configuration wants explained.

    Args:
        configuration: of the study.
        prepared: all scans.
        tested: the subjects that a run held out.
    """
    wanted = configuration.explain.subjects
    if isinstance(wanted, tuple):
        chosen: Collection[str] = wanted
    else:
        chosen = tested if wanted == "test" and tested else {f"sub-{scan.subject}" for scan in prepared}
    return [scan for scan in prepared if f"sub-{scan.subject}" in chosen]
