"""How much disease a subject of each group has: lesions, black holes and ventricles, and nothing else.

The figures follow the MNI lesion masks of Lesjak et al. (Neuroinformatics 2018, 20 patients: 0.9 to 52 ml in
relapsing-remitting MS, 40 and 49 ml in two secondary progressive patients): the lesion volumes of RRMS and SPMS
overlap; ventricles and black holes differ.
"""

from dataclasses import dataclass

import numpy as np

from stratacam.scans.phantom.settings import Group


@dataclass(frozen=True)
class Disease:
    """One subject's burden.

    Attributes:
        lesion_ml: total lesion volume aimed at, in template space.
        spots: tiny lesions besides, of under 0.03 ml each.
        black_hole_chance: the chance that a lesion has a core that is dark on T1w.
        ventricle_mm: how far the walls of the lateral ventricles move outwards.
    """

    lesion_ml: float
    spots: int
    black_hole_chance: float
    ventricle_mm: float


@dataclass(frozen=True)
class _Course:
    """Spread of a group: lesion volume log-normal within limits, the rest normal within limits."""

    lesion_ml: tuple[float, float, float, float]  # median, sigma of the logarithm, least, most
    black_hole_chance: tuple[float, float]  # mean, standard deviation
    ventricle_mm: tuple[float, float]


_COURSES = {
    "RRMS": _Course((13.0, 0.75, 2.0, 50.0), (0.15, 0.06), (0.7, 0.6)),
    "SPMS": _Course((24.0, 0.50, 6.0, 55.0), (0.60, 0.10), (4.0, 0.8)),
}
_CONTROL_VENTRICLES = (0.0, 0.6)

STRUCTURES: dict[Group, tuple[str, ...]] = {
    "control": (),
    "RRMS": ("lesion",),
    "SPMS": ("lesion", "ventricle", "blackhole"),
}
"""What a group differs by from the others, as labels of masks. Spots of controls are in every group and tell none."""


def draw_disease(group: Group, random: np.random.Generator) -> Disease:
    """Draw the burden of one subject of `group`."""
    lesion, black_hole, ventricle = random.normal(size=3)
    spots = int(random.integers(0, 4))
    if group == "control":
        mean, spread = _CONTROL_VENTRICLES
        return Disease(0.0, spots, 0.0, float(mean + spread * np.clip(ventricle, -2, 2)))
    course = _COURSES[group]
    median, sigma, least, most = course.lesion_ml
    return Disease(
        lesion_ml=float(np.clip(median * np.exp(sigma * lesion), least, most)),
        spots=spots,
        black_hole_chance=float(
            np.clip(course.black_hole_chance[0] + course.black_hole_chance[1] * black_hole, 0, 1)
        ),
        ventricle_mm=float(course.ventricle_mm[0] + course.ventricle_mm[1] * np.clip(ventricle, -2, 2)),
    )
