"""The settings of explaining."""

from pydantic import BaseModel, ConfigDict, Field


class ExplainSettings(BaseModel):
    """What is explained and what is written as NIfTI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(
        default="predicted",
        description='the class to explain in every slice: a class name, or "predicted" for the class that '
        "the scan as a whole is given",
    )
    every: int = Field(
        default=1, ge=1, description="explain every n-th slice of the part that the network is for"
    )
    nifti_layers: tuple[str, ...] = Field(
        default=("block5_*",), description="layers, or patterns of them, whose maps are written as NIfTI"
    )
    batch_size: int = Field(default=8, ge=1, description="slices that go through the network at once")
