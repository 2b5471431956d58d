"""The settings of evidence."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stratacam.maps import LAYER_METHODS


class EvidenceSettings(BaseModel):
    """What is measured of the maps of every layer, and on how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: tuple[str, ...] = Field(
        default=("gradcam", "layercam"),
        min_length=1,
        description=f"methods whose maps are measured, some of {', '.join(LAYER_METHODS)}; claims and the "
        "recommendation are of each",
    )
    target: str = Field(
        default="predicted",
        description='the class that maps explain: "predicted" for the class that each scan as a whole is given, or a '
        "class name, the same for everybody, so that groups can be compared",
    )
    layers: tuple[str, ...] = Field(
        default=("all",), min_length=1, description='layers, or patterns of them; "all" for every layer'
    )
    every: int = Field(
        default=1, ge=1, description="measure every n-th slice of the part that the network is for"
    )
    slices: int = Field(
        default=8,
        ge=1,
        description="slices of each scan, evenly spaced, for measures that run the network again many times: "
        "faithfulness and repeatability",
    )
    sanity_slices: int = Field(
        default=4, ge=0, description="of these, slices for the randomisation of the network; 0: none"
    )
    fractions: tuple[float, ...] = Field(
        default=(0.1, 0.2, 0.4, 0.6, 0.8),
        description="shares of the brain's pixels that are removed, or put in, to see whether a map is true to the "
        "network; empty: none",
    )
    cascade: bool = Field(
        default=True,
        description="randomise from the output down layer by layer; false: only all that stands above each layer",
    )
    independent: bool = Field(
        default=True,
        description="randomise every layer by itself too, not only from the output down",
    )
    atlas: Path | None = Field(
        default=None,
        description="a label image in MNI152 space, with the names of its regions in a TSV beside it; absent: lobes",
    )
    voxel_mm: float = Field(
        default=4.0, gt=0, le=10, description="edge of the voxels of maps in MNI152 space, for groups"
    )
    group_layers: tuple[str, ...] | None = Field(
        default=None,
        description="layers, or patterns of them, whose maps are compared voxel by voxel; absent: the last "
        "convolution; empty: none",
    )
    covariates: tuple[str, ...] | None = Field(
        default=None,
        description="columns of participants.tsv that groups are compared beside, such as age and sex; absent: these "
        "two where everybody has them; empty: none",
    )
    permutations: int = Field(
        default=1000, ge=0, description="of voxel-wise comparisons of groups; 0: no such comparisons"
    )
    batch_size: int = Field(default=32, ge=1, description="pictures that go through the network at once")

    def of_scans(self) -> Self:
        """What decides the measures of a scan, however groups are compared."""
        return self.model_copy(update={"group_layers": None, "covariates": None, "permutations": 0})

    @field_validator("methods")
    @classmethod
    def _are_known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        for method in methods:
            if method not in LAYER_METHODS:
                raise ValueError(f"{method!r} is not known; choose of {', '.join(LAYER_METHODS)}")
        if len(set(methods)) < len(methods):
            raise ValueError("every method must be named once")
        return methods

    @field_validator("fractions")
    @classmethod
    def _are_shares(cls, fractions: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in fractions) or list(fractions) != sorted(set(fractions)):
            raise ValueError("shares must lie between 0 and 1 and ascend")
        return fractions
