"""Signals of tissues under spin-echo and inversion-recovery sequences, from their relaxation times.

Brain and lesion values are for 1.5 T; fat and muscle are those of BrainWeb (Kwan et al., IEEE TMI 1999; its
tissue parameter table gives PD 1, T1 350, T2 70 ms and PD 1, T1 900, T2 47 ms). Cortical bone has a T2 below a
millisecond and is dark at every echo time used here; air has no signal.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stratacam.scans.sequences import Timing


@dataclass(frozen=True)
class Tissue:
    """Proton density (water is 1), T1 and T2 in milliseconds."""

    density: float
    t1: float
    t2: float


TISSUES: Mapping[str, Tissue] = {
    "grey matter": Tissue(0.82, 1300, 95),
    "white matter": Tissue(0.70, 850, 75),
    "fluid": Tissue(1.0, 4200, 1800),
    "bone": Tissue(0.15, 200, 0.5),
    "fat": Tissue(1.0, 350, 70),
    "muscle": Tissue(1.0, 900, 47),
    "lesion": Tissue(0.85, 1250, 170),
    "black hole": Tissue(0.92, 2200, 250),
}


def signal(tissue: Tissue, timing: Timing) -> float:
    """Return the magnitude of the signal, 1 for water fully relaxed and without decay.

    Spin echo: PD (1 - exp(-TR/T1)) exp(-TE/T2). Inversion recovery:
    PD |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2) (Bernstein et al., Handbook of MRI Pulse Sequences, 14.2).
    """
    recovered = 1 - np.exp(-timing.repetition / tissue.t1)
    if timing.inversion is not None:
        recovered = abs(
            1 - 2 * np.exp(-timing.inversion / tissue.t1) + np.exp(-timing.repetition / tissue.t1)
        )
    return float(tissue.density * recovered * np.exp(-timing.echo / tissue.t2))


def vary(random: np.random.Generator, spread: float = 0.02) -> dict[str, Tissue]:
    """Return one person's tissues: T1, T2 and density each a few per cent from the usual, whatever the group."""
    return {
        name: Tissue(*(value * float(np.exp(spread * random.normal())) for value in vars(usual).values()))
        for name, usual in TISSUES.items()
    }
