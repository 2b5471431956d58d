"""The settings of evidence."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stratacam.maps import LAYER_METHODS

PREDICTED = "predicted"
"""The target that is, for each scan, the class that the network predicts for it as a whole."""

Filling = Literal["texture", "imputation"]


class EvidenceSettings(BaseModel):
    """What is measured of the maps of every layer, and on how much."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: tuple[Literal["single", "consensus"], ...] = Field(
        default=("single", "consensus"),
        min_length=1,
        description='whose maps are measured: of a "single" network, that of the first seed; and of the "consensus" of '
        'all seeds, where explain.models = "all" makes such maps',
    )
    methods: tuple[str, ...] = Field(
        default=("gradcam", "layercam", "multiscale_gradcam"),
        min_length=1,
        description=f"methods whose maps are measured, some of {', '.join(LAYER_METHODS)}; each has its claims "
        "and its recommendation",
    )
    target: str = Field(
        default=PREDICTED,
        description='the class that maps explain: "predicted" for the class that the network predicts for each scan as '
        "a whole; or a class name, the same for all subjects, so that groups can be compared",
    )
    group_class: str | None = Field(
        default=None,
        description="the class that maps explain in everybody where groups are compared; absent: `target` where that "
        "is a class, else the last of the classes",
    )
    layers: tuple[str, ...] = Field(
        default=("all",), min_length=1, description='layers, or patterns of them; "all" for every layer'
    )
    fused: tuple[str, ...] | None = Field(
        default=None,
        description="maps over layers, each the mean of those that its name joins, such as "
        '"first+second"; absent: the last layers of every run of neighbouring '
        "blocks; empty: none",
    )
    every: int = Field(
        default=1,
        ge=1,
        description="step between the slices that are measured: 2 takes every other one of those in pictures.part",
    )
    slices: int = Field(
        default=8,
        ge=1,
        description="number of slices of each scan, evenly spaced, for measures that run the network many times: "
        "faithfulness, counterfactuals, repeatability and the contribution of each sequence",
    )
    sanity_slices: int = Field(
        default=4, ge=0, description="number of these slices for which the network is randomised; 0: none"
    )
    sanity_draws: int = Field(
        default=4, ge=1, description="number of times that the weights above each layer are drawn anew"
    )
    fractions: tuple[float, ...] = Field(
        default=(0.2,),
        description="shares of the brain's pixels that faithfulness removes or inserts, in ascending order; empty: "
        "faithfulness is not measured",
    )
    controls: int = Field(
        default=8,
        ge=1,
        description="number of random maps that the faithfulness of each map is compared with",
    )
    strangers: int = Field(
        default=4,
        ge=0,
        description="number of other subjects whose maps are laid on the slices of each scan, to see whether maps show "
        "the image or the class; 0: none",
    )
    donors: int = Field(
        default=4,
        ge=0,
        description="number of people of other classes who, in turn over the slices, stand in for the sequences that "
        "are left out where the contribution of each sequence is measured; 0: not measured",
    )
    deletion: bool = Field(
        default=False,
        description="whether deletion and insertion are measured beside ROAD, for twice the time",
    )
    cascade: bool = Field(
        default=True,
        description="whether the network is randomised layer by layer from the output down; false: only everything "
        "above each layer at once",
    )
    independent: bool = Field(
        default=False,
        description="whether every layer is also randomised by itself",
    )
    surrogates: int = Field(
        default=99,
        ge=0,
        description="number of surrogates of every map that the claims are held against, on `sanity_slices`; fewer "
        "than 19 decide nothing",
    )
    untrained: int = Field(
        default=39,
        ge=0,
        description="number of untrained networks whose maps the claims are held against, on `sanity_slices`; fewer "
        "than 19 decide nothing",
    )
    truth: dict[str, tuple[str, ...]] | None = Field(
        default=None,
        description="for each class, the structures that tell it from the others, as labels of masks "
        '(`label-<name>_mask`), such as `MS = ["lesion"]`; an empty list for a class that has none; absent: what '
        "`derivatives/*/truth.json` of the cohort says",
    )
    filled: tuple[Literal["structures", "hottest", "parcels"], ...] = Field(
        default=("structures", "hottest", "parcels"),
        description="what is filled with plain tissue to see what the network loses: structures of the truth, the "
        "hottest region of each layer's map, parcels of the brain; empty: nothing",
    )
    filling: Filling = Field(
        default="texture",
        description='"texture": tissue from elsewhere in the slice, laid in without an edge; "imputation": smooth, by '
        "ROAD's imputation",
    )
    atlas: Path | None = Field(
        default=None,
        description="label image in MNI152 space, with the names of its regions in a TSV file beside it; absent: lobes",
    )
    voxel_mm: float = Field(
        default=4.0,
        gt=0,
        le=10,
        description="edge, in mm, of the voxels of maps in MNI152 space, on which groups are compared",
    )
    group_layers: tuple[str, ...] | None = Field(
        default=None,
        description="layers, or patterns of them, whose maps are compared voxel by voxel; absent: the last "
        "convolution; empty: none",
    )
    strategy_layers: tuple[str, ...] | None = Field(
        default=None,
        description="layers, or patterns of them, in whose maps strategies are sought; absent: the recommended ones, "
        "else the last layer of each of the last three blocks; empty: none",
    )
    covariates: tuple[str, ...] | None = Field(
        default=None,
        description="columns of participants.tsv that comparisons of groups adjust for; absent: age and sex where "
        "all subjects have them; empty: none",
    )
    permutations: int = Field(
        default=1000,
        ge=0,
        description="number of permutations in voxel-wise comparisons of groups; 0: no such comparisons",
    )
    batch_size: int = Field(
        default=32, ge=1, description="number of pictures that go through the network at once"
    )

    def of_scans(self) -> Self:
        """What decides the measures of a scan, however groups are compared, and whatever tells other classes."""
        return self.model_copy(
            update={
                "networks": ("single", "consensus"),
                "truth": None,
                "group_layers": None,
                "strategy_layers": None,
                "covariates": None,
                "permutations": 0,
            }
        )

    @field_validator("methods")
    @classmethod
    def _are_known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        for method in methods:
            if method not in LAYER_METHODS:
                raise ValueError(f"{method!r} is not known; choose one of {', '.join(LAYER_METHODS)}")
        if len(set(methods)) < len(methods):
            raise ValueError("every method must be named once")
        return methods

    @field_validator("fractions")
    @classmethod
    def _are_shares(cls, fractions: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < share < 1 for share in fractions) or list(fractions) != sorted(set(fractions)):
            raise ValueError("shares must lie between 0 and 1 and ascend")
        return fractions


def class_of_groups(settings: EvidenceSettings, classes: Sequence[str]) -> tuple[str, int]:
    """Name and position of the class that maps explain in everybody where groups are compared."""
    last = classes[-1] if settings.target == PREDICTED else settings.target
    name = settings.group_class or last
    return name, classes.index(name)
