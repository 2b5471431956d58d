"""How scans are prepared."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from stratacam.scans.intensity import Scaling
from stratacam.scans.planes import Plane

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
        default={"T1w": 1.6, "T2w": 3.5, "FLAIR": 2.0},
        description="for each sequence, the multiple of the white-matter peak that becomes 1",
    )
    full_scale_other: Annotated[float, Field(gt=0)] = Field(
        default=3.0, description="the same for sequences that `full_scale` does not name"
    )
    template: bool = Field(
        default=True,
        description="whether the affine transform to MNI152 space is computed; statistics over regions need it",
    )
    seed: Annotated[int, Field(ge=0)] = Field(
        default=0, description="seed of the points at which registrations sample the images"
    )
