"""A finished study, opened for Python and notebooks."""

from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel
from torch import nn

from stratacam.errors import InputError, did_you_mean
from stratacam.files import RECORDS
from stratacam.maps import ScanMaps
from stratacam.networks import ModelCard, load_model
from stratacam.report.content import StudyContent, read_study
from stratacam.report.content.evidence import evidence_folders, read_evidence
from stratacam.report.overlay import WHITE
from stratacam.report.words.summary import summary
from stratacam.results.evidence import Evidence
from stratacam.results.frames import frame_of, read_frame
from stratacam.results.html import table
from stratacam.results.viewer import widget_of
from stratacam.scans.prepared import PreparedScan
from stratacam.study.folders import study_folders

if TYPE_CHECKING:
    import pandas as pd
    from ipyniivue import NiiVue


def open_study(folder: Path | str) -> "Study":
    """Open a study that `stratacam run` has made.

    Args:
        folder: `out` of its settings.

    Raises:
        InputError: there is no study, or it is unfinished or damaged.

    Example:
        study = stratacam.open_study("results")
        study.table("evaluation/comparison")  # a data frame
        maps = study.maps(study.explained[0])
        maps.raw(maps.layers[0])  # an array
        study.map_image(maps.name, maps.layers[0])  # a NIfTI image
    """
    return Study(read_study(study_folders(Path(folder))))


