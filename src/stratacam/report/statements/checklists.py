"""Reporting check-lists: CLAIM (2024 update) and TRIPOD+AI, answered where the study knows the answer."""

from collections.abc import Callable
from dataclasses import dataclass

from stratacam.report.content import StudyContent
from stratacam.report.statements import facts
from stratacam.report.tables.table import Table

Fact = Callable[[StudyContent], str]


@dataclass(frozen=True)
class Item:
    """An item of a check-list.

    Attributes:
        number: in the list.
        topic: in our words.
        fact: what the study knows; None where only its authors can answer.
        rest: what remains for the authors although the study knows something.
    """

    number: str
    topic: str
    fact: Fact | None = None
    rest: str = ""


CLAIM = (
    Item(
        "1", "Title or abstract names the AI technology", facts.technology, "name it in the title or abstract"
    ),
    Item("2", "Summary of design, methods, results and conclusions"),
    Item("3", "Background, intended use and clinical role"),
    Item("4", "Aims and hypotheses"),
    Item("5", "Prospective or retrospective"),
    Item("6", "Goal of the study", facts.goal),
    Item("7", "Data sources", facts.data_source, "where, when and from whom"),
    Item("8", "Inclusion and exclusion criteria"),
    Item("9", "Preprocessing", facts.preparation),
    Item("10", "Selection of data subsets", facts.subsets),
    Item("11", "De-identification"),
    Item("12", "Missing data", facts.missing),
    Item("13", "Image acquisition protocol", facts.acquisition, "the protocol"),
    Item(
        "14", "Reference standard: how it was obtained", facts.outcome_definition, "how groups were diagnosed"
    ),
    Item("15", "Rationale for the reference standard"),
    Item("16", "Source of the annotations"),
    Item("17", "Annotation of the test set"),
    Item("18", "Variability between and within raters"),
    Item("19", "Assignment to partitions", facts.partition),
    Item("20", "Level at which partitions are disjoint", facts.disjoint),
    Item("21", "Intended sample size of the testing data", facts.sample_size, "why so many"),
    Item("22", "Model", facts.model),
    Item("23", "Software", facts.software),
    Item("24", "Initialisation of parameters", facts.initialisation),
    Item("25", "Training", facts.training),
    Item("26", "Selection of the final model", facts.selection),
    Item("27", "Ensembling", facts.ensembling),
    Item("28", "Metrics of performance", facts.metrics),
    Item("29", "Significance and uncertainty", facts.uncertainty),
    Item("30", "Robustness or sensitivity analysis", facts.robustness),
    Item("31", "Explainability", facts.explainability),
    Item("32", "Testing on internal data", facts.internal_testing),
    Item("33", "Testing on external data", None, "none is made here; test on other data, or say why not"),
    Item("34", "Registration of a clinical trial"),
    Item("35", "Numbers included and excluded", facts.flow),
    Item(
        "36",
        "Demographic and clinical characteristics in each partition",
        facts.demographics,
        "by partition, and clinical ones",
    ),
    Item("37", "Performance and its statistical uncertainty", facts.performance),
    Item("38", "Diagnostic performance and its precision", facts.precision),
    Item("39", "Failure analysis", facts.failures, "what they have in common"),
    Item("40", "Limitations", facts.limitations, "of the cohort"),
    Item("41", "Implications for practice, intended use and clinical role"),
    Item("42", "Full protocol or technical details", facts.settings, "the protocol"),
    Item("43", "Availability of software, model and data", facts.availability, "of the data"),
    Item("44", "Funding, and role of the funders"),
)
"""CLAIM 2024: Tejani et al., Radiology: Artificial Intelligence 6, e240300."""

