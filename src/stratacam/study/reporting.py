"""The report, written again where anything that it shows has changed."""

import json

from stratacam.files import read_json
from stratacam.study.keys import short_hash
from stratacam.study.ledger import Ledger
from stratacam.study.runs import is_of_these_models
from stratacam.study.scan_steps import RECORDS
from stratacam.study.study import Study, WriteReport


def report_once(study: Study, write_report: WriteReport) -> None:
    """Write the report unless it is there and shows what there is now.

    Every command that adds to a study ends with this, so that none of them makes the report of another stale.

    Args:
        study: whose report it is.
        write_report: writes it.
    """
    folders, work = study.folders, study.work
    work.write_left_out(folders.left_out)
    _tell_earlier(study)
    shown = sorted(
        path
        for folder, patterns in (
            (folders.models, ("runs.json", "*/card.json", "*/history.json", "*/split.tsv")),
            (folders.evaluation, ("*.json", "*.tsv", "*/*.json", "*/*.tsv")),
            (folders.evidence, ("*/*.json", "*/*.tsv")),
            (folders.leakage, ("leakage.json",)),
            (folders.root, (folders.left_out.name,)),
            (study.configuration.cohort.input, ("dataset_description.json",)),
        )
        for pattern in patterns
        for path in folder.glob(pattern)
    )
    ledgers = {"prepare": Ledger(folders.prepared / RECORDS), "explain": work.ledger}
    made_with = {key: value for key, value in read_json(folders.provenance).items() if key != "steps"}
    content = {
        "made with": made_with,  # without the times, which are others where a scan failed again
        "configuration": study.configuration.model_dump(mode="json", exclude={"run"}),
        "files": work.ledger.content_of(shown),
        "scans": {step: ledger.keys_of(step) for step, ledger in ledgers.items()},
    }
    work.ledger.is_made(short_hash(json.dumps(content, sort_keys=True)), folders)
    work.once("report", work.task(write_report, folders, outputs=[folders.report]))


def _tell_earlier(study: Study) -> None:
    """Say that what was measured of models that were trained before is not shown."""
    folders = study.folders
    found = {
        "evidence": folders.evidence.glob("*/about.json"),
        "leakage": folders.leakage.glob("leakage.json"),
    }
    for command, files in found.items():
        if any(not is_of_these_models(folders, read_json(file)) for file in files):
            study.work.console.print(
                f"report: {command} was measured of models that were trained in another way, and is not shown; "
                f"measure it again with `stratacam {command}`.",
                style="yellow",
                highlight=False,
                soft_wrap=True,
            )
