"""Pictures in which sequences of a scan are exchanged for those of other people.

A sequence that is absent has no picture of its own. Zeros would be a picture that no network has seen; the same
sequence of another person, a donor, at the same level of the brain is one that it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.scan import ScanSlices
from stratacam.evidence.strangers import read_at_levels_of
from stratacam.maps import explained_pictures, network_images
from stratacam.maps.heat import Heat
from stratacam.maps.trained import channels_of
from stratacam.networks import ModelCard
from stratacam.scans.channels import in_turn
from stratacam.scans.prepared import PreparedScan


@dataclass(frozen=True, eq=False)
class Exchange:
    """Pictures of a scan, and of a donor for each, whose channels can take their place.

    Attributes:
        channels: the sequence of each channel; one may have several.
        own: (n, channels, rows, columns).
        donated: (n, channels, rows, columns), centred on the brain as `own` is.
        brain: (n, rows, columns), where the scan's own brain is; networks that see the brain alone are given it.
        donors: (n,) subjects.
    """

    channels: tuple[str, ...]
    own: Heat
    donated: Heat
    brain: NDArray[np.bool_]
    donors: tuple[str, ...]

    @property
    def sequences(self) -> tuple[str, ...]:
        """Those that can be exchanged, each once."""
        return tuple(dict.fromkeys(self.channels))

    def with_own(self, present: Sequence[str]) -> Heat:
        """Pictures whose channels are the scan's own where their sequence is present, else the donor's."""
        own = np.array([sequence in present for sequence in self.channels])
        return np.where(own[:, None, None], self.own, self.donated)


def donors_for(
    explained: str, by_group: Mapping[str, Sequence[PreparedScan]], count: int
) -> tuple[PreparedScan, ...]:
    """People of the other groups than the class explained, from each group in turn.

    People of the same class would have what tells the class in their sequences too, and little would be left to share.

    Args:
        explained: the class.
        by_group: scans of other subjects, the first to be taken first.
        count: how many at most.
    """
    others = [scans for group, scans in by_group.items() if group != explained]
    deepest = max(map(len, others), default=0)
    found = [scans[place] for place in range(deepest) for scans in others if place < len(scans)]
    return tuple(found[:count])


def read_exchanges(
    sampled: ScanSlices,
    slices: ScanSlices,
    card: ModelCard,
    scan: PreparedScan,
    donors: Sequence[PreparedScan],
    *,
    every: int = 1,
) -> tuple[Exchange, ...]:
    """The pictures of some slices and of donors at their levels; donors take turns over the slices.

    Where sequences are the channels of one picture there is one exchange. Where each sequence is a picture of its own
    there is one for each, and the network's answer for the scan is the mean over them.

    Args:
        sampled: the slices that are wanted.
        slices: all slices, which they are of.
        card: of the model.
        scan: prepared with the model's sequences.
        donors: scans of other people, prepared likewise.
        every: take every n-th slice, as `slices` was read.

    Raises:
        InputError: a scan does not suit the model, or a file of it is missing or damaged.
    """
    if not donors:
        return ()
    sequences = tuple(card.input["sequences"])
    together = channels_of(card) == "sequences"
    rows = [slices.geometry.slices.index(one) for one in sampled.geometry.slices]
    found = []
    for shown in (None,) if together else sequences:
        own = network_images(explained_pictures(card, scan, every=every, sequence=shown))[rows]
        of_donors = [
            read_at_levels_of(sampled, slices, card, donor, every=every, sequence=shown) for donor in donors
        ]
        turns = [place % len(donors) for place in range(len(own))]
        found.append(
            Exchange(
                channels=in_turn(sequences) if shown is None else (shown,) * own.shape[1],
                own=own,
                donated=np.stack([of_donors[turn].images[place] for place, turn in enumerate(turns)]),
                brain=sampled.brain,
                donors=tuple(f"sub-{donors[turn].subject}" for turn in turns),
            )
        )
    return tuple(found)
