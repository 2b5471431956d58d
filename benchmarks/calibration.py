"""`python -m benchmarks.calibration`: how often verdicts are given where there is nothing to find, and where there is.

A trial is a study: subjects are drawn from a pool of measured ones, the package's own functions make the tables, the
claims and the recommendation of them, and the verdicts are counted. Of a pool not much larger than a study, all trials
would have the pool's own chance in common: it is eight times the largest study. Maps that all subjects share, or that
come of one network, are drawn anew as often as `--donors` says, with a cohort for each. Where there is nothing to find,
a claim may be supported or contradicted, or a layer recommended, in at most 5 % of trials. A network that was not
trained gives groups by chance: that is what the gate of all verdicts is for. Its maps may well be true to it.
"""

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.made_up_network import (
    LAYERS,
    POOLS,
    SLICES,
    Make,
    StandIn,
    blob_network,
    made_up_scan,
    mixed,
    of_network,
    of_untrained,
    smooth,
    white,
)
from stratacam.evidence.claims import assess_claims
from stratacam.evidence.draws import generator
from stratacam.evidence.map_scores import Score
from stratacam.evidence.measure import measure_scan, with_measures_of_subjects
from stratacam.evidence.nulls import Nulls, null_scores
from stratacam.evidence.recommendation import recommend
from stratacam.evidence.references import reference_maps
from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.strangers import Stranger
from stratacam.evidence.values import SubjectTable, Value, by_subject
from stratacam.learning.evaluation.scores import score_decisions

METHOD = "gradcam"
REGIONS = tuple(range(1, 17))
SURROGATES, UNTRAINED, STRANGERS = 39, 39, 3
SETTINGS = EvidenceSettings(
    fused=(),
    methods=(METHOD,),
    target="blobs",
    slices=2,
    sanity_slices=2,
    cascade=False,
    independent=False,
    filled=("parcels",),
    filling="imputation",
)

Source = Callable[[str, ScanSlices, int], Make]
"""From the name of a subject, its scan and the number of a donor: what makes its maps."""


class Case(NamedTuple):
    """Where the maps of a pool come from.

    Attributes:
        title: in the table.
        source: of the maps.
        donors: whether a cohort has its maps from one donor, so that many are drawn; else subjects are independent.
        null: whether there is nothing to find.
        learnt: whether the network is known to have learned; else it gives groups by chance, and the gate of all
            verdicts decides.
    """

    title: str
    source: Source
    donors: bool
    null: bool
    learnt: bool = True


class Pool(NamedTuple):
    """Measured subjects of one donor.

    Attributes:
        table: their values.
        nulls: as `assess_claims` wants them.
    """

    table: SubjectTable
    nulls: Nulls

    def draw(self, chosen: NDArray[np.int_], groups: Sequence[str]) -> tuple[SubjectTable, Nulls]:
        """The tables of a study of some subjects, which are given groups."""
        nulls = Nulls(*(draws[:, chosen] for draws in self.nulls))
        table = SubjectTable(
            self.table.keys, tuple(self.table.subjects[one] for one in chosen), self.table.values[chosen]
        )
        means = nulls.surrogates[0, :, :, len(Score) :].astype(np.float64)
        return with_measures_of_subjects(
            table, lambda _, layer: means[:, LAYERS.index(layer)], groups, [METHOD], LAYERS
        ), nulls


def _noise(draw: Callable[..., Make], subject: str, scan: ScanSlices, donor: int) -> Make:
    del subject, scan
    return draw(donor)


def _one_map(subject: str, scan: ScanSlices, donor: int) -> Make:
    """The map of one subject, true to the network, for everybody."""
    del subject
    real = of_network(blob_network(), made_up_scan(f"donor-{donor}"))
    return mixed(real, np.inf, white(donor), of_untrained(scan, donor))


def _untrained(subject: str, scan: ScanSlices, donor: int) -> Make:
    del subject
    return of_untrained(scan, donor)


def _real(strength: float, subject: str, scan: ScanSlices, donor: int) -> Make:
    """The network's own maps in noise."""
    del subject
    real = of_network(blob_network(), scan)
    return mixed(real, strength, white(donor), of_untrained(scan, donor))


CASES = (
    Case("white noise", partial(_noise, white), donors=False, null=True),
    Case("smooth noise", partial(_noise, smooth), donors=False, null=True),
    Case("one subject's map for everybody", _one_map, donors=True, null=True),
    Case("an untrained network's maps", _untrained, donors=True, null=True, learnt=False),
    Case("the network's maps, half as strong as noise", partial(_real, 0.5), donors=False, null=False),
    Case("the network's maps, twice as strong as noise", partial(_real, 2.0), donors=False, null=False),
    Case("the network's maps", partial(_real, np.inf), donors=False, null=False),
)


def measure_subject(case: Case, donor: int, number: int) -> tuple[list[Value], Nulls]:
    """All measures of one made-up subject, and what its claims are held against."""
    torch.set_num_threads(1)
    names = [f"sub-{number + step:03d}" for step in range(1 + STRANGERS)]
    scans = {name: made_up_scan(name, seed=donor) for name in names}
    makes = {name: case.source(name, scan, donor) for name, scan in scans.items()}
    pictures = {name: scan.images for name, scan in scans.items()}
    network, scan = StandIn(makes, pictures), scans[names[0]]
    measured = measure_scan(
        network,
        scan,
        SETTINGS,
        target=0,
        true_class=0,
        references=reference_maps(scan, intensity=scan.images[:, 2]),
        others={"fold": [StandIn(makes, pictures, seed=1)]},
        strangers=[Stranger(pictures[name], scans[name].brain) for name in names[1:]],
        seed=donor,
    )
    scores = partial(null_scores, scan=scan, labels=REGIONS, seed=donor)
    own = scores(measured.maps[METHOD].raw, count=SURROGATES)
    drawn = [scores(network.made(names[0], SLICES, f"draw {draw}")) for draw in range(UNTRAINED)]
    return measured.values, Nulls(own, np.concatenate([own[:1], *drawn]))


