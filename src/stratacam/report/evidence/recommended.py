"""Table of how good the maps are that halves of the people chose, on people who took no part in choosing them."""

from stratacam.evidence import registry
from stratacam.report.content import StudyContent
from stratacam.report.numbers import NOT_KNOWN, estimate_of
from stratacam.report.tables.table import Table, warned
from stratacam.report.words.recommended import chosen_by_halves, whose_numbers


def recommended_table(study: StudyContent) -> Table | None:
    """A row for each measure; None where no map is recommended, or nothing was measured of it."""
    recommended = study.recommended
    if recommended is None or recommended.chosen is None or not recommended.numbers:
        return None
    measures = {one.name: one for one in registry.measures()}
    rows = tuple(
        (
            measure.heading(number.against),
            estimate_of(number.value, number.low, number.high),
            str(number.subjects),
            measure.definition or NOT_KNOWN,
        )
        for number in recommended.numbers
        for measure in (measures[number.measure],)
    )
    title = (
        "The recommended map in numbers"
        if chosen_by_halves(recommended)
        else "What either half of the people chose, in numbers"
    )
    return Table(
        warned(title, study),
        ("measure", "mean (95 % interval)", "subjects", "what it is"),
        rows,
        note=f"{whose_numbers(recommended)} Intervals are over subjects.",
    )
