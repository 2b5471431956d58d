"""How well raters agree on the same targets."""

import numpy as np
from numpy.typing import NDArray


def intraclass_correlation(table: NDArray[np.float64]) -> float:
    """ICC(2, 1): two-way random effects, absolute agreement, one rater.

    P. E. Shrout, J. L. Fleiss, "Intraclass correlations: uses in assessing rater reliability" (1979).

    Args:
        table: (targets, raters).

    Returns:
        1 where all raters agree; NaN for fewer than two targets or raters, or where nothing varies.
    """
    targets, raters = table.shape
    if targets < 2 or raters < 2:
        return float("nan")
    grand = table.mean()
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    between = raters * ((rows - grand) ** 2).sum() / (targets - 1)
    of_raters = targets * ((columns - grand) ** 2).sum() / (raters - 1)
    error = ((table - rows[:, None] - columns + grand) ** 2).sum() / ((targets - 1) * (raters - 1))
    total = between + (raters - 1) * error + raters * (of_raters - error) / targets
    return float((between - error) / total) if total > 0 else float("nan")
