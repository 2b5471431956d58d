"""What a page that is passed on must not hold: places on the machine that made it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stratacam.networks.registry import card_of, is_given
from stratacam.report.content import StudyContent

ABSOLUTE = re.compile(r"(?<![\w.:/\\~-])/(?:[^\s/'\"“”<>,;:()]+/)*(?=[\w.])|\b[A-Za-z]:\\(?:[^\\\s]+\\)*")
"""The folders of an absolute path, on any system; what is left is the name of a file or folder."""


@dataclass(frozen=True)
class Privacy:
    """Folders of a study that may stand in its texts, longest first."""

    folders: Sequence[str]

    @classmethod
    def of(cls, study: StudyContent) -> Self:
        """The folders of a study, of its cohort and of a given classifier's card, and the home folder."""
        named = study.configuration.get("network", {}).get("architecture", "")
        cards = {
            card_of(one).parent for one in ([named] if isinstance(named, str) else named) if is_given(one)
        }
        paths = {study.folders.root, study.folders.prepared, study.delivered, Path.home(), *cards}
        names = {str(path) for one in paths for path in (one, one.absolute())} - {".", "/"}
        return cls(sorted((name for name in names if Path(name).is_absolute()), key=len, reverse=True))

    def without_paths(self, text: str) -> str:
        """A text in which every absolute path is its last part.

        Example:
            >>> Privacy(()).without_paths("/data/ms/sub-01_T1w.nii.gz: not found; T1w/T2w of 1/2")
            'sub-01_T1w.nii.gz: not found; T1w/T2w of 1/2'
        """
        for folder in self.folders:
            text = text.replace(f"{folder}/", "").replace(folder, Path(folder).name)
        return ABSOLUTE.sub("", text)
