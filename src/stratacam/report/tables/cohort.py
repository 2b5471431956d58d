"""Tables of the cohort: subjects in each part, and what could not be used."""

from stratacam.report.content import StudyContent
from stratacam.report.tables.table import Table, warned

PARTS = ("train", "validation", "test")


def cohort_table(study: StudyContent) -> Table:
    """Subjects of each group in each part, or in each fold; slices where these were split."""
    classes, title = study.card.classes, warned("Subjects", study)

    def count(group: str | None = None, part: str | None = None) -> str:
        found = [(name, study.part.get(subject)) for subject, name in study.group.items()]
        return str(sum(group in (None, name) and part in (None, its_part) for name, its_part in found))

    if study.by_slice:
        tested = study.metrics["slices_per_class"]
        rows = tuple((group, count(group), str(tested[group])) for group in classes)
        return Table(title, ("group", "subjects", "test slices"), rows)
    if study.main.folds:
        parts = [f"held out in fold {number}" for number in range(1, study.main.folds + 1)]
        by_fold = tuple(
            (part or "all", *(count(group, part) for group in (*classes, None))) for part in (*parts, None)
        )
        return Table(title, ("part", *classes, "all"), by_fold)
    if study.given:
        judged = tuple(
            (group, *(count(group, part) for part in ("train", "test", None))) for group in classes
        )
        return Table(title, ("group", "trained on, left out", "judged", "all"), judged)
    by_group = tuple((group, *(count(group, part) for part in (*PARTS, None))) for group in classes)
    return Table(title, ("group", "training", "validation", "test (held out)", "all"), by_group)


def trained_on_table(study: StudyContent) -> Table | None:
    """Who is not judged, as a given classifier was trained on them; None where there is nobody."""
    known = sorted(subject for subject, part in study.part.items() if part == "train") if study.given else []
    if not known:
        return None
    rows = tuple((subject, study.group[subject]) for subject in known)
    return Table("Left out as the classifier was trained on them", ("subject", "group"), rows)


def left_out_table(study: StudyContent) -> Table | None:
    """Scans that could not be used; None where there are none."""
    if not study.left_out:
        return None
    rows = tuple((row["name"], row["step"], row["reason"]) for row in study.left_out)
    return Table("Left out", ("scan", "step", "reason"), rows)
