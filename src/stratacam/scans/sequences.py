"""The registry of sequences: how each one looks, how it is scaled, and how the phantom scans it.

A sequence without an entry can be used as well. Nothing is then assumed about its contrast: it is registered,
corrected and scaled like the others, and `contrast_doubt` has nothing to say about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Shade = Literal["dark", "bright"]
"""Darker or brighter than white matter."""


@dataclass(frozen=True)
class Timing:
    """Repetition, echo and inversion time in milliseconds; a spin echo has no inversion."""

    repetition: float
    echo: float
    inversion: float | None = None


@dataclass(frozen=True)
class MRSequence:
    """One sequence; the defaults are those of a sequence about which nothing is known.

    Attributes:
        name: BIDS suffix.
        fluid: shade of cerebrospinal fluid; None where it varies.
        grey: shade of grey matter, likewise.
        lesions: shade of multiple sclerosis lesions, likewise.
        full_scale: multiple of the white-matter intensity that becomes 1.
        timing: of the phantom's scan; None if the phantom cannot simulate the sequence.
        enhances: whether a contrast agent changes it much.
    """

    name: str
    fluid: Shade | None = None
    grey: Shade | None = None
    lesions: Shade | None = None
    full_scale: float = 3.0
    timing: Timing | None = None
    enhances: bool = True

    @property
    def nulls_fluid(self) -> bool:
        """Whether its inversion time makes fluid dark."""
        return self.fluid == "dark" and self.timing is not None and self.timing.inversion is not None

    @property
    def appearance(self) -> str:
        """What is known of fluid and grey matter, as words.

        Example:
            >>> find_sequence("FLAIR").appearance
            'fluid darker and grey matter brighter than white matter'
        """
        words = {"dark": "darker", "bright": "brighter"}
        if self.fluid and self.fluid == self.grey:
            return f"fluid and grey matter {words[self.fluid]} than white matter"
        known = (("fluid", self.fluid), ("grey matter", self.grey))
        return (
            " and ".join(f"{tissue} {words[shade]}" for tissue, shade in known if shade)
            + " than white matter"
        )


SEQUENCES = {
    sequence.name: sequence
    for sequence in (
        MRSequence("T1w", "dark", "dark", "dark", 1.6, Timing(500, 10)),
        MRSequence("T2w", "bright", None, "bright", 3.5, Timing(5000, 90), enhances=False),
        MRSequence("FLAIR", "dark", "bright", "bright", 2.0, Timing(9000, 110, 2500)),
        MRSequence("PDw", None, "bright", "bright", 2.0, Timing(3000, 20), enhances=False),
    )
}
"""By BIDS suffix. A new entry goes last: its place numbers the random stream of the phantom's noise."""

DEFAULT_SEQUENCES = ("T1w", "T2w", "FLAIR")
"""Those that every scan must have unless others are named."""


def find_sequence(name: str) -> MRSequence:
    """Return the entry of a sequence, or one that assumes nothing.

    Example:
        >>> find_sequence("T2w").fluid, find_sequence("SWI").fluid
        ('bright', None)
    """
    return SEQUENCES.get(name, MRSequence(name))


def simulated_sequences() -> dict[str, Timing]:
    """Return the timing of every sequence that the phantom can simulate."""
    return {name: sequence.timing for name, sequence in SEQUENCES.items() if sequence.timing}


def lesion_sequence(names: Sequence[str]) -> str:
    """Return the sequence on which lesions stand out: bright where fluid is dark, as on FLAIR; else the first.

    Example:
        >>> lesion_sequence(("T1w", "T2w", "FLAIR")), lesion_sequence(("T1w", "T2w"))
        ('FLAIR', 'T1w')
    """
    known = map(find_sequence, names)
    return next(
        (sequence.name for sequence in known if (sequence.fluid, sequence.lesions) == ("dark", "bright")),
        names[0],
    )
