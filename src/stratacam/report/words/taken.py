"""What the network takes of the study's pictures: of a classifier that was given by its card, else all."""

from collections.abc import Mapping, Sequence
from typing import Any

from stratacam.report.content import StudyContent
from stratacam.report.numbers import counted, listed


def taken(study: StudyContent) -> Mapping[str, Any]:
    """What a given classifier takes, as its card and file say; empty of networks that take the pictures as they are."""
    found: Mapping[str, Any] = study.card.input.get("takes", {})
    return found


def sequences_taken(study: StudyContent) -> Sequence[str]:
    """The sequences that the network sees, in its order."""
    sequences: Sequence[str] = study.card.input["sequences"]
    found = taken(study)
    if not found or study.card.input.get("channels", "sequences") != "sequences":
        return sequences
    return [sequences[channel] for channel in found["channels"]]


def input_in_words(study: StudyContent) -> str:
    """Channels and pixels, such as "3 channels of 128 pixels"."""
    found, inputs = taken(study), study.card.input
    if found:
        count = counted(len(found["channels"]), "channel")
        return (
            f"{count} of {_pixels(found['size'])}" if found["size"] else f"{count} of {inputs['size']} pixels"
        )
    if study.card.branches:
        return f"{len(inputs['sequences'])} branches, one for each sequence, of {inputs['size']} pixels"
    return f"{counted(len(inputs['sequences']), 'channel')} of {inputs['size']} pixels"


def how_it_is_taken(study: StudyContent) -> str:
    """How pictures become the input of a given classifier; "" where they are taken as they are."""
    found = taken(study)
    if not found:
        return ""
    named = study.card.input.get("channels", "sequences") == "sequences"
    channels = f" ({', '.join(sequences_taken(study))})" if named else ""
    size = " at the size of the pictures"
    if found["size"]:
        pixels = _pixels(found["size"])
        as_they_are = list(found["size"]) == list(study.card.input.get("shape", ()))
        size = f" of {pixels}" if as_they_are else f", resampled linearly to {pixels}"
    scaled = (
        f", less {_numbers(found['mean'], 'mean')}, divided by {_numbers(found['deviation'], 'deviation')}"
        if {*found["mean"]} != {0} or {*found["deviation"]} != {1}
        else ""
    )
    return (
        f"The classifier takes {counted(len(found['channels']), 'channel')}{channels}{size}: intensities from 0 "
        f"(black) to 1{scaled}."
    )


def _pixels(size: Sequence[int]) -> str:
    return f"{' x '.join(map(str, size))} {'pixels' if len(size) == 2 else 'voxels'}"


def _numbers(values: Sequence[float], name: str) -> str:
    """One number for all channels, or those of each."""
    if len(values) == 1:
        return f"the {name} {values[0]:g}"
    return f"the {name}s {listed([f'{value:g}' for value in values])}"
