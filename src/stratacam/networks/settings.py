"""The settings of networks."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

from stratacam.networks.brain import BrainUse
from stratacam.networks.elsewhere import SOURCES, is_elsewhere
from stratacam.networks.fusion import Fusion
from stratacam.networks.registry import ARCHITECTURES, DEFAULT_ARCHITECTURE, is_given, is_reference

DEFAULT_BRAIN: BrainUse = "features"
"""Of networks of this package: nothing outside the brain moves them or their maps."""


class NetworkSettings(BaseModel, frozen=True, extra="forbid"):
    """The networks and where their weights start."""

    architecture: str | Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default=DEFAULT_ARCHITECTURE,
        description=f"one of {', '.join(ARCHITECTURES)}, a network of another package such as timm:resnet50 "
        f"({', '.join(SOURCES)}), a function of yours such as my_networks:make or networks.py:make, or a list of "
        "these; maps are made of the first",
    )
    weights: str = Field(
        default="default",
        description='weights to start from: "imagenet", "none" (random), a file (Keras, torchvision, safetensors), or '
        '"default": "imagenet" where such weights can be found without naming a file, "none" otherwise; of networks '
        'of other packages "imagenet" is what the package has, and "default" is "none" unless the name is a '
        "repository or folder",
    )
    head: str | None = Field(
        default=None,
        description="name of the layer that gives the logits; absent: the last linear layer or convolution",
    )
    brain: BrainUse | Literal["default"] = Field(
        default="default",
        description='what networks do with the brain mask: "features": no layer sees what lies outside the brain; '
        '"pooling": only the average before the output is over the brain; "off": they see the whole picture, as '
        'networks of your own and of other packages must; "default": "features" for networks of this package, "off" '
        "for others",
    )

    fusion: Fusion = Field(
        default="early",
        description='where sequences meet: "early": they are channels of one picture; "late": each has a branch, a '
        "network of its own with layers such as `FLAIR.block1_conv1`, and the logits are the mean of the branches'",
    )

    @field_validator("architecture")
    @classmethod
    def _is_known(cls, architecture: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = (architecture,) if isinstance(architecture, str) else architecture
        for name in names:
            if name not in ARCHITECTURES and not any(
                known(name) for known in (is_reference, is_elsewhere, is_given)
            ):
                raise ValueError(f"{name!r} is not known")
        if len(set(names)) < len(names):
            raise ValueError("a network is named twice")
        return architecture

    def brain_of(self, architecture: str) -> BrainUse:
        """What a network does with the brain mask."""
        if self.brain != "default":
            return self.brain
        return DEFAULT_BRAIN if architecture in ARCHITECTURES else "off"

    @property
    def architectures(self) -> tuple[str, ...]:
        """All networks, in order."""
        return (self.architecture,) if isinstance(self.architecture, str) else self.architecture
