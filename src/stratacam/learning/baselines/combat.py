"""ComBat: measures of several sites brought to one mean and one spread, by transforms learned from training subjects.

The model of Johnson et al. (Biostatistics 2007), as Fortin et al. (NeuroImage 2018) use it for MRI: measure v of scan j
of site i is

    y_ijv = a_v + x_j b_v + g_iv + d_iv e_ijv

with the effect x of the group only where that is asked for. The shift g and the variance d² of every site are drawn
towards their means over all measures (parametric empirical Bayes). A scan is then moved by numbers of its site alone:

    y'_ijv = s_v (z_ijv - g*_iv) / d*_iv + m_v,    z_ijv = (y_ijv - m_v) / s_v

where m is the mean over the sites as they are represented, and s the pooled deviation. The group of a scan takes no
part in moving it, only in the estimates. So held-out scans, whose group is not known, are moved as training scans are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MINIMUM_SCANS = 3
"""Of a site in the training subjects; with fewer its spread is not known, and its scans stay as they are."""
ITERATIONS = 1000
TOLERANCE = 1e-6
"""Of the relative change of shifts and variances in an iteration."""


@dataclass(frozen=True)
class Combat:
    """What was learned of sites.

    Attributes:
        sites: (s,) those whose scans can be moved.
        mean: (d,) of all, m above.
        deviation: (d,) pooled, within sites, s above.
        shift: (s, d) of sites, g* above, in deviations.
        variance: (s, d) of sites, the square of d* above, relative.
    """

    sites: Integers
    mean: Floats
    deviation: Floats
    shift: Floats
    variance: Floats

    def apply(self, values: Floats, site: Integers) -> Floats:
        """Move scans by their site; scans of sites that were not learned stay as they are.

        Args:
            values: (n, d).
            site: (n,).
        """
        if not len(self.sites):
            return values
        place = np.searchsorted(self.sites, site).clip(max=len(self.sites) - 1)
        known = self.sites[place] == site
        scaled = (values - self.mean) / self.deviation
        moved = (scaled - self.shift[place]) / np.sqrt(self.variance[place])
        return np.where(known[:, None], moved * self.deviation + self.mean, values)


def fit_combat(values: Floats, site: Integers, group: Integers | None = None) -> Combat:
    """Learn what sites do to measures.

    Args:
        values: (n, d) of the training scans, without missing values.
        site: (n,) of each; negative where it is not known.
        group: (n,) whose differences within sites are not taken for differences between sites; none if absent, and
            what sites share with groups is then removed with the site.

    Returns:
        The transforms. With fewer than two sites of three scans there are none, and likewise where groups are kept and
        cannot be told from sites.

    Example:
        >>> values = np.array([[1.0, 10.0], [2.0, 12.0], [3.0, 11.0], [5.0, 10.0], [6.0, 12.0], [7.0, 11.0]])
        >>> site = np.array([0, 0, 0, 1, 1, 1])
        >>> fit_combat(values, site).apply(values, site)[:, 0].round().tolist()
        [3.0, 4.0, 5.0, 3.0, 4.0, 5.0]
    """
    sites, count = np.unique(site[site >= 0], return_counts=True)
    sites = sites[count >= MINIMUM_SCANS]
    inside = np.isin(site, sites)
    values, site = values[inside], site[inside]
    of_site = (site[:, None] == sites).astype(np.float64)
    design = of_site
    if group is not None:
        kinds = np.unique(group[inside])[1:]
        design = np.column_stack([of_site, group[inside][:, None] == kinds])
    if len(sites) < 2 or np.linalg.matrix_rank(design) < design.shape[1]:
        empty = np.empty((0, values.shape[1]))
        return Combat(sites[:0], empty, empty, empty, empty)
    # 1. Standardise: the mean over the sites as they are represented, and the deviation within sites.
    effects, *_ = np.linalg.lstsq(design, values, rcond=None)
    mean = of_site.mean(0) @ effects[: len(sites)]
    of_group = design[:, len(sites) :] @ effects[len(sites) :]
    variance = np.mean((values - design @ effects) ** 2, axis=0)
    deviation = np.sqrt(np.where(variance > 0, variance, 1))
    scaled = (values - mean - of_group) / deviation
    # 2. Shift and variance of every site, drawn towards their means over the measures.
    found = [_site_effect(scaled[site == one]) for one in sites]
    return Combat(
        sites,
        mean + of_group.mean(0),
        deviation,
        np.stack([shift for shift, _ in found]),
        np.stack([spread for _, spread in found]),
    )


def _site_effect(scaled: Floats) -> tuple[Floats, Floats]:
    """Shift and variance (d,) of a site from its standardised scans (n, d): equations of Johnson 2007, section 3.2."""
    n, measures = scaled.shape
    shift, variance = scaled.mean(0), scaled.var(0, ddof=1)
    variance = np.where(variance > 0, variance, 1)
    if measures < 2 or not (variance.var(ddof=1) > 0 and shift.var(ddof=1) > 0):
        return shift, variance  # nothing to learn from other measures
    centre, width = shift.mean(), shift.var(ddof=1)
    middle, spread = variance.mean(), variance.var(ddof=1)
    order, scale = (2 * spread + middle**2) / spread, (middle * spread + middle**3) / spread
    new_shift, new_variance = shift, variance
    for _ in range(ITERATIONS):
        before = new_shift, new_variance
        new_shift = (width * n * shift + new_variance * centre) / (width * n + new_variance)
        squares = (scaled - new_shift) ** 2
        new_variance = (0.5 * squares.sum(0) + scale) / (n / 2 + order - 1)
        if _close(before[0], new_shift) and _close(before[1], new_variance):
            break
    return new_shift, new_variance


def _close(before: Floats, after: Floats) -> bool:
    return bool(np.abs(after - before).max() <= TOLERANCE * max(1.0, float(np.abs(before).max())))


def numbered_sites(words: Sequence[str | None]) -> Integers:
    """A number for every site, in sorted order; -1 where it is not known.

    Example:
        >>> numbered_sites(["B", None, "A", "B"]).tolist()
        [1, -1, 0, 1]
    """
    kinds = {word: number for number, word in enumerate(sorted({word for word in words if word}))}
    return np.array([kinds[word] if word else -1 for word in words], dtype=np.int64)


@dataclass(frozen=True)
class Sites:
    """What is harmonised of a table of features.

    Attributes:
        site: (n,) of every row, see `numbered_sites`.
        measured: (d,) which features depend on the scanner, as age does not.
        keep_groups: whether differences of the groups within sites are left out of the estimates of sites.
    """

    site: Integers
    measured: npt.NDArray[np.bool_]
    keep_groups: bool = False

    def take(self, rows: Integers) -> Self:
        """The same of some rows."""
        return replace(self, site=self.site[rows])

    def harmonise(self, values: Floats, fitted: Integers, label: Integers) -> Floats:
        """Harmonise all rows by what the fitted ones say.

        Args:
            values: (n, d).
            fitted: positions of the rows to learn from.
            label: (at least as many as the fitted rows reach,) the group of the first rows.
        """
        changed = values.copy()
        measures = values[:, self.measured]
        group = label[fitted] if self.keep_groups else None
        changed[:, self.measured] = fit_combat(measures[fitted], self.site[fitted], group).apply(
            measures, self.site
        )
        return changed
