"""Whom evidence is measured on, and whose maps and which networks these are held against."""

from collections.abc import Mapping, Sequence

from stratacam.errors import InputError
from stratacam.evidence.draws import generator
from stratacam.learning import Split
from stratacam.scans.prepared import PreparedScan
from stratacam.study.planning import Planned
from stratacam.study.runs import Run
from stratacam.study.steps.explain import held_out_by, run_for

MAXIMUM_OTHERS = 2
"""Models of each kind that a model's maps are compared with."""


def unseen(
    scans: Sequence[PreparedScan], held_out: Mapping[str, Run], planned: Sequence[Planned], model: str
) -> tuple[list[PreparedScan], tuple[str, ...]]:
    """The scans of people whom the network that explains them has not seen, and the other people.

    Raises:
        InputError: there is nobody whom it has not seen.
    """
    split = next(plan.split for plan in planned if plan.run.model == model)
    if not isinstance(split, Split):
        return list(scans), ()
    seen = {*split.train, *split.validation} - set(held_out)
    unseen = [scan for scan in scans if f"sub-{scan.subject}" not in seen]
    learnt_from = tuple(sorted({f"sub-{scan.subject}" for scan in scans} & seen))
    if not unseen:
        raise InputError(
            f"evidence: found {len(learnt_from)} subjects ({', '.join(learnt_from[:5])}), all of them in the training; "
            'expected some that were held out: set explain.subjects = "test".'
        )
    return unseen, learnt_from


def strangers_of(
    scan: PreparedScan,
    prepared: Sequence[PreparedScan],
    held_out: Mapping[str, Run],
    count: int,
    *,
    seed: int,
) -> tuple[PreparedScan, ...]:
    """Scans of other subjects, one of each, drawn at random; those that the same run held out before others."""
    first: dict[str, PreparedScan] = {}
    for one in prepared:
        first.setdefault(f"sub-{one.subject}", one)
    own = f"sub-{scan.subject}"

    def place(subject: str) -> tuple[bool, float]:
        apart = held_out.get(subject) is None or held_out.get(subject) != held_out.get(own)
        return apart, float(generator(seed, "strangers", own, subject).random())

    return tuple(first[subject] for subject in sorted(first.keys() - {own}, key=place)[:count])


def donors_of(
    scan: PreparedScan,
    prepared: Sequence[PreparedScan],
    group_of: Mapping[str, str],
    held_out: Mapping[str, Run],
    count: int,
    *,
    seed: int,
) -> tuple[tuple[str, tuple[PreparedScan, ...]], ...]:
    """By group, scans of other subjects whose sequences may stand in for those of a scan; see `strangers_of`.

    Args:
        scan: whose sequences are left out.
        prepared: all scans.
        group_of: by name of the scan; scans without a group are not taken.
        held_out: by subject, the run that held it out.
        count: of each group at most.
        seed: of the study.
    """
    groups = dict.fromkeys(sorted(group_of.values()))
    return tuple(
        (group, strangers_of(
            scan, [one for one in prepared if group_of.get(one.name) == group], held_out, count, seed=seed
        ))
        for group in groups
    )  # fmt: skip


def others_of(planned: Sequence[Planned], run: Run, scan: PreparedScan) -> dict[str, list[Run]]:
    """Runs whose maps of a scan are compared with those of `run`, by how they differ from it.

    Those of other seeds and networks held the subject out too, where there is such a one; other folds of the same
    network and seed were trained on it.
    """
    found: dict[str, list[Run]] = {"seed": [], "fold": [], "network": []}
    models = dict.fromkeys(plan.run.model for plan in planned)
    for model in models:
        other = run_for(scan, held_out_by(planned, model), planned, model)
        if other.network == run.network and other.seed != run.seed:
            found["seed"].append(other)
        elif other.network != run.network and other.seed == run.seed:
            found["network"].append(other)
    found["fold"] = [
        plan.run for plan in planned if plan.run.model == run.model and plan.run.fold != run.fold
    ]
    return {change: runs[:MAXIMUM_OTHERS] for change, runs in found.items() if runs}
