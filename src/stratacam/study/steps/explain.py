"""Maps of every scan, by the runs that held its subject out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError
from stratacam.learning import Split
from stratacam.maps import (
    ExplainSettings,
    check_settings,
    explain_scan,
    maps_in,
    maps_path,
    remove_other_maps,
)
from stratacam.scans.prepared import PreparedScan
from stratacam.source_code import Entries
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.keys import entries_used
from stratacam.study.map_reliability import write_reliability
from stratacam.study.planning import Planned
from stratacam.study.runs import Run
from stratacam.study.study import Study
from stratacam.study.trained import (
    TrainedModel,
    architectures_of,
    computing_with,
    load_once,
    load_together,
    trained_model,
)
from stratacam.study.work import Work


@dataclass(frozen=True)
class Explain:
    """The maps of a scan by trained models, below `out`: of several their consensus."""

    models: tuple[TrainedModel, ...]
    scan: PreparedScan
    out: Path
    explain: ExplainSettings

    @property
    def entries(self) -> Entries:
        return entries_used(
            sequences=self.scan.sequences,
            architectures=architectures_of(self.models),
            methods=[self.explain.method],
        )

    @property
    def outputs(self) -> tuple[Path]:
        return (maps_path(self.scan, self.out, self.explain.method).parent,)

    def do(self) -> None:
        with computing_with(self.models):
            model, cards = load_together(self.models)
            members = cards if len(cards) > 1 else ()
            explain_scan(model, cards[0], self.scan, self.out, self.explain, members=members)


def explain_study(study: Study, prepared: Sequence[PreparedScan], planned: Sequence[Planned]) -> None:
    """Maps of the first network, of every scan by the runs of its first seed, or of all, that held its subject out.

    Subjects that no run held out are explained by the first.

    Raises:
        InputError: no scan could be explained.
    """
    configuration, folders = study.configuration, study.folders
    first = planned[0].run
    held_out = held_out_by(planned, first.model)
    check_settings(*load_once(trained_model(study, first)), configuration.explain)
    scans = {
        scan: tuple(
            trained_model(study, run)
            for run in (
                runs_for(scan, planned, first.network)
                if configuration.explain.models == "all"
                else (run_for(scan, held_out, planned, first.model),)
            )
        )
        for scan in to_explain(configuration, prepared, held_out)
    }
    explained = explain_scans(study.work, scans, out=folders.maps, settings=configuration.explain.of_scans())
    if study.work.only:
        return
    remove_other_maps(folders.maps, explained)
    write_reliability(folders.reliability, [maps for maps in maps_in(folders.maps) if maps.members])
    if not explained:
        raise InputError(f"explain: no scan could be explained; see {folders.left_out} for the reasons.")


def explain_scans(
    work: Work,
    scans: Mapping[PreparedScan, tuple[TrainedModel, ...]],
    *,
    out: Path,
    settings: ExplainSettings,
    step: str = "explain",
) -> set[str]:
    """Explain every scan with trained models; return the names of those that succeeded."""
    in_order = sorted(
        scans, key=lambda scan: ([str(model.folder) for model in scans[scan]], scan.name)
    )  # one model after the other
    return work.each(step, {scan.name: Explain(scans[scan], scan, out, settings) for scan in in_order})


def held_out_by(planned: Sequence[Planned], model: str) -> dict[str, Run]:
    """Subject to the run of a network and seed that held it out; nobody where slices were split."""
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


def runs_for(scan: PreparedScan, planned: Sequence[Planned], network: str) -> tuple[Run, ...]:
    """The runs of a network that did not train on a scan's subject.

    Of each seed the run that held the subject out as its test; all runs for a subject whom none of them saw; the first
    of each seed for one whom all of them were trained on.
    """
    subject = f"sub-{scan.subject}"
    plans = [plan for plan in planned if plan.run.network == network]
    tested = [plan.run for plan in plans if isinstance(plan.split, Split) and subject in plan.split.test]
    if tested:
        return tuple(tested)
    seen = any(
        not isinstance(plan.split, Split) or subject in (*plan.split.train, *plan.split.validation)
        for plan in plans
    )
    first = {plan.run.seed: plan.run for plan in reversed(plans)}
    return tuple(plan.run for plan in plans if not seen or first[plan.run.seed] == plan.run)


def to_explain(
    configuration: StudyConfiguration, prepared: Sequence[PreparedScan], tested: Collection[str]
) -> list[PreparedScan]:
    """The scans of the subjects that the configuration wants explained."""
    wanted = configuration.explain.subjects
    if isinstance(wanted, tuple):
        chosen: Collection[str] = wanted
    else:
        chosen = tested if wanted == "test" and tested else {f"sub-{scan.subject}" for scan in prepared}
    return [scan for scan in prepared if f"sub-{scan.subject}" in chosen]
