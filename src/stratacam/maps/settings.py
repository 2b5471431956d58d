"""The settings of explaining."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stratacam.cam.methods import LAYER_METHODS
from stratacam.maps.store.stored_type import StoredType


class ExplainSettings(BaseModel):
    """What is explained and what is written as NIfTI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(
        default="predicted",
        description='the class to explain: a class name, "predicted" for the class that the network predicts for the '
        'scan as a whole, or "all"',
    )
    sequence: str | None = Field(
        default=None,
        description="sequence whose pictures are explained, where each sequence is a picture of its own; absent: "
        "FLAIR, or else the first that the network sees",
    )
    models: Literal["first", "all"] = Field(
        default="first",
        description='networks that make the maps of a scan: "first" for that of the first seed, or "all" for the '
        "consensus of all seeds; in each case of the fold that held the subject out, or, for subjects that no network "
        "was trained on, of all folds",
    )
    method: str = Field(
        default="gradcam", description=f"method of the maps, one of {', '.join(LAYER_METHODS)}"
    )
    layers: tuple[str, ...] = Field(
        default=("all",),
        min_length=1,
        description='layers, or patterns of them, whose maps are made; "all" for every layer; names joined by "+" are '
        'their mean, such as "first+second"',
    )
    smooth: int = Field(
        default=0,
        ge=0,
        description="number of noisy copies of each slice that a map is averaged over (SmoothGrad); 0: none",
    )
    every: int = Field(
        default=1,
        ge=1,
        description="step between the slices that are explained: 2 explains every other one of those in pictures.part, "
        "whichever of them pictures.every gave the network to learn from",
    )
    nifti_layers: tuple[str, ...] | None = Field(
        default=None,
        description="layers, or patterns of them, whose maps are written as NIfTI; absent: the "
        "last block of the network, of a custom one the last convolution",
    )
    nifti_scans: tuple[str, ...] = Field(
        default=("T1w",), description="sequences whose scans, as delivered, maps are written over as NIfTI"
    )
    dtype: StoredType = Field(
        default="float32",
        description="type of the numbers in the store of maps; float16 halves it, with an error of at most 0.05 % of a "
        "layer's maximum, which is written beside each layer",
    )
    keep_members: bool = Field(
        default=False, description="store the maps of every network of a consensus, too"
    )
    batch_size: int = Field(
        default=8, ge=1, description="number of slices that go through the network at once"
    )

    @field_validator("method")
    @classmethod
    def _is_known(cls, method: str) -> str:
        if method not in LAYER_METHODS:
            raise ValueError(f"{method!r} is not known; choose one of {', '.join(LAYER_METHODS)}")
        return method
