"""What a phantom cohort is made of, and the random streams its subjects draw from."""

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from stratacam.scans.sequences import DEFAULT_SEQUENCES, SEQUENCES, simulated_sequences

Group = Literal["control", "RRMS", "SPMS"]

_PURPOSES = ("person", "disease", "head", "position", "tissue")


class PhantomSettings(BaseModel):
    """Settings of a synthetic cohort; the same settings give the same bytes.

    Attributes:
        subjects: how many subjects of each group.
        voxel_mm: isotropic voxel size; thick-slice sequences keep it in plane.
        thick_slices_mm: slice thickness of all sequences but the T1w; none for isotropic voxels.
        sequences: that are scanned, T1w among them.
        seed: the cohort's one seed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subjects: dict[Group, Annotated[int, Field(ge=0)]] = {"control": 8, "RRMS": 8, "SPMS": 8}
    voxel_mm: float = Field(default=2.0, ge=0.7, le=5.0)
    thick_slices_mm: float | None = Field(default=None, ge=1.0, le=8.0)
    sequences: tuple[str, ...] = DEFAULT_SEQUENCES
    seed: int = Field(default=0, ge=0)

    @field_validator("sequences")
    @classmethod
    def _can_be_scanned(cls, sequences: tuple[str, ...]) -> tuple[str, ...]:
        known = simulated_sequences()
        if "T1w" not in sequences or len(set(sequences)) < len(sequences) or not set(sequences) <= set(known):
            raise ValueError(
                f"found {', '.join(sequences)}; expected T1w and any of {', '.join(known)}, each once"
            )
        return sequences


def groups(settings: PhantomSettings) -> list[Group]:
    """Return the group of every subject, in the order of the subjects' numbers, groups mixed at random."""
    ordered = [group for group, count in sorted(settings.subjects.items()) for _ in range(count)]
    order = np.random.default_rng(np.random.SeedSequence(settings.seed)).permutation(len(ordered))
    return [ordered[k] for k in order]


def names(settings: PhantomSettings) -> list[str]:
    """Return the subjects' names, `sub-01` and so on, with as many digits as the largest number needs."""
    count = sum(settings.subjects.values())
    width = max(2, len(str(count)))
    return [f"sub-{number:0{width}d}" for number in range(1, count + 1)]


def stream(settings: PhantomSettings, index: int, purpose: str) -> np.random.Generator:
    """Return the random stream of one subject (counted from 0) for one purpose or sequence.

    The group is no part of its key, and what one purpose draws never moves another's stream: a subject has
    the same head, position and noise whatever disease it is given.
    """
    key = (index, (*_PURPOSES, *SEQUENCES).index(purpose))
    return np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=key))