TRIPOD = (
    Item("1", "Title: model developed or evaluated, population, outcome"),
    Item("2", "Abstract (TRIPOD+AI for abstracts)"),
    Item("3a", "Healthcare context and rationale"),
    Item("3b", "Target population, purpose and users"),
    Item("3c", "Known health inequalities"),
    Item("4", "Objectives: development, evaluation or both", facts.goal),
    Item("5a", "Sources of data", facts.data_source, "how representative they are"),
    Item("5b", "Dates of the data"),
    Item("6a", "Setting and centres"),
    Item("6b", "Eligibility criteria"),
    Item("6c", "Treatments received"),
    Item("7", "Data preparation and checks of quality", facts.preparation_for_all, "checks of quality"),
    Item(
        "8a",
        "Outcome: definition, time horizon, rationale",
        facts.outcome_definition,
        "how and when assessed, why this one, and whether alike in all sociodemographic groups",
    ),
    Item("8b", "Outcome: qualification of assessors"),
    Item("8c", "Outcome: blinding of assessors"),
    Item("9a", "Predictors: choice and selection", facts.predictors),
    Item("9b", "Predictors: definition and measurement", facts.preparation),
    Item("9c", "Predictors: qualification of assessors", lambda _: "None is assessed by people."),
    Item("10", "Sample size", facts.sample_size, "why so many"),
    Item("11", "Missing data", facts.missing),
    Item("12a", "Use of the data for development and evaluation", facts.partition),
    Item("12b", "Handling of predictors", facts.preparation),
    Item("12c", "Type of model, building and internal validation", facts.training),
    Item("12d", "Heterogeneity between clusters, such as hospitals", facts.clusters),
    Item("12e", "Measures of performance", facts.metrics),
    Item("12f", "Model updating", facts.calibration),
    Item("12g", "How predictions were calculated", facts.output),
    Item("13", "Class imbalance", facts.balance),
    Item("14", "Approaches to fairness, and their rationale", facts.fairness, "the rationale"),
    Item("15", "Output of the model", facts.output),
    Item("16", "Differences between training and evaluation data", facts.same_cohort),
    Item("17", "Ethical approval"),
    Item("18a", "Funding"),
    Item("18b", "Conflicts of interest"),
    Item("18c", "Protocol"),
    Item("18d", "Registration"),
    Item("18e", "Data sharing"),
    Item("18f", "Code sharing", facts.availability, "where your own code and settings can be had"),
    Item("19", "Involvement of patients and the public"),
    Item("20a", "Flow of participants", facts.flow),
    Item("20b", "Characteristics of participants", facts.demographics, "clinical ones, dates"),
    Item("20c", "Comparison of development and evaluation data"),
    Item("21", "Numbers in each analysis", facts.partition),
    Item("22", "Full model", facts.availability, "where it can be had, and on which terms"),
    Item("23a", "Performance with intervals, and in subgroups", facts.performance),
    Item("23b", "Heterogeneity of performance between clusters", facts.clusters),
    Item("24", "Results of updating", facts.calibration),
    Item("25", "Interpretation, with fairness and earlier studies"),
    Item("26", "Limitations", facts.limitations, "of the cohort"),
    Item("27a", "Use: poor or missing input", facts.input_in_use, "what a user is to do then"),
    Item("27b", "Use: interaction and expertise that it requires"),
    Item("27c", "Next steps, applicability and generalisability"),
)
"""TRIPOD+AI: Collins et al., BMJ 385, e078378."""


def claim_table(study: StudyContent) -> Table:
    """CLAIM, 2024 update."""
    return _filled("CLAIM, 2024 update", CLAIM, study, "Tejani et al. 2024")


def tripod_table(study: StudyContent) -> Table:
    """TRIPOD+AI."""
    return _filled("TRIPOD+AI", TRIPOD, study, "Collins et al. 2024")


def _filled(title: str, items: tuple[Item, ...], study: StudyContent, source: str) -> Table:
    rows = tuple((item.number, item.topic, *_answer(item, study)) for item in items)
    answered = sum(state != "open" for _, _, state, _ in rows)
    return Table(
        f"{title}: {answered} of {len(items)} items answered or partly answered",
        ("item", "topic", "state", "answer"),
        rows,
        note=f"Topics in our words; the wording that counts is that of {source}. Open: the study's files do not hold "
        "it.",
    )


def _answer(item: Item, study: StudyContent) -> tuple[str, str]:
    known = item.fact(study) if item.fact else ""
    if not known:
        return "open", item.rest or "for the authors"
    return ("partly", f"{known} Open: {item.rest}.") if item.rest else ("answered", known)
