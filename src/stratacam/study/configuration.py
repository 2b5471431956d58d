"""The configuration of a study: one TOML file, every key checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from stratacam.errors import InputError, did_you_mean
from stratacam.evidence.settings import EvidenceSettings
from stratacam.files import read_toml
from stratacam.learning.confounds import ConfoundSettings
from stratacam.learning.settings import TrainSettings
from stratacam.learning.split import SplitSettings
from stratacam.maps import ExplainSettings
from stratacam.networks import (
    BRANCH_CHANNELS,
    GivenCard,
    card_of,
    check_branches,
    is_given,
    read_given,
)
from stratacam.networks.settings import NetworkSettings
from stratacam.scans.channels import choose_sequences, count_channels
from stratacam.scans.pictures import PictureSettings
from stratacam.scans.prepare import PrepareSettings
from stratacam.scans.sequences import DEFAULT_SEQUENCES
from stratacam.study.anchoring import anchored
from stratacam.study.execution.settings import RunSettings


class Section(BaseModel):
    """A section of the file: no unknown keys, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CohortSettings(Section):
    """Which scans, and what they are told apart by."""

    input: Path = Field(
        description="BIDS folder, or table (.csv, .tsv), of the scans as delivered; it is never written to"
    )
    prepared: Path | None = Field(
        default=None,
        description="folder of the prepared scans; several studies and `stratacam prepare` may share it; absent: "
        "`prepared` in `out`",
    )
    sequences: tuple[str, ...] = Field(
        default=DEFAULT_SEQUENCES,
        min_length=1,
        description="sequences to prepare, T1w among them; `pictures.sequences` chooses those that the network sees",
    )
    choose: dict[str, dict[str, str]] = Field(
        default={},
        description='BIDS entities that the file of a sequence must have, such as `T1w = { acq = "mprage" }`',
    )
    group_column: str = Field(
        default="group",
        description="column of participants.tsv, sessions.tsv or the table that holds the class",
    )
    groups: tuple[str, ...] | None = Field(
        default=None,
        min_length=2,
        description="classes, in the order of the network's outputs, tables and figures; absent: all groups of the "
        "cohort, sorted as text (capitals first)",
    )

    @field_validator("sequences")
    @classmethod
    def _are_distinct(cls, sequences: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(sequences)) < len(sequences):
            raise ValueError("every sequence must be named once")
        return sequences

    @field_validator("choose")
    @classmethod
    def _of_sequences(
        cls, choose: dict[str, dict[str, str]], info: ValidationInfo
    ) -> dict[str, dict[str, str]]:
        sequences = info.data.get("sequences", tuple(choose))
        unknown = sorted(set(choose) - set(sequences))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is not among the sequences {', '.join(sequences)}")
        return choose


class StudyExplainSettings(ExplainSettings):
    """What is explained, and for whom."""

    subjects: Literal["test", "all"] | tuple[str, ...] = Field(
        default="test",
        description='subjects to explain: "test" (those held out: everybody, where there are folds), "all", '
        'or a list such as ["sub-01"]',
    )

    def of_scans(self) -> ExplainSettings:
        """What decides the maps of a scan, whoever else is explained."""
        return ExplainSettings(**self.model_dump(exclude={"subjects", "models"}))


class StudyConfiguration(Section):
    """A whole study."""

    name: str = Field(default="study", description="title of the report")
    out: Path = Field(description="folder of everything that the study makes")
    seed: int = Field(
        default=0,
        ge=0,
        description="the one seed of everything random: the same study on the same machine gives the same numbers",
    )
    repeats: int = Field(
        default=1,
        ge=1,
        le=100,
        description="number of trainings of every network, with the seeds `seed`, `seed` + 1 and so on; each draws its "
        "own split too (`split.repeats`)",
    )
    cohort: CohortSettings
    prepare: PrepareSettings = PrepareSettings()
    pictures: PictureSettings = PictureSettings()
    network: NetworkSettings = NetworkSettings()
    split: SplitSettings = SplitSettings()
    training: TrainSettings = TrainSettings()
    explain: StudyExplainSettings = StudyExplainSettings()
    confounds: ConfoundSettings = ConfoundSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    run: RunSettings = RunSettings()

    @property
    def seeds(self) -> range:
        """The seeds that every network is trained with."""
        return range(self.seed, self.seed + self.repeats)

    @property
    def channels(self) -> int:
        """Of the pictures that networks see."""
        return count_channels(self.pictures.sequences or self.cohort.sequences, self.pictures.channels)

    @property
    def branches(self) -> tuple[str, ...]:
        """The sequences that have a branch of the network each, in order; none with early fusion."""
        if self.network.fusion == "early":
            return ()
        return self.pictures.sequences or self.cohort.sequences

    @property
    def network_channels(self) -> int:
        """Of the pictures that a network of the chosen architecture sees: of a branch those of its sequence."""
        return BRANCH_CHANNELS if self.branches else self.channels

    @property
    def given(self) -> GivenCard | None:
        """The card of the trained classifier that the study judges; None where it trains its own networks."""
        (first, *_) = self.network.architectures
        return read_given(card_of(first)) if is_given(first) else None

    @property
    def without_effect(self) -> tuple[str, ...]:
        """Settings that change nothing beside the others, a sentence for each."""
        if self.explain.models == "all" and self.repeats == 1:
            sentence = (
                'explain.models: found "all" with repeats = 1; expected several seeds, as a held-out subject has the '
                'map of the one network of its fold, and no consensus: set repeats to 3 or more, or models = "first".'
            )
            return (sentence,)
        return ()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        choose_sequences(self.cohort.sequences, self.pictures.sequences, self.pictures.channels)
        if self.branches:
            _check_fusion(self)
        if self.training.augmentation.flip and self.prepare.plane == "sagittal":
            raise ValueError("training.augmentation.flip would turn front and back around in sagittal slices")
        if self.pictures.dimensions == 3 and self.split.unit == "slice":
            raise ValueError(
                'split.unit = "slice" splits slices, and with pictures.dimensions = 3 networks see whole volumes; '
                'choose split.unit = "subject"'
            )
        if any(map(is_given, self.network.architectures)) and (
            len(self.network.architectures) > 1 or self.repeats > 1 or self.split != SplitSettings()
        ):
            raise ValueError(
                "a classifier that is given is judged by itself and on everybody; leave out other networks, repeats "
                "and the split"
            )
        if self.confounds.harmonise and self.confounds.harmonise == self.split.group_by:
            raise ValueError(
                f"confounds.harmonise = {self.confounds.harmonise!r} learns what each of them does to measures, and "
                "split.group_by holds whole ones out, of which nothing can be learned; leave one of the two out"
            )
        split = self.split
        held_out_once = split.unit == "subject" and split.maximum_folds == 1 and split.table is None
        if self.explain.models == "all" and self.repeats > 1 and held_out_once and split.repeats == "new":
            raise ValueError(
                f'explain.models: found "all", the consensus of {self.repeats} seeds, each of which holds out other '
                'subjects; expected seeds that have held out the same subjects; set split.repeats = "same", or '
                "folds (split.folds)"
            )
        return self


