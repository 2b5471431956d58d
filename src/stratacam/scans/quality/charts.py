"""Axes, lines and bars of the charts: numbers to places in an SVG picture."""

from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray


@dataclass(frozen=True)
class Axis:
    """A range of values along a length of picture."""

    low: float
    high: float
    start: float  # where `low` lies in the picture
    end: float  # where `high` lies
    most_ticks: int = 6
    whole: bool = False  # ticks at whole numbers only

    def place(self, value: float) -> float:
        """Where `value` lies in the picture, to a tenth of a pixel."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels of round values."""
        values = MaxNLocator(self.most_ticks, steps=[1, 2, 2.5, 5, 10], integer=self.whole).tick_values(
            self.low, self.high
        )
        step = float(values[1] - values[0])
        digits = max(0, int(np.ceil(-np.log10(step) - 1e-9)))
        digits += not np.isclose(step * 10**digits, round(step * 10**digits))
        slack = 1e-9 * (self.high - self.low)
        inside = [float(value) for value in values if self.low - slack <= value <= self.high + slack]
        return [(self.place(value), f"{value:.{digits}f}") for value in inside]


def axis_over(values: NDArray[np.floating], start: float, end: float, whole: bool = False) -> Axis:
    """Return an axis that spans the finite values with a little room at both ends."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(low - room, high + room, start, end, whole=whole)


def histogram_line(counts: NDArray[np.int64], x: Axis, y: Axis) -> str:
    """Return the outline of a histogram whose bins span `x`: the `d` of an SVG path; `y` is a share of the brain."""
    shares = np.minimum(counts / max(1, counts.sum()), y.high)
    edges = np.linspace(x.low, x.high, len(counts) + 1)
    steps = [f"H{x.place(edges[i + 1])}V{y.place(shares[i + 1])}" for i in range(len(counts) - 1)]
    return (
        f"M{x.place(x.low)} {y.place(0)}V{y.place(shares[0])}{''.join(steps)}H{x.place(x.high)}V{y.place(0)}"
    )
