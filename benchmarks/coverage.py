"""`python -m benchmarks.coverage`: intervals and bounds of means over subjects, on made-up values whose mean is known.

How often the interval of one mean holds it; and how often, of 36 layers and methods together, any bound is on the wrong
side of the true mean, or any p-value is at most 0.05.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.inference import mean_interval, simultaneous
from stratacam.evidence.inference.means import UNLIMITED
from stratacam.evidence.measures import SHARE

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

SHARES: Mapping[str, tuple[Draw, float]] = {
    "0 or 1, mean 0.9": (lambda random, shape: (random.random(shape) < 0.9).astype(np.float64), 0.9),
    "0 or 1, mean 0.95": (lambda random, shape: (random.random(shape) < 0.95).astype(np.float64), 0.95),
    "85 % zeros, else uniform": (
        lambda random, shape: random.random(shape) * (random.random(shape) < 0.15),
        0.075,
    ),
    "eighths, mean 0.97": (lambda random, shape: random.binomial(8, 0.97, shape) / 8, 0.97),
}
"""Mostly one number, with the limits 0 and 1."""

DISTRIBUTIONS: Mapping[str, tuple[Draw, float]] = {
    "normal": (lambda random, shape: random.normal(size=shape), 0.0),
    "uniform": (lambda random, shape: random.random(shape), 0.5),
    "heavy tails (t, 3 df)": (lambda random, shape: random.standard_t(3, shape), 0.0),
    "bounded, skewed (beta 8, 2)": (lambda random, shape: random.beta(8, 2, shape), 0.8),
    "bounded, very skewed (beta 0.5, 5)": (lambda random, shape: random.beta(0.5, 5, shape), 0.5 / 5.5),
    "tied (eighths, mean 0.9)": (lambda random, shape: random.binomial(8, 0.9, shape) / 8, 0.9),
    "60 % zeros, else beta 2, 5": (
        lambda random, shape: random.beta(2, 5, shape) * (random.random(shape) < 0.4),
        0.4 * 2 / 7,
    ),
    "skewed (gamma 4)": (lambda random, shape: random.gamma(4, size=shape), 4.0),
    "very skewed (exponential)": (lambda random, shape: random.exponential(size=shape), 1.0),
    "very skewed (lognormal)": (lambda random, shape: random.lognormal(size=shape), float(np.exp(0.5))),
}

COLUMNS = 36
"""18 layers of two methods."""

TOGETHER = (
    "normal",
    "heavy tails (t, 3 df)",
    "bounded, skewed (beta 8, 2)",
    "skewed (gamma 4)",
    "very skewed (exponential)",
    "very skewed (lognormal)",
)


def one_mean(repeats: int) -> Iterator[str]:
    """How often the interval of a mean holds it, in percent, as rows of a table."""
    numbers = (3, 5, 10, 20, 38)
    yield "| values | " + " | ".join(f"{number} subjects" for number in numbers) + " |"
    yield "|---|" + "---|" * len(numbers)
    for title, (draw, mean) in {**DISTRIBUTIONS, **SHARES}.items():
        limits = SHARE if title in SHARES else UNLIMITED
        cells = []
        for number in numbers:
            values = draw(np.random.default_rng(number), (repeats, number))
            intervals = [mean_interval(row, limits) for row in values]
            cells.append(100 * np.mean([low <= mean <= high for low, high in intervals]))
        yield f"| {title} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |"


def all_together(trials: int) -> Iterator[str]:
    """How often any bound or p-value of many is wrong, in percent, as rows of a table."""
    yield "| values | subjects | any lower bound above the mean | any upper bound below | any p ≤ 0.05 |"
    yield "|---|---|---|---|---|"
    for title in TOGETHER:
        draw, mean = DISTRIBUTIONS[title]
        for number in (10, 20, 38):
            random = np.random.default_rng(number)
            wrong = np.zeros(3)
            for trial in range(trials):
                found = simultaneous(draw(random, (number, COLUMNS)), null=mean, seed=trial)
                wrong += [(found.low > mean).any(), (found.high < mean).any(), (found.p <= 0.05).any()]
            cells = " | ".join(f"{100 * share:.1f}" for share in wrong / trials)
            yield f"| {title} | {number} | {cells} |"


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--trials", type=int, default=400, help="of all together, default %(default)s")
    parser.add_argument("--repeats", type=int, default=4000, help="of one mean, default %(default)s")
    chosen = parser.parse_args()
    for row in (*one_mean(chosen.repeats), "", *all_together(chosen.trials)):
        print(row, flush=True)


if __name__ == "__main__":
    main()
