"""The settings of training."""

from pydantic import BaseModel, Field

from stratacam.learning.augment import AugmentSettings


class TrainSettings(BaseModel, frozen=True, extra="forbid"):
    """How the classifier is fine-tuned."""

    frozen_through: str | None = Field(
        default="block4_pool", description='the last layer that stays as it was; "" to train every layer'
    )
    copies: int = Field(
        default=1,
        ge=0,
        le=100,
        description="augmented copies of each slice; with no frozen layers, every epoch has its own",
    )
    augmentation: AugmentSettings = Field(
        default=AugmentSettings(), description="ranges of the random changes"
    )
    epochs: int = Field(default=8, ge=1, le=1000, description="passes over the training slices, at most")
    patience: int = Field(
        default=4, ge=1, description="epochs without a lower validation loss before training stops"
    )
    batch_size: int = Field(default=16, ge=1, le=4096, description="slices per step")
    body_rate: float = Field(
        default=1e-4, gt=0, le=1, description="peak learning rate of the convolution layers"
    )
    head_rate: float = Field(default=1e-3, gt=0, le=1, description="peak learning rate of the last layer")
    warm_up: float = Field(
        0.3, ge=0, lt=1, description="fraction of the steps in which the rates rise to their peak"
    )
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="of AdamW")
    label_smoothing: float = Field(
        0.05, ge=0, lt=1, description="share of the target given to all classes alike"
    )
