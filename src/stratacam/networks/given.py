"""Trained classifiers of others, judged and not trained: a file, and a small card that says what it takes and gives."""

import hashlib
import math
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from torch import Tensor, nn
from torch.nn import functional

from stratacam.errors import InputError
from stratacam.networks.cards import CARD, WEIGHTS, read_card
from stratacam.networks.custom import source_file
from stratacam.networks.files import OpenedFile, open_model
from stratacam.networks.files.tap import run_before
from stratacam.networks.layers import Dimensions

SECTION = "model"
"""Of a card that holds settings of a study too."""

INPUT = "input"
"""Name of the layer that makes of pictures what the network takes, where the network has none of this name."""


class GivenCard(BaseModel):
    """What is known of a trained classifier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path = Field(
        description="the classifier: a file of Keras, ONNX, torch.export, TorchScript or Lightning, other weights of a "
        "network that `network` names, or the folder of a model that stratacam trained"
    )
    classes: tuple[str, ...] = Field(
        default=(),
        description="names of the groups, in the order of the outputs; of a model of stratacam those of its card",
    )
    network: str | None = Field(
        default=None,
        description="of a file of weights alone: the class or function, such as my_package:MyNet",
    )
    arguments: dict[str, Any] = Field(default={}, description="for that class or function")
    channels: tuple[int, ...] | None = Field(
        default=None,
        min_length=1,
        description="the channels of the pictures that it takes, in order, from 0; absent: the first ones, as many as "
        "the file says that it takes, else all",
    )
    size: tuple[int, ...] | None = Field(
        default=None,
        min_length=2,
        max_length=3,
        description="rows and columns that it takes (of volumes slices before them), to which pictures are resampled; "
        "absent: those of the file, else the pictures' own",
    )
    mean: tuple[float, ...] = Field(
        default=(0.0,),
        min_length=1,
        description="what is subtracted from pictures in [0, 1]: a number, or a list of one for each channel",
    )
    deviation: tuple[float, ...] = Field(
        default=(1.0,),
        min_length=1,
        description="what the difference is divided by: a number, or a list of one for each channel",
    )
    dimensions: Dimensions = Field(default=2, description="2: it takes slices; 3: it takes volumes")
    trained_on: tuple[str, ...] = Field(
        default=(),
        description="people that it was trained on, such as sub-01: no measure of accuracy is of them",
    )

    @field_validator("mean", "deviation", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return (value,) if isinstance(value, float | int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not all(map(math.isfinite, (*self.mean, *self.deviation))):
            raise ValueError("mean and deviation must be numbers, not nan or inf")
        if any(value == 0 for value in self.deviation):
            raise ValueError("deviation must not be 0")
        if min(self.channels or (0,)) < 0:
            raise ValueError("channels are counted from 0")
        if min(self.size or (1,)) < 1:
            raise ValueError("size must be of one pixel at least on each side")
        if len(set(self.classes)) < len(self.classes) or not all(name.strip() for name in self.classes):
            raise ValueError("classes: every class must have a name of its own")
        return self

    @property
    def is_own(self) -> bool:
        """Whether it is a model that stratacam trained."""
        return (self.file / CARD).is_file()


def read_given(path: Path) -> GivenCard:
    """Read a card, in TOML, by itself or as the section `[model]` of a file; its file is relative to it.

    Raises:
        InputError: it is not there, or is none.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise InputError(
            f"{path}: cannot be read ({fault.strerror}); expected the card of a classifier."
        ) from fault
    except ValueError as fault:
        raise InputError(
            f"{path}: is no TOML ({fault}); expected the card of a classifier: mend it."
        ) from fault
    return check_given(content.get(SECTION, content), path)


def check_given(section: object, path: Path) -> GivenCard:
    """Check what a card says, which was read from `path`; its file is relative to that.

    Raises:
        InputError: it is no card, or contradicts itself or the model of stratacam that it is of.
    """
    try:
        card = GivenCard.model_validate(section)
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(map(str, (SECTION, *first["loc"])))
        raise InputError(
            f"{path}, {key}: {first['msg'].removeprefix('Value error, ')}; expected the card of a classifier, with "
            f"{', '.join(GivenCard.model_fields)}: mend it."
        ) from fault
    card = card.model_copy(update={"file": path.parent / card.file.expanduser()})
    if card.is_own:
        own = read_card(card.file)
        if card.classes and card.classes != own.classes:
            raise InputError(
                f"{path}, {SECTION}.classes: found {', '.join(card.classes)}; expected those of {card.file / CARD}: "
                f"{', '.join(own.classes)}; leave classes out."
            )
        return card.model_copy(update={"classes": own.classes, "dimensions": own.dimensions})
    if len(card.classes) < 2:
        raise InputError(
            f"{path}, {SECTION}.classes: found {len(card.classes)} name(s); expected those of the groups that the "
            "classifier tells apart, in the order of its outputs: name two or more."
        )
    if card.size and len(card.size) != card.dimensions:
        raise InputError(
            f"{path}, {SECTION}.size: found {len(card.size)} numbers; expected {card.dimensions} for "
            f"{'slices' if card.dimensions == 2 else 'volumes'} ({SECTION}.dimensions): correct one of the two."
        )
    return card


def content_of(given: GivenCard) -> str:
    """A hash of a card, of the file that it names and of the code of a network."""
    found = hashlib.sha256(given.model_dump_json(exclude={"file"}).encode())
    files = [given.file / name for name in (WEIGHTS, CARD)] if given.is_own else [given.file]
    if given.network:
        files.append(source_file(given.network))
    for file in files:
        with file.open("rb") as opened:
            found.update(hashlib.file_digest(opened, "sha256").digest())
    return found.hexdigest()


