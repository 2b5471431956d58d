"""Single figures of a finished study, as a user asks for them."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from stratacam.errors import InputError
from stratacam.report.album import StudyFigure, figures_of, save_one
from stratacam.report.choose import explained_scans
from stratacam.report.content import StudyContent, read_study, subject_label
from stratacam.report.evidence import evidence_chapters
from stratacam.report.figure import Request
from stratacam.study.folders import StudyFolders

SUBJECTS = {"none": "-", "one": "a figure each", "any": "a row each"}
"""What `--subject` does, by how many scans a figure takes."""


def list_figures(folders: StudyFolders) -> Iterator[tuple[str, str, str]]:
    """Name of every figure that a study can have, what it shows, and what becomes of several subjects."""
    for figure in _figures(read_study(folders)).values():
        yield figure.name, figure.entry.about, SUBJECTS[figure.entry.scans]


def make_figure(
    folders: StudyFolders,
    name: str,
    subjects: Sequence[str] = (),
    *,
    width_mm: float | None = None,
    formats: Sequence[str] = ("svg",),
    out: Path | None = None,
) -> list[Path]:
    """Draw a figure and save it with the numbers behind it; of figures of one scan, one for each subject.

    Args:
        folders: of the study.
        name: of the figure.
        subjects: labels of subjects or names of scans; none: those that the report shows.
        width_mm: of the drawing; None: as in the report.
        formats: of the picture.
        out: folder of the files; None: the study's.

    Returns:
        The files.

    Raises:
        InputError: there is no such figure or subject, or nothing to show.
    """
    study = read_study(folders)
    figures = _figures(study)
    if name not in figures:
        meant = get_close_matches(name, figures, n=1) or figures
        raise InputError(
            f"{name}: no such figure; expected {' or '.join(meant)}: list them with `stratacam figure --list`"
        )
    figure = figures[name]
    scans = _scans(study, figure, subjects)
    width = width_mm or figure.entry.width_mm
    each = [(scan,) for scan in scans] if scans and figure.entry.scans == "one" else [scans]
    files = []
    for of_one in each:
        drawing = figure.draw(Request(width, of_one))
        if drawing is None:
            raise InputError(
                f"{name}: nothing to show; expected {figure.entry.needs}: list the other figures with "
                "`stratacam figure --list`, or change the study so and repeat it"
            )
        label = "_".join((name, *of_one, *([f"{width:g}mm"] if width_mm else [])))
        files += save_one(drawing, (out or folders.figures) / label, (*dict.fromkeys(formats), "tsv"))
    return files


def _figures(study: StudyContent) -> dict[str, StudyFigure]:
    readable, _ = evidence_chapters(study)
    return {figure.name: figure for of in figures_of(study, readable).values() for figure in of}


def _scans(study: StudyContent, figure: StudyFigure, subjects: Sequence[str]) -> tuple[str, ...]:
    """The scans of subjects, of which there are maps."""
    if subjects and figure.entry.scans == "none":
        raise InputError(
            f"--subject: {figure.name} shows all subjects together; expected none: leave the option out"
        )
    mapped = [maps.name for maps in explained_scans(study)]
    found = []
    for subject in subjects:
        of_subject = [
            scan for scan in mapped if subject in {scan, subject_label(scan), subject_label(scan)[4:]}
        ]
        if not of_subject:
            raise InputError(
                f"--subject {subject}: has no maps; expected one of {', '.join(mapped)}: choose another, or explain "
                "more subjects (setting explain.subjects)"
            )
        found += of_subject
    return tuple(dict.fromkeys(found))
