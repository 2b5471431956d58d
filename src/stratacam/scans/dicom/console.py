"""What an import did, on the console."""

from rich.console import Console
from rich.table import Table

from stratacam.scans.dicom.importing import Imported

STYLES = {"taken": "", "not taken": "dim", "left out": "yellow"}


def print_import(result: Imported, console: Console, *, linked: bool = False) -> None:
    """Print which series went where and why, the link of patients and labels, and what could not be read.

    Which patient has which label, and the descriptions of series, are shown here only; no file holds them, but for a
    link to DICOM, if there is one (`linked`).
    """
    table = Table("subject", "session", "series", "description", "slices", "becomes", "why")
    for decision in result.decisions:
        stack = decision.stack
        table.add_row(
            decision.subject or "",
            decision.session or "",
            stack.name,
            stack.first.header["SeriesDescription"],
            str(len(stack.slices)),
            decision.sequence if decision.state == "taken" else decision.state,
            decision.reason,
            style="yellow" if decision.doubt else STYLES[decision.state],
        )
    Console(file=console.file, width=max(console.width, 140), markup=False).print(table)
    where = "written to the link alone" if linked else "written nowhere"
    for patient, label in sorted(result.labels.items(), key=lambda pair: pair[1]):
        _say(console, f"sub-{label}: PatientID {patient!r} ({where})")
    for kind, count in sorted(result.ignored.items()):
        _say(console, f"Not read: {count} {kind}")
    for note in result.notes:
        _say(console, note)
    for message in result.damaged:
        _say(console, message, "yellow")
    for decision in result.decisions:
        if decision.detail:
            _say(console, f"dcm2niix on series {decision.stack.name} of sub-{decision.subject}:", "yellow")
            _say(console, decision.detail)


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
