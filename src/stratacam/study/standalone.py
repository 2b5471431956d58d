"""Single steps on folders, outside a study: prepare a cohort, explain prepared scans."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import RECORDS
from stratacam.maps import ExplainSettings, check_settings
from stratacam.networks import ModelCard, load_model, source_file
from stratacam.networks.cards import CARD, WEIGHTS, read_card
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.choice import Choose
from stratacam.scans.cohort.sources import check_out, find_cohort_scans
from stratacam.scans.prepare import PrepareSettings
from stratacam.scans.prepared import PreparedScan, find_prepared
from stratacam.scans.sequences import DEFAULT_SEQUENCES
from stratacam.study.execution import RunSettings, Workers, tidied
from stratacam.study.folders import study_folders
from stratacam.study.progress import say_what_is_unchanged
from stratacam.study.recommended import choose_runs, recommended_map, runs_of
from stratacam.study.steps.explain import explain_scans
from stratacam.study.steps.prepare import prepare_scans, take_prepared
from stratacam.study.suitability import refuse_differences, say_differences, say_larger, say_parts
from stratacam.study.trained import TrainedModel
from stratacam.study.work import Absence, Work

LEFT_OUT = "left_out.tsv"


def prepare_folder(
    source: Path,
    out: Path,
    settings: PrepareSettings | Callable[[Scan], PrepareSettings],
    *,
    sequences: Sequence[str] = DEFAULT_SEQUENCES,
    choose: Choose | None = None,
    workers: int,
    console: Console,
) -> tuple[list[PreparedScan], list[Absence]]:
    """Prepare every scan of a BIDS folder, or of a table of scans, into `out`; what is done already is not done again.

    Settings may be a function that gives those of each scan. `choose` says which file of a sequence to take, where
    there are several.

    Returns:
        The prepared scans, and what was left out, which is also written to `out`/left_out.tsv.

    Raises:
        InputError: if `source` holds no scans, or none of them can be used; or `out` touches it or cannot be written.
    """
    check_out(out, source)
    prepared: list[PreparedScan] = []
    with _work_in(out, console, workers) as work:
        scans, incomplete = find_cohort_scans(source, sequences, choose)
        for absent in incomplete:
            work.leave_out(absent.name, "find", absent.reason)
        alike: dict[str, tuple[PrepareSettings, list[Scan]]] = {}
        for scan in scans:
            its = settings(scan) if callable(settings) else settings
            alike.setdefault(repr(its), (its, []))[1].append(scan)
        for its, members in alike.values():
            prepared += prepare_scans(work, members, out, its)
    return sorted(prepared, key=lambda scan: scan.name), _conclude(work, out, bool(prepared))


def explain_folder(
    model: Path,
    prepared: Path,
    out: Path,
    settings: ExplainSettings,
    *,
    names: Sequence[str],
    others: Sequence[Path] = (),
    accept_differences: bool = False,
    network: str | None = None,
    workers: int,
    console: Console,
) -> tuple[list[str], list[Absence]]:
    """Explain prepared scans with a trained model into `out`; what is done already is not done again.

    `names` are subjects or scans such as "sub-01" or "sub-01_ses-2", all if empty; `network` is the reference of a
    custom network. With `others`, models of the same architecture, classes and input, maps are their consensus.

    Returns:
        Names of the explained scans, and what was left out, which is also written to `out`/left_out.tsv.

    Raises:
        InputError: if there is no model, a name is unknown, or no scan can be explained; `out` touches `model` or
            `prepared` or cannot be written; scans differ from the model's, and that is not accepted; or models differ.
    """
    check_out(out, model, *others, prepared)
    loaded, card = load_model(model, network)
    _check_alike(card, model, others, network)
    check_settings(loaded, card, settings)
    scans = _named(find_prepared(prepared), names, prepared)
    say_differences(refuse_differences(scans, card, model, accept=accept_differences), console)
    say_larger(scans, card, console)
    say_parts(dict.fromkeys(scans, tuple(read_card(one) for one in (model, *others))), console)
    models = dict.fromkeys(scans, (model, *others))
    return _explain(models, out, settings, network=network, workers=workers, console=console)


def explain_recommended(
    study: Path,
    prepared: Path,
    out: Path,
    *,
    names: Sequence[str],
    target: str = "predicted",
    every: int = 1,
    accept_differences: bool = False,
    network: str | None = None,
    workers: int,
    console: Console,
) -> tuple[list[str], list[Absence], Path]:
    """Make the map that a study recommends of prepared scans, by the networks that the study judged.

    A subject of the study is explained by the runs that held it out, anybody else by all of them, or by the first
    where a single network is recommended. Arguments as for `explain_folder`.

    Returns:
        As `explain_folder`, and the folder of a model that made the maps.

    Raises:
        InputError: as for `explain_folder`; or the study recommends no map, or was trained anew since.
    """
    folders = study_folders(study)
    check_out(out, folders.root, prepared)
    found = recommended_map(folders)
    runs = runs_of(found, folders)
    model = folders.models / runs[0].run.name
    loaded, card = load_model(model, network)
    settings = ExplainSettings(
        target=target, method=found.method, layers=(found.layer,), nifti_layers=(found.layer,), every=every
    )
    check_settings(loaded, card, settings)
    scans = _named(find_prepared(prepared), names, prepared)
    say_differences(refuse_differences(scans, card, model, accept=accept_differences), console)
    say_larger(scans, card, console)
    models = {
        scan: tuple(
            folders.models / one.run.name
            for one in choose_runs(runs, f"sub-{scan.subject}", several=found.networks > 1)
        )
        for scan in scans
    }
    say_parts({scan: [read_card(one) for one in chosen] for scan, chosen in models.items()}, console)
    return (*_explain(models, out, settings, network=network, workers=workers, console=console), model)


def _explain(
    models: Mapping[PreparedScan, tuple[Path, ...]],
    out: Path,
    settings: ExplainSettings,
    *,
    network: str | None,
    workers: int,
    console: Console,
) -> tuple[list[str], list[Absence]]:
    """Explain each scan with its models; names of those that succeeded, and what was left out."""
    with _work_in(out, console, workers) as work:
        own = [source_file(network)] if network else []
        trained = {
            one: TrainedModel(one, work.cache.content_of([one / CARD, one / WEIGHTS, *own]), "cpu", network)
            for one in dict.fromkeys(folder for folders in models.values() for folder in folders)
        }
        take_prepared(work, list(models))
        by = {scan: tuple(trained[one] for one in folders) for scan, folders in models.items()}
        done = explain_scans(work, by, out=out, settings=settings)
    return sorted(done), _conclude(work, out, bool(done))


def _check_alike(card: ModelCard, model: Path, others: Sequence[Path], network: str | None) -> None:
    """Refuse models of another architecture, with other classes or of other pictures."""
    for other in others:
        its = load_model(other, network)[1]
        different = [
            what
            for what in ("architecture", "brain", "classes", "input")
            if getattr(its, what) != getattr(card, what)
        ]
        if different:
            raise InputError(
                f"{other}: differs from {model} in {', '.join(different)}; expected models that see the same pictures "
                "and give the same classes; choose models of one study."
            )


@contextmanager
def _work_in(out: Path, console: Console, workers: int) -> Iterator[Work]:
    """Work whose records are in a folder; what was being written there is removed if it is interrupted."""
    with tidied(out), Workers(RunSettings(workers=workers)) as here:
        work = Work(out / RECORDS, console, here)
        with work.log.of_run():
            yield work
        say_what_is_unchanged(console)


def _named(scans: Sequence[PreparedScan], names: Sequence[str], folder: Path) -> list[PreparedScan]:
    known = {scan.name for scan in scans} | {f"sub-{scan.subject}" for scan in scans}
    unknown = sorted(set(names) - known)
    if unknown:
        raise InputError(f"{folder}: holds no {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
    return [scan for scan in scans if not names or {scan.name, f"sub-{scan.subject}"} & set(names)]


def _conclude(work: Work, out: Path, anything: bool) -> list[Absence]:
    work.write_left_out(out / LEFT_OUT)
    if not anything:
        raise InputError(f"no scan could be used; see {out / LEFT_OUT} for the reasons.")
    return work.absences
