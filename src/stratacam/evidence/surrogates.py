"""Surrogates of maps: the same spectrum at the layer's own resolution, other phases.

J. Theiler et al., "Testing for nonlinearity in time series: the method of surrogate data" (1992); D. Prichard, J.
Theiler, "Generating surrogate data for time series with several simultaneously measured variables" (1994): the same
phases are added to all series, so that what these have in common stays. Here they are added to the maps of all
subjects, slices and layers. A map of noise is as likely as any of its surrogates; whatever a measure says of both alike
comes from the resolution and the blur.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from stratacam.evidence.draws import generator
from stratacam.maps.heat import Heat

Spectra = NDArray[np.complex64]


def noise_spectra(count: int, shape: tuple[int, int], *, seed: int) -> Spectra:
    """Spectra of `count` pictures of white noise, (count, rows, columns), the same for the whole cohort.

    Args:
        count: number of surrogates.
        shape: at least the finest grid of the layers.
        seed: of the study.
    """
    noise = [generator(seed, "surrogate", number).standard_normal(shape) for number in range(count)]
    return np.asarray(fft.fft2(np.array(noise).reshape(count, *shape)), dtype=np.complex64)


def surrogates(raw: Heat, spectra: Spectra) -> Heat:
    """Every map with the phases of every spectrum added; its mean stays.

    Args:
        raw: (n, h, w), signed, at the layer's resolution.
        spectra: (count, rows, columns), not smaller than the maps.

    Returns:
        (count, n, h, w).
    """
    grid = raw.shape[1:]
    phases = _phases(spectra, grid)[:, None]
    return np.asarray(fft.irfft2(fft.rfft2(raw)[None] * phases, s=grid), dtype=np.float32)


def _phases(spectra: Spectra, grid: tuple[int, ...]) -> Spectra:
    """Numbers of absolute value 1 for `rfft2` on a grid, each the phase of the same cycles per picture.

    The noise is cut to the grid's frequencies and transformed back, so that it is real on the grid too.
    """
    rows, columns = (np.fft.fftfreq(size, 1 / size).astype(int) for size in grid)
    noise = fft.ifft2(spectra[:, rows[:, None], columns]).real
    found = fft.rfft2(noise)
    found /= np.maximum(np.abs(found), np.finfo(np.float32).tiny)
    found[:, 0, 0] = 1
    return np.asarray(found, dtype=np.complex64)