def check_fits(given: GivenCard, classes: int, dimensions: Dimensions) -> None:
    """Refuse a classifier of other classes or pictures than the study's.

    Raises:
        InputError: it is such a one.
    """
    if len(given.classes) != classes:
        raise InputError(
            f"{given.file}: tells {len(given.classes)} classes apart ({', '.join(given.classes)}); expected {classes}, "
            "as the study has: set cohort.groups to the classifier's."
        )
    if given.dimensions != dimensions:
        raise InputError(
            f"{given.file}: takes {'volumes' if given.dimensions == 3 else 'slices'}; expected pictures.dimensions = "
            f"{given.dimensions}: set it."
        )


def open_given(given: GivenCard, channels: int) -> nn.Module:
    """Open a classifier behind the convention of this package: pictures in [0, 1] to logits.

    It stays the network that the file holds, with the names of its layers, and gets one more, `input`, that makes of
    pictures what it takes. A single output, of two classes, becomes two logits that differ by it.

    Args:
        given: its card.
        channels: of the pictures.

    Raises:
        InputError: the file cannot be opened, or does not take or give what its card says.
    """
    network = open_model(given.file, given.network, given.arguments or None)
    opened: OpenedFile = network.opened_file  # type: ignore[assignment]  # every opened network has it
    if opened.batch is not None:
        raise InputError(
            f"{given.file}: was saved for {opened.batch} image(s) at once; expected any number: save it with a batch "
            "axis of any length."
        )
    shape = opened.shape or ()
    _check_shape(given, shape)
    wanted = given.channels or tuple(range((shape[0] if shape else None) or channels))
    if max(wanted) >= channels:
        raise InputError(
            f"{given.file}: takes {len(wanted)} channels; found pictures of {channels}: give sequences "
            f"(cohort.sequences) for as many, or name channels ({SECTION}.channels) from 0 to {channels - 1}."
        )
    for name, values in (("mean", given.mean), ("deviation", given.deviation)):
        if len(values) not in {1, len(wanted)}:
            raise InputError(
                f"{given.file}, {SECTION}.{name}: found {len(values)} numbers; expected one, or {len(wanted)}, one for "
                "each channel."
            )
    sides = [side for side in shape[1:] if side is not None]
    size = given.size or (tuple(sides) if sides and len(sides) == len(shape) - 1 else None)
    run_before(network, INPUT, GivenInput(given, wanted, size))
    network.register_forward_hook(partial(_as_logits, given))
    return network.eval()


def _check_shape(given: GivenCard, shape: tuple[int | None, ...]) -> None:
    """Refuse a card that says otherwise than its file, whose images have a shape (channels, *spatial).

    Raises:
        InputError: it does.
    """
    if not shape:
        return
    said = ", ".join("any" if side is None else str(side) for side in shape)
    if len(shape) != given.dimensions + 1:
        raise InputError(
            f"{given.file}, {SECTION}.dimensions: found {given.dimensions}; expected {len(shape) - 1}, as the file "
            f"takes images of shape ({said}): correct it."
        )
    for name, values, sides in (
        ("channels", given.channels and (len(given.channels),), shape[:1]),
        ("size", given.size, shape[1:]),
    ):
        if values and any(side not in {None, value} for value, side in zip(values, sides, strict=True)):
            found = given.channels if name == "channels" else given.size
            raise InputError(
                f"{given.file}, {SECTION}.{name}: found {list(found or ())}; expected what suits images of shape "
                f"({said}), channels first, which the file takes: correct it, or leave it out."
            )


class GivenInput(nn.Module):
    """Pictures (B, C, *spatial) in [0, 1] as a classifier takes them: chosen, resampled, scaled, as `takes` says."""

    order: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, given: GivenCard, channels: tuple[int, ...], size: tuple[int, ...] | None) -> None:
        super().__init__()
        over = (1, -1, *[1] * given.dimensions)
        self.size = size
        scale = {"mean": given.mean, "deviation": given.deviation}
        self.takes = {"file": given.file.name, "channels": channels, "size": size, **scale}
        self.register_buffer("order", torch.tensor(channels))
        for name, values in (("mean", given.mean), ("deviation", given.deviation)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).reshape(over))

    def forward(self, pictures: Tensor) -> Tensor:
        """Choose, resample linearly, scale."""
        chosen = pictures.index_select(1, self.order)
        if self.size is not None and tuple(chosen.shape[2:]) != tuple(self.size):
            mode = "bilinear" if chosen.ndim == 4 else "trilinear"
            chosen = functional.interpolate(chosen, size=self.size, mode=mode, align_corners=False)
        return (chosen - self.mean) / self.deviation


def _as_logits(given: GivenCard, _: nn.Module, arguments: tuple[Any, ...], output: object) -> Tensor:
    if isinstance(output, Mapping):
        output = output.get("logits", output)
    logits = getattr(output, "logits", output)
    classes = len(given.classes)
    if isinstance(logits, Tensor) and logits.ndim == 2 and logits.shape[1] == 1 and classes == 2:
        return torch.cat([-logits / 2, logits / 2], dim=1)
    if isinstance(logits, Tensor) and logits.ndim == 2 and logits.shape[1] == classes:
        return logits
    found = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
    raise InputError(
        f"{given.file}: gives {found} for {len(arguments[0])} pictures; expected logits ({len(arguments[0])}, "
        f"{classes}), one for each of {', '.join(given.classes)}: name its classes."
    )
