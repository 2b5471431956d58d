"""A random map beside each map, of the same blur and area.

Deletion and ROAD reward maps that remove coherent areas, whatever these show. A control has the same spectrum,
and so the same blur, and the same values in the brain, and so the same area and share of zeros. Its score shows how
much of a map's score is due to these.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from stratacam.cam import view
from stratacam.evidence.heat import Heat


def control_map(raw: Heat, heat: Heat, brain: NDArray[np.bool_], *, seed: int) -> Heat:
    """An amplitude-adjusted surrogate of a map.

    The raw map's Fourier phases are drawn at random at the layer's own resolution; the result is upsampled as heat is,
    and its pixels in the brain are given the map's values by rank. J. Theiler et al., "Testing for nonlinearity in time
    series: the method of surrogate data" (1992).

    Args:
        raw: (h, w), at the layer's resolution.
        heat: (rows, columns), of the same map.
        brain: (rows, columns).
        seed: of the phases, and of the order among equals.

    Returns:
        (rows, columns), 0 outside the brain; a blank map's control is blank.
    """
    random = np.random.default_rng(seed)
    phases = np.angle(np.fft.rfft2(random.normal(size=raw.shape)))
    surrogate = np.fft.irfft2(np.abs(np.fft.rfft2(raw)) * np.exp(1j * phases), s=raw.shape)
    spread = view(
        torch.from_numpy(surrogate.astype(np.float32))[None, None],
        size=heat.shape,
        relu=False,
        normalise="none",
    )[0, 0].numpy()
    values = spread[brain]
    order = np.lexsort((random.permutation(len(values)), values))
    matched = np.empty_like(values)
    matched[order] = np.sort(heat[brain])
    found = np.zeros_like(heat)
    found[brain] = matched
    return found
