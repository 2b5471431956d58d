"""How often the audit of confounds flags what is planted, and what is not: simulated cohorts.

`.venv/bin/python -m benchmarks.confounds`; some ten minutes on one core.
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stratacam.learning.confounds import (
    Association,
    Variable,
    audit_groups,
    audit_outputs,
    features,
    numbers,
    words,
)

CORRELATION = 0.8
DRAWS = 1999

Cohort = tuple[NDArray[np.int64], NDArray[np.int64], list[Variable]]


def cohort(random: np.random.Generator, subjects: int, groups: int, *, planted: str = "") -> Cohort:
    """Groups, sites and variables of a simulated cohort.

    Args:
        random: source of all numbers.
        subjects: number of subjects, in groups as equal as may be.
        groups: number of groups, and of sites.
        planted: "" for none; "site": each subject is at the site of its group with a probability at which Cramér's V is
            0.8 in the population; "surroundings": what is around the brain is 1.5 standard deviations brighter in the
            first group.
    """
    label = np.sort(np.arange(subjects) % groups)
    site = random.integers(0, groups, subjects)
    if planted == "site":
        site = np.where(random.random(subjects) < CORRELATION, label, site)
    around = random.normal(size=(subjects, 6)) @ random.normal(size=(6, 60)) + random.normal(
        size=(subjects, 60)
    )
    if planted == "surroundings":
        around += 1.5 * around.std() * (label == 0)[:, None]
    variables = [
        words("site", "scanner", [f"site {one}" for one in site]),
        numbers("age", "person", random.normal(40, 10, subjects).round().tolist()),
        words("sex", "person", random.choice(["F", "M"], subjects).tolist()),
        numbers("head size", "person", random.normal(1500, 100, subjects).tolist()),
        numbers("number of slices", "surroundings", random.normal(70, 3, subjects).round().tolist()),
        features("surroundings", "surroundings", around),
    ]
    return label, site, variables


def logits(
    random: np.random.Generator, label: NDArray[np.int64], site: NDArray[np.int64], *, planted: bool
) -> NDArray[np.float64]:
    """Held-out logits that follow from the group and, if planted, from the site within the groups.

    The first logit less the mean of the others is correlated with the site by 0.8.
    """
    groups = int(label.max()) + 1
    noise = np.sqrt(groups / (groups - 1))  # of that difference, if every logit has noise 1
    size = CORRELATION / np.sqrt(1 - CORRELATION**2) * noise if planted else 0.0
    found = random.normal(size=(len(label), groups)) + 2 * np.eye(groups)[label]
    found[:, 0] += (site - site.mean()) / max(site.std(), 1e-9) * size
    return found[:, :1] - found[:, 1:] if groups == 2 else found - found.mean(axis=1, keepdims=True)


def rate(
    trials: int, audit: Callable[[np.random.Generator], tuple[Association, ...]], name: str = ""
) -> float:
    """Share of cohorts in which a variable, any if not named, is flagged."""
    flagged = 0
    for trial in range(trials):
        found = audit(np.random.default_rng([trial, len(name)]))
        flagged += any(one.verdict == "flagged" and name in ("", one.name) for one in found)
    return flagged / trials


def groups_audit(
    subjects: int, groups: int, planted: str
) -> Callable[[np.random.Generator], tuple[Association, ...]]:
    """The audit of the groups of a new cohort."""

    def audit(random: np.random.Generator) -> tuple[Association, ...]:
        label, _, variables = cohort(random, subjects, groups, planted=planted)
        return audit_groups(variables, label, draws=DRAWS, seed=int(random.integers(2**31)))

    return audit


def outputs_audit(
    subjects: int, groups: int, *, planted: bool
) -> Callable[[np.random.Generator], tuple[Association, ...]]:
    """The audit of the logits in a new cohort whose sites have nothing to do with the groups."""

    def audit(random: np.random.Generator) -> tuple[Association, ...]:
        label, site, variables = cohort(random, subjects, groups)
        given = logits(random, label, site, planted=planted)
        return audit_outputs(variables, label, given, draws=DRAWS, seed=int(random.integers(2**31)))

    return audit


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    trials = parser.parse_args().trials
    print(
        "| subjects | groups | nothing planted | site, r = 0.8 | surroundings | logits: nothing | logits: site |"
    )
    print("|---|---|---|---|---|---|---|")
    for subjects in (20, 38):
        for groups in (2, 3):
            found = (
                rate(trials, groups_audit(subjects, groups, "")),
                rate(trials, groups_audit(subjects, groups, "site"), "site"),
                rate(trials, groups_audit(subjects, groups, "surroundings"), "surroundings"),
                rate(trials, outputs_audit(subjects, groups, planted=False)),
                rate(trials, outputs_audit(subjects, groups, planted=True), "site"),
            )
            cells = " | ".join(f"{100 * one:.1f} %" for one in found)
            print(f"| {subjects} | {groups} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