class Study:
    """A finished study: people, tables, models, scans, maps and evidence. In a notebook it shows its first answers.

    Nothing is written, and maps and images are read when they are asked for.
    """

    def __init__(self, content: StudyContent) -> None:
        self._content = content

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._content.folders.root

    @property
    def name(self) -> str:
        """What its settings call it."""
        return str(self._content.configuration.get("name", self.folder.name))

    @property
    def report(self) -> Path:
        """The report, a page of HTML."""
        return self._content.folders.report

    @property
    def classes(self) -> tuple[str, ...]:
        """The groups that the networks tell apart, in the order of their outputs."""
        return self._content.card.classes

    @property
    def scans(self) -> tuple[str, ...]:
        """Names of the prepared scans, such as "sub-01_ses-2"."""
        return tuple(self._content.scans)

    @property
    def explained(self) -> tuple[str, ...]:
        """Names of the scans that there are maps of."""
        return tuple(self._content.maps)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the trained models."""
        return tuple(trained.run.name for model in self._content.models for trained in model.runs)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of all tables, which are their places in the study without ".tsv"."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*.tsv"))
        return tuple(sorted(path.with_suffix("").as_posix() for path in found if RECORDS not in path.parts))

    @cached_property
    def evidence(self) -> tuple[Evidence, ...]:
        """What `stratacam evidence` found, of each network and of the consensus of several; none before it has run."""
        folders = evidence_folders(self._content.folders)
        return tuple(Evidence(read_evidence(one, network, self.classes)) for one, network in folders.items())

    @property
    def people(self) -> "pd.DataFrame":
        """A row for each subject: group, part of the split (or fold), and of held-out ones the prediction."""
        predicted = {f"sub-{row['subject'].removeprefix('sub-')}": row for row in self._content.predictions}
        return frame_of(
            {
                "subject": subject,
                "group": group,
                "part": self._content.part.get(subject, ""),
                "predicted": predicted.get(subject, {}).get("predicted", ""),
            }
            for subject, group in self._content.group.items()
        )

    def table(self, name: str) -> "pd.DataFrame":
        """A table of the study.

        Args:
            name: one of `tables`, such as "evaluation/comparison"; the end of it is enough where no other ends so.

        Raises:
            InputError: there is none, or there are several.
        """
        names = self.tables
        fitting = [one for one in names if one == name] or [
            one for one in names if f"/{one}".endswith(f"/{name.removesuffix('.tsv')}")
        ]
        if len(fitting) != 1:
            hint = f"it may be {', '.join(fitting)}: say which" if fitting else did_you_mean(name, names)
            raise InputError(f"{self.folder}: found no one table {name!r}; {hint or 'see Study.tables'}.")
        return read_frame(self.folder / f"{fitting[0]}.tsv")

    def model(self, name: str | None = None, *, network: str | None = None) -> tuple[nn.Module, ModelCard]:
        """A trained model in evaluation mode, and its card.

        Args:
            name: one of `models`; the first if absent.
            network: for a network of your own the reference of its function, see `load_model`.
        """
        return load_model(
            self._content.folders.models / _one_of("model", name or self.models[0], self.models), network
        )

    def maps(self, scan: str, *, recommended: bool = False) -> ScanMaps:
        """The maps of a scan.

        Args:
            scan: one of `explained`.
            recommended: those of the recommended method and networks.

        Raises:
            InputError: there are none.
        """
        found = self._content.recommended_maps if recommended else self._content.maps
        if recommended and not found:
            raise InputError(
                f"{self.folder}: no map is recommended; see Study.evidence, or leave recommended out."
            )
        return found[_one_of("explained scan", scan, tuple(found))]

    def image(self, scan: str, sequence: str, *, delivered: bool = False) -> nibabel.Nifti1Image:
        """An image of a scan: prepared, or as it was delivered.

        Args:
            scan: one of `scans`.
            sequence: such as "FLAIR".
            delivered: the one that the study was given.
        """
        found = self._scan(scan)
        path = (
            found.delivered(_sequence(found, sequence))
            if delivered
            else found.image(_sequence(found, sequence))
        )
        return nibabel.load(path)  # type: ignore[return-value]  # a prepared image is NIfTI

    def map_image(
        self, scan: str, layer: str, *, sequence: str | None = None, recommended: bool = False
    ) -> nibabel.Nifti1Image:
        """A raw map as an image: on the grid of the prepared scan, or of a sequence as it was delivered.

        Args:
            scan: one of `explained`.
            layer: one of the layers of `maps(scan)`.
            sequence: whose delivered grid it is to lie on.
            recommended: see `maps`.
        """
        maps, found = self.maps(scan, recommended=recommended), self._scan(scan)
        if sequence is None:
            affine = nibabel.load(found.image(found.sequences[0])).affine  # type: ignore[attr-defined]
        else:
            affine = nibabel.load(found.delivered(_sequence(found, sequence))).affine  # type: ignore[attr-defined]
        return nibabel.Nifti1Image(maps.volume(layer, sequence), affine)

    def viewer(
        self,
        scan: str,
        layer: str,
        *,
        sequence: str | None = None,
        delivered: bool = False,
        recommended: bool = False,
        threshold: float = 0.1,
        opacity: float = 0.8,
    ) -> "NiiVue":
        """A viewer in the notebook: a scan with the heat of a layer over it, as `stratacam view` draws it.

        Heat is normalised by the scan: its maximum over all slices is 1.

        Args:
            scan: one of `explained`.
            layer: one of the layers of `maps(scan)`.
            sequence: the image; the one on which lesions stand out if absent.
            delivered: show the image as it was delivered, not as prepared.
            recommended: see `maps`.
            threshold: heat below it is not drawn.
            opacity: of strong heat.

        Raises:
            InputError: ipyniivue is not installed (the extra `notebook`), or there are no such maps.

        Example:
            maps = study.maps(study.explained[0])
            study.viewer(maps.name, maps.layers[0])  # the last line of a cell
        """
        maps, found = self.maps(scan, recommended=recommended), self._scan(scan)
        chosen = _sequence(found, sequence or self._content.sequence)
        heat, geometry = maps.heat(layer), maps.geometry
        return widget_of(
            found.delivered(chosen) if delivered else found.image(chosen),
            geometry.to_delivered(heat, chosen) if delivered else geometry.to_volume(heat),
            name=layer,
            white=None if delivered else WHITE,
            threshold=threshold,
            opacity=opacity,
        )

    def __repr__(self) -> str:
        explained = f"{len(self.explained)} of {len(self.scans)} scans explained"
        return f"Study({self.name!r}, {' or '.join(self.classes)}: {explained})"

    def _repr_html_(self) -> str:
        answers = summary(self._content, [one.content for one in self.evidence])
        rows = [(answer.question, f"{answer.short} {answer.more}") for answer in answers]
        place = escape(str(self.report))
        return f"<p><b>{escape(self.name)}</b></p>{table(rows)}<p>Report: <code>{place}</code></p>"

    def _scan(self, name: str) -> PreparedScan:
        return self._content.scans[_one_of("scan", name, self.scans)]


def _one_of(kind: str, name: str, names: tuple[str, ...]) -> str:
    """A name that is there.

    Raises:
        InputError: it is not.
    """
    if name not in names:
        hint = did_you_mean(name, names)
        raise InputError(f"found no {kind} {name!r}; {hint}there are {', '.join(names) or 'none'}.")
    return name


def _sequence(scan: PreparedScan, sequence: str) -> str:
    return _one_of(f"sequence of {scan.name}", sequence, tuple(scan.sequences))
