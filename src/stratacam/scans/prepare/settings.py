"""How scans are prepared."""

from collections.abc import Mapping
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
        description='"T1w" for the grid of the T1w, turned to RAS without interpolation; or the edge (mm) of the '
        "voxels of a grid along the T1w's own axes that covers its field of view, or three edges, towards right, "
        "anterior and superior",
    )
    plane: Plane = Field(default="axial", description='plane of the slices: "axial", "coronal" or "sagittal"')
    slice_area_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.05,
        description="a slice is kept if it belongs to the run around the largest one in which the brain covers at "
        "least this fraction of the largest area",
    )
    intensity: Scaling = Field(
        default="white_matter",
        description='what the intensities are scaled by: "white_matter" (its peak), "percentiles" or "z_score" of '
        "the brain",
    )
    full_scale: Mapping[str, Annotated[float, Field(gt=0)]] = Field(
        default={name: sequence.full_scale for name, sequence in SEQUENCES.items()},
        description="by sequence, the multiple of the white-matter intensity that becomes 1; sequences that are not "
        "named keep their default",
    )
    full_scale_other: Annotated[float, Field(gt=0)] = Field(
        default=MRSequence("").full_scale, description="the same for sequences that have no default"
    )
    template: bool = Field(
        default=True, description="find the affine transform to MNI152 space, for statistics over regions"
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        default=0, description="seed of the points at which registrations sample the images"
    )

    @field_validator("full_scale")
    @classmethod
    def _with_defaults(cls, full_scale: Mapping[str, float]) -> Mapping[str, float]:
        return {name: sequence.full_scale for name, sequence in SEQUENCES.items()} | dict(full_scale)


def completed(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Complete settings from a record by the defaults of settings and sequences that its version did not have."""
    defaults = PrepareSettings().model_dump(mode="json")
    full_scale = {**defaults["full_scale"], **recorded.get("full_scale", {})}
    return {**defaults, **recorded, "full_scale": full_scale}
