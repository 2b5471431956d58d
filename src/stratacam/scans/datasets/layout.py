"""What a layout is: where a data set keeps the images, masks and values of every scan."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Values = Mapping[str, str]
"""Column of participants.tsv to value."""


@dataclass(frozen=True)
class Found:
    """The files of one scan.

    Attributes:
        session: label, "1"; None if every person has one scan.
        place: folder of the images, for messages.
        images: what follows the name of the scan in BIDS ("T1w", "ce-gadolinium_T1w"), to the files that may be it.
        masks: likewise ("label-lesion_mask", "desc-brain_mask").
    """

    session: str | None
    place: Path
    images: Mapping[str, Sequence[Path]]
    masks: Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class Person:
    """One person of a data set.

    Attributes:
        label: letters and digits, as in "sub-01".
        place: folder of the person.
        scans: one, or one for each session.
        values: what the data set's own tables say.
        number: what tells people apart, without zeros in front of numbers; the label if absent.
    """

    label: str
    place: Path
    scans: tuple[Found, ...]
    values: Values = field(default_factory=dict)
    number: str = ""

    def is_same(self, other: "Person") -> bool:
        """Whether two folders are of one person, as far as their names say."""
        return self.label == other.label or (self.number or self.label) == (other.number or other.label)


Find = Callable[[Path, bool], list[Person]]


@dataclass(frozen=True)
class Layout:
    """An entry of the registry.

    Attributes:
        name: on the command line.
        title: of the data set.
        url: where it can be had.
        license: of the data.
        citations: to be cited by whoever uses it.
        group: of everybody, if no other is asked for.
        expected: what a folder in this layout holds, for messages.
        find: finds the persons below a folder, of the raw or the registered images; empty if it is another layout.
    """

    name: str
    title: str
    url: str
    license: str
    citations: tuple[str, ...]
    group: str
    expected: str
    find: Find


def files_named(folder: Path, patterns: Mapping[str, str]) -> dict[str, tuple[Path, ...]]:
    """The files of a folder by what they are; broken links count as files, so that they can be reported.

    Args:
        folder: looked in, not below; none if it is not there.
        patterns: what a file is, to a regular expression of its whole name without .nii or .nii.gz, in any case.
    """
    names = sorted(folder.iterdir()) if folder.is_dir() else []
    images = [(path, re.fullmatch(r"(.+)\.nii(?:\.gz)?", path.name, re.IGNORECASE)) for path in names]
    found = {
        what: tuple(
            path
            for path, name in images
            if name
            and (path.is_symlink() or path.is_file())
            and re.fullmatch(pattern, name[1], re.IGNORECASE)
        )
        for what, pattern in patterns.items()
    }
    return {what: files for what, files in found.items() if files}


def paragraphs(text: str) -> tuple[str, ...]:
    r"""The paragraphs of a text, each in one line.

    Example:
        >>> paragraphs("one\nline\n\nanother")
        ('one line', 'another')
    """
    return tuple(" ".join(part.split()) for part in text.strip().split("\n\n"))
