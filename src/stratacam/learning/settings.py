"""The settings of training."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from stratacam.learning.augment import AugmentSettings
from stratacam.learning.dataset import BRAIN
from stratacam.networks import Dimensions

PRETRAINED_RATE = 1e-4
RANDOM_RATE = 1e-3

BATCH: dict[Dimensions, int] = {2: 16, 3: 4}
"""Slices, and volumes, in a step, where the settings do not say."""

OF_RELEVANCE = ("relevance_mask", "relevance_layer", "relevance_method")
"""Settings that count only where `relevance` is above 0."""


class TrainSettings(BaseModel, frozen=True, extra="forbid"):
    """How the classifier is fine-tuned."""

    frozen: tuple[str, ...] | None = Field(
        default=None,
        description="layers that are not trained, by name or pattern, [] for none; absent: all blocks but the last of "
        "pretrained networks, none of others",
    )
    cache_activations: bool = Field(
        default=True,
        description="whether the outputs of the frozen layers are computed once and cached on disk; false: they are "
        "computed in every epoch, with new augmented copies each time",
    )
    copies: int = Field(
        default=1,
        ge=0,
        le=100,
        description="number of augmented copies of each slice; an epoch takes the plain slice or one of them; "
        "without cached activations every epoch draws its own",
    )
    augmentation: AugmentSettings = Field(
        default=AugmentSettings(), description="ranges of the random changes"
    )
    epochs: int = Field(
        default=8, ge=1, le=1000, description="largest number of passes over the training slices"
    )
    patience: int = Field(
        default=4,
        ge=1,
        description="number of epochs without a lower validation loss after which training stops",
    )
    batch_size: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description=f"number of slices or volumes in a step; absent: {BATCH[2]} slices, {BATCH[3]} volumes",
    )
    body_rate: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="peak learning rate of all layers but the head; absent: "
        f"{PRETRAINED_RATE:g} for pretrained networks, {RANDOM_RATE:g} for others",
    )
    head_rate: float = Field(default=1e-3, gt=0, le=1, description="peak learning rate of the head")
    warm_up: float = Field(
        0.3, ge=0, lt=1, description="fraction of the steps in which the rates rise to their peak"
    )
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="weight decay of AdamW")
    clip_norm: float | None = Field(
        default=5.0, gt=0, description="largest norm of a step's gradient; None, in Python only: no limit"
    )
    balance: Literal["weights", "sampling", "none"] = Field(
        default="weights",
        description='way to give groups equal weight, and the subjects of a group too: "weights" in the loss, '
        '"sampling" of the slices, or "none"',
    )
    label_smoothing: float = Field(
        0.05, ge=0, lt=1, description="share of the target that is spread evenly over all classes"
    )
    relevance: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="weight, in the loss, of the share of heat outside a mask (relevance-guided training); 0: none",
    )
    relevance_mask: str = Field(
        default=BRAIN,
        pattern="^[A-Za-z0-9]+$",
        description='that mask: "brain", or the label of masks in the cohort, such as "lesion" for '
        "`sub-*_label-lesion*_mask.nii.gz`",
    )
    relevance_layer: str | None = Field(
        default=None,
        description="the layer whose maps are meant, which is trained or comes after one that is; absent: the last "
        "convolution; with late fusion it must be named, and its branch is guided",
    )
    relevance_method: Literal["layercam", "gradcam"] = Field(
        default="layercam", description='the method of these maps: "layercam" or "gradcam"'
    )

    @property
    def guide(self) -> str | None:
        """The name of the mask that guides training; None where none does."""
        return self.relevance_mask if self.relevance else None

    def batch_of(self, dimensions: Dimensions) -> int:
        """Slices (2 dimensions) or volumes (3) in a step."""
        return self.batch_size or BATCH[dimensions]

    def for_weights(self, *, pretrained: bool, frozen: tuple[str, ...] = ()) -> Self:
        """Return the settings with what depends on the network's first weights filled in, and what is unused left out.

        Args:
            pretrained: whether these are, which decides the rate.
            frozen: layers that are frozen unless the settings say which.
        """
        frozen = frozen if self.frozen is None else self.frozen
        rate = self.body_rate or (PRETRAINED_RATE if pretrained else RANDOM_RATE)
        unused = (
            {} if self.relevance else {name: type(self).model_fields[name].default for name in OF_RELEVANCE}
        )
        return self.model_copy(update={"frozen": frozen, "body_rate": rate, **unused})
