"""Does the group, or what the first network says within a group, follow from what should not matter?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stratacam.files import read_json, read_table, write_json, write_table
from stratacam.learning import Split
from stratacam.learning.confounds import (
    PERSON,
    SITE,
    Association,
    Variable,
    acquisition_variables,
    audit_groups,
    audit_outputs,
    by_group,
    features,
    numbers,
    table_variables,
    with_missing,
)
from stratacam.scans.cohort.acquisition import read_acquisition
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.people import read_people
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.surroundings import measure_surroundings, surroundings_table
from stratacam.source_code import Entries
from stratacam.study.cohort import Cohort
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.keys import entries_used
from stratacam.study.planning import Planned
from stratacam.study.study import Study

METHODS = {
    "group": "the groups are permuted over the subjects",
    "outputs": "held-out logits (of two groups their difference) are permuted among the subjects of a group, after the "
    "means of the groups are taken off",
    "p_value": "family-wise over all variables of a part: the smallest permutation p-value (Westfall and Young 1993); "
    "three fifths of the error rate of 5 % are for site and scanner, a fifth for persons, a fifth for what the "
    "pictures show outside the brain",
    "value": "between 0 and 1: Cramér's V of words; square root of the share of the ranks' variance that is between "
    "groups (correlation ratio) of numbers; partial correlation given the group for outputs; of the surroundings, the "
    "correlation with a ridge regression's predictions of subjects left out",
    "interval": "95 %: noncentral chi-squared (too wide where words are strongly associated) or F distribution, upper "
    "end by CLs (too wide near 0); Fisher's z",
    "smallest": "association from which on the variable would have been flagged",
    "surroundings": "skull, scalp and air in the images as delivered, relative to the median of the brain, all cells "
    "that hold any of the brain left out; the network does not see them, but the scanner that shows in them may show "
    "in the brain too",
}


@dataclass(frozen=True)
class Surroundings:
    """Measures of what is around the brain of a scan, in `file`."""

    scan: PreparedScan
    file: Path

    @property
    def entries(self) -> Entries:
        return entries_used(sequences=self.scan.sequences)

    @property
    def outputs(self) -> tuple[Path]:
        return (self.file,)

    def do(self) -> None:
        write_json(self.file, measure_surroundings(self.scan))


@dataclass(frozen=True)
class Subject:
    """What may confound the group of a subject, of its first scan.

    Attributes:
        name: of the subject.
        group: of its first scan.
        person: column of the cohort's tables to value, where there is one.
        acquisition: what headers and sidecars say.
        scan: the prepared scan.
        surroundings: file of its measures; None where it has none.
    """

    name: str
    group: str
    person: Mapping[str, str]
    acquisition: Mapping[str, str]
    scan: PreparedScan
    surroundings: Path | None


@dataclass(frozen=True)
class Confounds:
    """The audit of a study.

    Attributes:
        subjects: that are learnt from.
        classes: their groups, in the order of the outputs.
        columns: of the tables that the settings name.
        evaluation: folder of the first network and seed; None where slices were split.
        seed: of permutations.
        out: the JSON file; the table goes beside it.
    """

    subjects: tuple[Subject, ...]
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    evaluation: Path | None
    seed: int
    out: Path

    @property
    def outputs(self) -> tuple[Path, ...]:
        return self.out, self.out.with_suffix(".tsv")

    def do(self) -> None:
        labels = [self.classes.index(subject.group) for subject in self.subjects]
        variables = variables_of(self.subjects, self.columns)
        rows = _rows(variables, labels, self.classes, audit_groups(variables, labels, seed=self.seed))
        content: dict[str, Any] = {
            "subjects": len(labels),
            "group": rows,
            "outputs": [],
            "outputs_subjects": 0,
        }
        if self.evaluation:
            held_out = read_logits(self.evaluation, self.classes)
            tested = [subject for subject in self.subjects if subject.name in held_out]
            label = [self.classes.index(subject.group) for subject in tested]
            within = variables_of(tested, self.columns)
            logits = np.array([held_out[subject.name] for subject in tested])
            found = audit_outputs(within, label, logits, seed=self.seed)
            content |= {"outputs": _rows(within, label, self.classes, found), "outputs_subjects": len(tested)}
        write_json(self.out, {**content, "methods": METHODS})
        write_table(self.out.with_suffix(".tsv"), _table(content))


def variables_of(subjects: Sequence[Subject], columns: Sequence[str]) -> list[Variable]:
    """Every variable that is audited."""
    measured = {one.name: read_json(one.surroundings) if one.surroundings else {} for one in subjects}
    heads = numbers("head size", "person", [measured[one.name].get("head_ml") for one in subjects], unit="ml")
    slices = [float(len(one.scan.read_slices().kept)) for one in subjects]
    _, around = surroundings_table(measured)
    return [
        *table_variables([one.person for one in subjects], columns),
        *with_missing(heads),
        *acquisition_variables([one.acquisition for one in subjects]),
        numbers("number of slices", "surroundings", slices),
        features("surroundings of the brain", "surroundings", around),
    ]


def audit_confounds(
    study: Study,
    scans: Sequence[Scan],
    prepared: Sequence[PreparedScan],
    cohort: Cohort,
    planned: Sequence[Planned],
) -> None:
    """Audit the groups of the cohort, and the outputs of the first network and seed."""
    folders, work, configuration = study.folders, study.work, study.configuration
    first: dict[str, str] = {}
    for picture in sorted(cohort.pictures, key=lambda one: one.scan):
        first.setdefault(picture.subject, picture.scan)
    prepared_of = {scan.name: scan for scan in prepared}
    names = set(first.values())
    delivered = [scan for scan in scans if scan.name in names]
    tasks = {scan: Surroundings(prepared_of[scan], folders.surroundings / f"{scan}.json") for scan in names}
    measured = work.each("surroundings", tasks)
    people, acquisition = read_possible(configuration, delivered), read_acquisition(delivered)
    labels = cohort.labels()
    model = planned[0].run.model
    by_subject = all(isinstance(plan.split, Split) for plan in planned if plan.run.model == model)
    audit = Confounds(
        subjects=tuple(
            Subject(
                name=subject,
                group=labels[subject],
                person=people[scan],
                acquisition=acquisition[scan],
                scan=prepared_of[scan],
                surroundings=tasks[scan].file if scan in measured else None,
            )
            for subject, scan in first.items()
        ),
        classes=cohort.classes,
        columns=configuration.confounds.columns,
        evaluation=folders.evaluation / model if by_subject else None,
        seed=configuration.seed,
        out=folders.confounds,
    )
    work.once("confounds", audit)


def read_possible(configuration: StudyConfiguration, scans: Sequence[Scan]) -> dict[str, dict[str, str]]:
    """By scan, the columns of the cohort's tables that may be confounds, where they are there.

    Raises:
        InputError: a column that the settings name is not there.
    """
    source, named = configuration.cohort.input, configuration.confounds.columns
    usual = read_people(source, scans, [*PERSON, *SITE])
    more = read_people(source, scans, named, required=True)
    return {scan.name: usual[scan.name] | more[scan.name] for scan in scans}


def read_logits(evaluation: Path, classes: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Subject to its logits, less their mean; of two groups, the second's less the first's."""
    found = {}
    for row in read_table(evaluation / "predictions_subjects.tsv"):
        logits = np.log([max(float(row[f"p_{name}"]), 1e-12) for name in classes])
        found[row["subject"]] = np.diff(logits) if len(classes) == 2 else logits - logits.mean()
    return found


def _rows(
    variables: Sequence[Variable], labels: Sequence[int], classes: Sequence[str], found: Sequence[Association]
) -> list[dict[str, Any]]:
    return [
        {**asdict(association), "by_group": by_group(variable, labels, classes)}
        for variable, association in zip(variables, found, strict=True)
    ]


def _table(content: Mapping[str, Any]) -> list[list[str]]:
    columns = (
        "name",
        "kind",
        "measure",
        "subjects",
        "missing",
        "value",
        "low",
        "high",
        "p_value",
        "smallest",
    )
    table = [["follows", *columns, "verdict", "reason", "by_group"]]
    for part in ("group", "outputs"):
        for row in content[part]:
            low, high = row["interval"] or (None, None)
            cells = [{**row, "low": low, "high": high}[column] for column in columns]
            shown = [
                "n/a" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)
                for cell in cells
            ]
            table.append([part, *shown, row["verdict"], row["reason"], row["by_group"]])
    return table
