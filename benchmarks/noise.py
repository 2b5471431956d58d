"""`python -m benchmarks.noise`: how often claims are decided by maps that are noise, of many kinds, without a network.

Of such maps no claim is true. Maps of untrained networks are noise of the same kind. `benchmarks.calibration` tries the
whole of the evidence on fewer kinds.
"""

import argparse
from collections import Counter

from benchmarks.made_up_maps import GRIDS, NOISE, POOLS, noise_study
from stratacam.evidence.claims import TITLES, assess_claims


def decided(kind: str, subjects: int, *, trials: int, draws: int) -> Counter[str]:
    """By claim, in how many of the trials its verdict is not "cannot say"."""
    found: Counter[str] = Counter()
    for seed in range(trials):
        made = noise_study(kind, subjects, seed=seed, untrained=draws, surrogate_count=draws)
        claims = assess_claims(
            made.table,
            made.nulls,
            ["gradcam"],
            list(GRIDS),
            POOLS,
            groups=made.groups,
            learnt=True,
            seed=seed,
        )
        found.update(claim.title for claim in claims["gradcam"] if claim.verdict != "cannot say")
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.noise",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--trials", type=int, default=400, help="studies of each kind, default %(default)s")
    parser.add_argument("--subjects", type=int, nargs="+", default=[10, 20, 38], help="of a study")
    parser.add_argument("--draws", type=int, default=39, help="surrogates, and untrained networks")
    parser.add_argument("--kinds", nargs="+", choices=NOISE, default=list(NOISE), help="of noise")
    chosen = parser.parse_args()
    print(f"| maps | subjects | {' | '.join(TITLES)} |\n|{'---|' * (2 + len(TITLES))}")
    for kind in chosen.kinds:
        for subjects in chosen.subjects:
            found = decided(kind, subjects, trials=chosen.trials, draws=chosen.draws)
            rates = [f"{100 * found[title] / chosen.trials:.1f}" for title in TITLES]
            print(f"| {kind} | {subjects} | {' | '.join(rates)} |", flush=True)


if __name__ == "__main__":
    main()
