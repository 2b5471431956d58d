"""How scans are prepared."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator

from stratacam.scans.intensity import Scaling
from stratacam.scans.planes import Plane
from stratacam.scans.sequences import SEQUENCES, MRSequence

Edge = Annotated[float, Field(ge=0.3, le=10.0)]
"""Edge of a voxel in mm."""


class PrepareSettings(BaseModel, frozen=True, extra="forbid"):
    """How scans are prepared."""

    grid: Literal["T1w"] | Edge | tuple[Edge, Edge, Edge] = Field(
        default="T1w",
        description='voxel grid of all sequences: "T1w" for that of the T1w, turned to RAS without interpolation; or '
        "the edge of the voxels in mm, or three edges (right, anterior, superior), of a grid along the axes of the T1w "
        "that covers its field of view",
    )
    plane: Plane = Field(default="axial", description="plane of the slices")
    slice_area_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.05,
        description="smallest brain area of a kept slice, as a fraction of the largest slice's; kept slices are the "
        "uninterrupted run around the largest",
    )
    intensity: Scaling = Field(
        default="white_matter",
        description="scaling of the intensities: by the peak of the white matter, or by percentiles or z-scores of "
        "the brain",
    )
    full_scale: Mapping[str, Annotated[float, Field(gt=0)]] = Field(
        default={name: sequence.full_scale for name, sequence in SEQUENCES.items()},
        description="for each sequence, the multiple of the white-matter peak that becomes 1; a sequence that is not "
        "named keeps its default",
    )
    full_scale_other: Annotated[float, Field(gt=0)] = Field(
        default=MRSequence("").full_scale, description="the same for sequences without a default"
    )
    template: bool = Field(
        default=True,
        description="whether the affine transform to MNI152 space is computed; statistics over regions need it",
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        default=0, description="seed of the points at which registrations sample the images"
    )

    @field_validator("full_scale")
    @classmethod
    def _with_defaults(cls, full_scale: Mapping[str, float]) -> Mapping[str, float]:
        return {name: sequence.full_scale for name, sequence in SEQUENCES.items()} | dict(full_scale)

    def of(self, sequences: Iterable[str]) -> "PrepareSettings":
        """The settings of scans of these sequences: no other sequence is named in them, and each of these is."""
        full_scale = {name: self.full_scale.get(name, self.full_scale_other) for name in sequences}
        return self.model_copy(update={"full_scale": full_scale})


def completed(recorded: Mapping[str, Any], sequences: Iterable[str]) -> dict[str, Any]:
    """The settings of scans of these sequences from a record, with defaults for what its version did not have."""
    defaults = PrepareSettings().of(sequences).model_dump(mode="json", exclude={"full_scale_other"})
    others = {name: recorded.get("full_scale_other", scale) for name, scale in defaults["full_scale"].items()}
    known = {name: scale for name, scale in recorded.get("full_scale", {}).items() if name in others}
    rest = {name: value for name, value in recorded.items() if name != "full_scale_other"}
    return {**defaults, **rest, "full_scale": {**others, **known}}
