"""The report, written again where anything that it shows has changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from stratacam.files import RECORDS, read_json
from stratacam.interruption import broken_off_at
from stratacam.report.page import write_report
from stratacam.study.cache import Cache
from stratacam.study.durations import duration
from stratacam.study.execution import metered
from stratacam.study.folders import StudyFolders
from stratacam.study.keys import NOT_IN_KEY
from stratacam.study.log import run_log
from stratacam.study.progress import breaking_silence, say
from stratacam.study.runs import is_of_these_models


@dataclass(frozen=True)
class Report:
    """The report of a study, and what it shows.

    Attributes:
        folders: of the study.
        console: where is said what cannot be shown.
        configuration: of the study, without places: a study that was copied or moved shows the same.
        made_with: versions and machine.
        files: tables and figures that are read.
        scans: keys of prepared and of explained scans.
    """

    folders: StudyFolders = field(metadata=NOT_IN_KEY)
    console: Console = field(metadata=NOT_IN_KEY)
    configuration: Mapping[str, Any]
    made_with: Mapping[str, Any]
    files: Mapping[str, Path]
    scans: Mapping[str, Mapping[str, str]]

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The page, and what stands beside it to publish from."""
        return self.folders.report, self.folders.model_card, self.folders.references

    def do(self) -> None:
        """Write it."""
        write_report(self.folders, self.console)


def refresh_report(folders: StudyFolders, console: Console) -> Path:
    """Write the report unless it is there and shows what there is now.

    Every command that adds to a study ends with this, so that none of them makes the report of another stale.

    Args:
        folders: of the study.
        console: where it is said.

    Returns:
        The report.
    """
    _say_what_is_of_earlier_models(folders, console)
    cache = Cache(folders.records)
    configuration = dict(read_json(folders.configuration))
    cohort = Path(configuration["cohort"]["input"])
    patterns = {
        folders.models: ("runs.json", "*/card.json", "*/history.json", "*/split.tsv"),
        folders.evaluation: ("*.json", "*.tsv", "*/*.json", "*/*.tsv"),
        folders.evidence: ("*.json", "*/*.json", "*/*.tsv"),
        folders.maps: ("reliability.tsv",),
        folders.recommended_maps: (
            "reliability.tsv",
            "sub-*/anat/*.zarr/zarr.json",
            "sub-*/ses-*/anat/*.zarr/zarr.json",
        ),
        folders.leakage: ("leakage.json",),
        folders.permutations: ("permutations.json",),
        folders.root: (folders.left_out.name,),
        cohort: ("dataset_description.json", "participants.tsv"),
    }
    found = {path for folder, names in patterns.items() for name in names for path in folder.glob(name)}
    report = Report(
        folders,
        console,
        _without_places(configuration),
        # without the times, which are others where a scan failed again
        {key: value for key, value in read_json(folders.provenance).items() if key != "steps"},
        dict(sorted((_named(path, folders.root, cohort), path) for path in found)),
        {
            "prepare": cache.at(folders.prepared / RECORDS).keys_of("prepare"),
            "explain": cache.keys_of("explain"),
        },
    )
    entry = cache.entry(report)
    if cache.is_done("report", "study", entry):
        say(console, "report: unchanged")
    else:
        _write(report)
        cache.finish("report", "study", entry)
    return folders.report


def _write(report: Report) -> None:
    """Write the report; say and log what it takes."""
    console, log = report.console, run_log(report.folders.records)
    used = metered()

    def still() -> str:
        return f"report: making it for {duration(used().seconds)}"

    say(console, "report: making it")
    with log.of_run(), broken_off_at("report"), breaking_silence(console, still):
        log.write("step", step="report", name="study")
        report.do()
        log.write("task", outcome="done", step="report", name="study", tries=1, **asdict(used()))
        log.write("step done", step="report", seconds=round(used().seconds, 1))
    say(console, f"report: {duration(used().seconds)}")


def _without_places(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the results; not where they are, nor how they are computed."""
    cohort = {
        key: value for key, value in configuration["cohort"].items() if key not in ("input", "prepared")
    }
    rest = {key: value for key, value in configuration.items() if key not in ("run", "out")}
    return {**rest, "cohort": cohort}


def _named(path: Path, root: Path, cohort: Path) -> str:
    """The name of a file that holds wherever the study and its cohort are."""
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return f"cohort/{path.relative_to(cohort).as_posix()}"


def _say_what_is_of_earlier_models(folders: StudyFolders, console: Console) -> None:
    """Say which measurements of earlier models are not shown."""
    found = {
        "evidence": folders.evidence.glob("*/about.json"),
        "leakage": folders.leakage.glob("leakage.json"),
        "permute": folders.permutations.glob("permutations.json"),
    }
    for command, files in found.items():
        if any(not is_of_these_models(folders, read_json(file)) for file in files):
            say(
                console,
                f"report: {command} was measured of models that were trained in another way, and is not shown; "
                f"measure it again with `stratacam {command}`.",
                "yellow",
            )
