"""What can be said of a study before any training: which confounds its groups have, and what its numbers can show."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from stratacam.learning.confounds import (
    Association,
    Variable,
    acquisition_variables,
    audit_groups,
    by_group,
    numbers,
    table_variables,
)
from stratacam.scans.cohort.acquisition import read_acquisition
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.check import CheckedCohort, CheckedScan
from stratacam.scans.planes import Plane
from stratacam.study.cohort import read_clusters
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.steps.confounds import read_possible
from stratacam.study.steps.sample_size import forecast_sample_size, groups_in_order

ENDS: dict[Plane, str] = {"axial": "SI", "coronal": "AP", "sagittal": "LR"}
"""Where the axis across the slices of a plane may run to."""


@dataclass(frozen=True)
class Forecast:
    """What is known before training.

    Attributes:
        confounds: whether the group follows from what tables, headers and sidecars say.
        by_group: of each confound, its values in the groups.
        sample_size: what the numbers can show, see `what_can_be_shown`; empty where nobody would be held out.
    """

    confounds: tuple[Association, ...] = ()
    by_group: tuple[str, ...] = ()
    sample_size: Mapping[str, Any] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        """A sentence for each confound that is flagged."""
        return [
            f"the groups differ in {found.name} ({values}; {found.measure} {found.value:.2f}, p {found.p_value:.2g}): "
            "a network may learn that, not the disease; balance the groups, or have every fold hold out sites "
            "(split.group_by)"
            for found, values in zip(self.confounds, self.by_group, strict=True)
            if found.verdict == "flagged"
        ]

    @property
    def looked_at(self) -> str:
        """A sentence on what was held against the group, and what came of it; "" where nothing was."""

        def of(verdict: str) -> list[str]:
            return [
                found.name + (f" ({found.reason})" if verdict == "cannot say" else "")
                for found in self.confounds
                if found.verdict == verdict
            ]

        if not self.confounds:
            return ""
        parts = [
            f"{title}: {', '.join(names)}" if names else absent
            for title, names, absent in (
                ("flagged, see the warnings", of("flagged"), "nothing was flagged"),
                ("not flagged", of("not flagged"), ""),
                ("cannot say", of("cannot say"), ""),
                ("the same for all", of("not tested"), ""),
            )
        ]
        return f"Confounds (does the group follow from what should not matter?): {'; '.join(filter(None, parts))}."

    def as_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "confounds": [
                {**asdict(found), "by_group": values}
                for found, values in zip(self.confounds, self.by_group, strict=True)
            ],
            "sample_size": dict(self.sample_size),
        }


def forecast_study(configuration: StudyConfiguration, report: CheckedCohort) -> Forecast:
    """Audit the groups of a cohort that has been checked, and say what its numbers can show.

    Raises:
        InputError: a column that the settings name is not there.
    """
    first: dict[str, CheckedScan] = {}
    for scan in report.scans:
        if scan.group is not None and not scan.problems:
            first.setdefault(scan.subject, scan)
    groups = {subject: str(scan.group) for subject, scan in first.items()}
    classes = groups_in_order(configuration, groups.values())
    if report.problems or len(classes) < 2:
        return Forecast()
    labels = [classes.index(group) for group in groups.values()]
    variables = _variables(configuration, list(first.values()))
    clusters = read_clusters(configuration, [_scan(scan) for scan in first.values()])
    return Forecast(
        audit_groups(variables, labels, seed=configuration.seed),
        tuple(by_group(variable, labels, classes) for variable in variables),
        forecast_sample_size(configuration, groups, clusters),
    )


def _variables(configuration: StudyConfiguration, checked: Sequence[CheckedScan]) -> list[Variable]:
    scans = [_scan(one) for one in checked]
    people, acquisition = read_possible(configuration, scans), read_acquisition(scans)
    slices = [_slices(one, configuration.prepare.plane) for one in checked]
    return [
        *table_variables([people[scan.name] for scan in scans], configuration.confounds.columns),
        *acquisition_variables([acquisition[scan.name] for scan in scans]),
        numbers("number of slices", "surroundings", slices),
    ]


def _scan(checked: CheckedScan) -> Scan:
    """A checked scan as the functions that read tables and sidecars know it."""
    subject, _, session = checked.name.partition("_ses-")
    images = {image.sequence: image.path for image in checked.images if image.sequence != "brain_mask"}
    return Scan(subject.removeprefix("sub-"), session or None, images)


def _slices(checked: CheckedScan, plane: Plane) -> float | None:
    """How many slices of a plane the T1w as delivered has."""
    for image in checked.images:
        if image.sequence == "T1w" and image.shape and image.orientation:
            for end, length in zip(image.orientation, image.shape, strict=False):
                if end in ENDS[plane]:
                    return float(length)
    return None