def _check_fusion(configuration: StudyConfiguration) -> None:
    """Refuse late fusion of what has no sequences side by side, and of a classifier that is given."""
    if any(map(is_given, configuration.network.architectures)):
        raise ValueError(
            'network.fusion = "late" joins networks that a study trains, and a classifier that is given stays as it '
            "is; leave network.fusion out"
        )
    if configuration.pictures.channels != "sequences":
        raise ValueError(
            f'network.fusion = "late" gives every sequence of a picture its branch, and with pictures.channels = '
            f'"{configuration.pictures.channels}" a picture shows one sequence; choose pictures.channels = "sequences" '
            'or network.fusion = "early"'
        )
    check_branches(configuration.branches)


def read_configuration(path: Path | str) -> StudyConfiguration:
    """Read and check a study's TOML file. Relative paths are relative to the file's folder.

    Raises:
        InputError: if the file is missing, is not TOML, or has an unknown key or a wrong value; each fault is
            named with its key, what was found, and what is allowed.
    """
    path = Path(path)
    content = read_toml(path, "name the study's TOML file")
    configuration = check_configuration(content, str(path))
    return StudyConfiguration.model_validate(anchored(configuration, path.parent))


def check_configuration(content: dict[str, Any], source: str) -> StudyConfiguration:
    """Check a configuration that has been read from `source`, which messages name.

    Raises:
        InputError: as `read_configuration`.
    """
    try:
        return StudyConfiguration.model_validate(content)
    except ValidationError as fault:
        # A value that may be of several kinds has a fault for each: the first is told.
        first = {".".join(_keys(dict(error))): error for error in reversed(fault.errors())}
        lines = [_describe(dict(error)) for error in reversed(first.values())]
        raise InputError("\n".join(f"{source}: {line}" for line in lines)) from fault


def _describe(error: Mapping[str, Any]) -> str:
    """One fault in words: key, value found, what is allowed."""
    keys = _keys(error)
    key = ".".join(keys)
    if error["type"] == "extra_forbidden":
        allowed = list(_section(keys[:-1]).model_fields)
        return f"{key} is not known; {did_you_mean(keys[-1], allowed)}Allowed here: {', '.join(allowed)}."
    if error["type"] == "missing":
        return f"{key} is missing; {_purpose(keys)}"
    if not keys or isinstance(error["input"], dict):  # settings that contradict each other
        return f"{key}: {error['msg'].removeprefix('Value error, ')}.".removeprefix(": ")
    told = error["msg"].removeprefix("Value error, ").rstrip(".")
    purpose = _purpose(keys)
    return (
        f"{key} = {error['input']!r}: {told}."
        if "choose one of" in told
        else f"{key} = {error['input']!r}: {told}; {purpose}"
    )


def _keys(error: Mapping[str, Any]) -> list[str]:
    """The way to a setting, without the names that pydantic gives to the kinds that it may be of."""
    parts = [part for part in error["loc"] if isinstance(part, str)]
    return [part for part in parts if "-" not in part and not part.startswith(("tuple", "lit"))]


def _section(keys: list[str]) -> type[BaseModel]:
    """The model of the section that `keys` lead to."""
    section: type[BaseModel] = StudyConfiguration
    for key in keys:
        annotation = section.model_fields[key].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        section = annotation
    return section


def _purpose(keys: list[str]) -> str:
    field = _section(keys[:-1]).model_fields.get(keys[-1])
    if not field or not field.description:
        return "give it another value."
    article = "" if field.description.startswith(("the ", "one of ")) else "the "
    return f"it is {article}{field.description}."