def measure_pool(case: Case, donor: int, subjects: int, executor: Executor) -> Pool:
    """The subjects of one donor, measured."""
    # numbers lie apart, so that no subject is another one's stranger
    numbers = [(1 + STRANGERS) * number for number in range(subjects)]
    found = list(executor.map(partial(measure_subject, case, donor), numbers))
    names = [f"sub-{number:03d}" for number in numbers]
    table = by_subject(
        {name: values for name, (values, _) in zip(names, found, strict=True)}, {name: name for name in names}
    )
    nulls = Nulls(*(np.stack([one[field] for _, one in found], axis=1) for field in range(2)))
    return Pool(table, nulls)


class Verdicts(NamedTuple):
    """Verdicts on the claims, and whether any layer is recommended, of one trial."""

    claims: tuple[str, ...]
    recommended: bool
    says_of_best: bool


def trial(pool: Pool, subjects: int, learnt: bool, seed: int) -> Verdicts:
    """The verdicts on a study of some subjects of a pool, in two groups by chance."""
    random = generator(seed, "trial", subjects)
    chosen = np.sort(random.permutation(len(pool.table.subjects))[:subjects])
    numbers = random.permutation(np.arange(subjects) % 2)
    groups = [("A", "B")[one] for one in numbers]
    if not learnt:
        accuracy = score_decisions(numbers, random.integers(2, size=subjects), ("A", "B")).balanced_accuracy
        learnt = accuracy.interval is not None and accuracy.interval[0] > 0.5
    table, nulls = pool.draw(chosen, groups)
    claims = assess_claims(
        table, {METHOD: nulls}, [METHOD], LAYERS, POOLS, groups=groups, learnt=learnt, seed=seed
    )[METHOD]
    # a study that states no truth requires least
    (found,) = recommend(table, [METHOD], LAYERS, learnt=learnt, truth=False, seed=seed)
    return Verdicts(
        tuple(claim.verdict for claim in claims),
        bool(found.recommended),
        0 < len(claims[-1].may_be_best) < len(LAYERS),
    )


def count(
    pools: Sequence[Pool], subjects: int, trials: int, executor: Executor, *, learnt: bool = True
) -> list[Verdicts]:
    """The verdicts on many studies, of every pool equally many."""
    usable = [pool for pool in pools if len(pool.table.subjects) >= subjects]
    if not usable:
        return []
    jobs = [
        executor.submit(trial, usable[seed % len(usable)], subjects, learnt, seed) for seed in range(trials)
    ]
    return [job.result() for job in jobs]


def rows(case: Case, subjects: int, found: Sequence[Verdicts]) -> str:
    """A row of the table: shares of trials, in percent, with the upper 95 % bound where there is nothing to find."""

    def share(number: int) -> str:
        upper = stats.beta.ppf(0.95, number + 1, len(found) - number) if number < len(found) else 1.0
        return f"{100 * number / len(found):.1f}" + (f" (≤ {100 * upper:.1f})" if case.null else "")

    cells = [
        share(sum(one.claims[claim].endswith(verdict) for one in found))
        for claim in range(4)
        for verdict in ("supported", "contradicted")
    ]
    cells.append(share(sum(one.recommended for one in found)))
    return " | ".join((f"| {case.title}", str(subjects), *cells)) + " |"


HEAD = (
    "| maps | subjects | shallower localise: supported | contradicted | deeper generalise: supported | contradicted | "
    "block before the last: supported | contradicted | last is best: supported | contradicted | any recommended |\n"
    f"|{'---|' * 11}"
)


def main() -> None:
    """Measure, draw studies, print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--trials", type=int, default=400, help="studies of each case, default %(default)s")
    parser.add_argument("--subjects", type=int, nargs="+", default=[5, 9, 20, 38], help="of a study")
    parser.add_argument(
        "--pool", type=int, default=304, help="subjects measured of a case, default %(default)s"
    )
    parser.add_argument(
        "--donors", type=int, default=20, help="of shared maps and networks, default %(default)s"
    )
    parser.add_argument(
        "--of-donor", type=int, default=38, help="subjects measured of a donor, default %(default)s"
    )
    parser.add_argument("--maps", default="", help="only cases with this in their title")
    parser.add_argument("--workers", type=int, default=2, help="processes, default %(default)s")
    chosen = parser.parse_args()
    print(HEAD, flush=True)
    with ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as executor:
        for case in (one for one in CASES if chosen.maps in one.title):
            donors, each = (chosen.donors, chosen.of_donor) if case.donors else (1, chosen.pool)
            pools = [measure_pool(case, donor, each, executor) for donor in range(donors)]
            for subjects in chosen.subjects:
                if found := count(pools, subjects, chosen.trials, executor, learnt=case.learnt):
                    print(rows(case, subjects, found), flush=True)


if __name__ == "__main__":
    main()
