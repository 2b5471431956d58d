"""Which of several options may be the best: a confidence set.

An option may be the best unless another is shown to be better. J. Hsu, "Multiple comparisons: theory and methods"
(1996), comparisons with the best; M. Mogstad et al., "Inference for ranks with applications to mobility across
neighbourhoods and academic achievement across countries" (2024).
"""

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.inference.means import LEVEL
from stratacam.evidence.inference.simultaneous import simultaneous


def may_be_best(scores: NDArray[np.float64], *, level: float = LEVEL, seed: int = 0) -> NDArray[np.bool_]:
    """The options that may have the highest mean.

    Each is held against all others with simultaneous bounds; it is left out where one of them is shown to be higher.
    The one that is truly best is left out in a share `level` of samples.

    Args:
        scores: (subjects, options), NaN where there is none.
        level: error rate.
        seed: of the signs.

    Returns:
        (options,); all where there are too few subjects.
    """
    options = range(scores.shape[1])
    if len(options) < 2:
        return np.ones(len(options), dtype=bool)
    lead = [
        simultaneous(np.delete(scores - scores[:, [one]], one, axis=1), level=level, seed=seed).low
        for one in options
    ]
    return np.array([not (low > 0).any() for low in lead])
