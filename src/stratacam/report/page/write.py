"""Writes the page, and beside it the model card and the works that its methods cite."""

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from rich.console import Console

from stratacam.files import write_text
from stratacam.report.album import figures_of, save_album
from stratacam.report.content import read_study
from stratacam.report.evidence import evidence_chapters
from stratacam.report.page.chapters import chapters
from stratacam.report.page.pictures import on_page
from stratacam.report.page.privacy import Privacy
from stratacam.report.statements.methods import methods_section
from stratacam.report.statements.model_card import as_markdown, model_card
from stratacam.report.statements.references import OF_LISTS, bibtex, cited
from stratacam.report.words.summary import summary, warnings
from stratacam.study.folders import StudyFolders
from stratacam.study.progress import say

NUMBER = re.compile(r"([-<%0-9. ()]|to)+")
"""Cells of numbers."""

SPAN = re.compile(r"\((-?[\d.]+) to (-?[\d.]+)\)")
"""An interval, which stays on one line."""

CODE = re.compile(r"`([^`]+)`")

WIDE = 7
"""Columns from which a table is set in smaller letters."""


def write_report(folders: StudyFolders, console: Console | None = None) -> Path:
    """Write the report of a finished study, and its figures as PNG, SVG and TSV, from the study's files.

    Args:
        folders: of the study.
        console: where it is said that evidence is not shown as it cannot be read; the page says so too.

    Returns:
        The HTML page, which needs no other file and asks for none. Beside it are `model_card.md` and `references.bib`.

    Raises:
        InputError: if a part of the study is missing or damaged; names the command that makes it.
    """
    study = read_study(folders)
    private = Privacy.of(study)
    readable, unreadable = evidence_chapters(study)
    if console:
        for reason in unreadable:
            say(console, f"report: {reason}", "yellow")
    saved = save_album(figures_of(study, readable), folders.figures)
    album = {chapter: tuple(map(on_page, figures)) for chapter, figures in saved.items()}
    name = study.configuration.get("name") or folders.root.resolve().name
    found = chapters(study, readable, album)
    page = (
        _environment(private)
        .get_template("template.html.j2")
        .render(
            name=name,
            version=study.provenance.get("versions", {}).get("stratacam", ""),
            answers=summary(study, [chapter.evidence for chapter in readable]),
            warnings=warnings(study, unreadable),
            warning=study.warning,
            chapters=found,
            wide=WIDE,
        )
    )
    write_text(folders.report, page)
    write_text(folders.model_card, private.without_paths(as_markdown(name, model_card(study))))
    keys = cited(text for _, text in methods_section(study))
    write_text(folders.references, bibtex([*keys, *OF_LISTS]))
    return folders.report


def _environment(private: Privacy) -> Environment:
    environment = Environment(
        loader=PackageLoader("stratacam.report", package_path="page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: private.without_paths(value) if type(value) is str else value,
    )
    environment.tests["number"] = NUMBER.fullmatch
    environment.filters["set"] = lambda text: _set(private.without_paths(text))
    return environment


def _set(text: str) -> Markup:
    """Text with code in `backquotes` as code, and intervals that stay on one line."""
    escaped = str(escape(text))
    coded = CODE.sub(r"<code>\1</code>", escaped)
    return Markup(SPAN.sub(r'<span class="span">(\1 to \2)</span>', coded))  # noqa: S704 - escaped above
