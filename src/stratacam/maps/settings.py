"""The settings of explaining."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stratacam.cam.methods import INPUT, METHODS

LAYER_METHODS = tuple(method for method in METHODS if method not in INPUT)
"""Methods that give a map for each layer."""

UNITS = {
    "gradcam": "logit",
    "gradcam++": "arbitrary",
    "xgradcam": "logit",
    "hirescam": "logit",
    "layercam": "logit",
    "gradient_x_activation": "logit",
    "eigencam": "activation",
    "scorecam": "activation",
    "ablationcam": "logit x activation",
}
"""Of the values of raw maps, by method; "arbitrary" where two maps cannot be compared in strength."""


class ExplainSettings(BaseModel):
    """What is explained and what is written as NIfTI."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(
        default="predicted",
        description='the class to explain in every slice: a class name, "predicted" for the class that the scan as '
        'a whole is given, or "all"',
    )
    sequence: str | None = Field(
        default=None,
        description="the sequence whose pictures are explained, where each is a picture of its own; if absent FLAIR, "
        "or else the first that the network sees",
    )
    method: str = Field(default="gradcam", description=f"one of {', '.join(LAYER_METHODS)}")
    smooth: int = Field(
        default=0, ge=0, description="noisy copies of each slice to average maps over (SmoothGrad); 0: none"
    )
    every: int = Field(
        default=1, ge=1, description="explain every n-th slice of the part that the network is for"
    )
    nifti_layers: tuple[str, ...] | None = Field(
        default=None,
        description="layers, or patterns of them, whose maps are written as NIfTI; absent: the "
        "last block of the network, of a custom one the last convolution",
    )
    nifti_scans: tuple[str, ...] = Field(
        default=("T1w",), description="sequences over whose scans, as they were delivered, the maps are laid"
    )
    batch_size: int = Field(default=8, ge=1, description="slices that go through the network at once")

    @field_validator("method")
    @classmethod
    def _is_known(cls, method: str) -> str:
        if method not in LAYER_METHODS:
            raise ValueError(f"{method!r} is not known; choose one of {', '.join(LAYER_METHODS)}")
        return method
