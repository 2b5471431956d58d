"""The report, written again where anything that it shows has changed."""

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
    shown = [
        folders.runs,
        folders.leakage / "leakage.json",
        *sorted(folders.evaluation.glob("*.json")),
        *sorted(folders.evaluation.glob("*/metrics.json")),
        *sorted(folders.evidence.glob("*/*.json")),
        *sorted(folders.evidence.glob("*/*.tsv")),
    ]
    content = {
        "configuration": study.configuration.model_dump(mode="json"),
        "left_out": folders.left_out.read_text(encoding="utf-8"),
        "scans": {step: work.ledger.keys_of(step) for step in ("prepare", "explain")},
    }
    key = work.ledger.key("report", content, [path for path in shown if path.is_file()])
    work.once("report", key, [folders.report], lambda: write_report(folders))
