"""Where a study keeps what."""

from dataclasses import dataclass
from pathlib import Path

RECORDS = ".stratacam"
"""Folder of the records of what is done, in every folder that work is done in."""


@dataclass(frozen=True)
class StudyFolders:
    """The folders and files of a study below its root.

    Attributes:
        root: of the study.
        shared: folder of prepared scans, if not the study's own.
    """

    root: Path
    shared: Path | None = None

    @property
    def configuration(self) -> Path:
        """The configuration as it was used, every default written out."""
        return self.root / "study.json"

    @property
    def prepared(self) -> Path:
        """BIDS derivatives of the prepared scans."""
        return self.shared or self.root / "prepared"

    @property
    def pictures(self) -> Path:
        """The network's pictures of every scan, for memory mapping."""
        return self.root / "pictures"

    @property
    def work(self) -> Path:
        """What training needs on the way; empty when it has ended."""
        return self.root / "work"

    @property
    def activations(self) -> Path:
        """What frozen layers give for every scan, in a folder for each set of frozen weights."""
        return self.root / "activations"

    @property
    def models(self) -> Path:
        """The trained models, a folder for each run, and `runs.json`, which lists them."""
        return self.root / "models"

    @property
    def runs(self) -> Path:
        """Which trainings there are: network, seed and fold of each, and the subjects that it held out."""
        return self.models / "runs.json"

    @property
    def evaluation(self) -> Path:
        """Metrics, predictions and confusion matrices: a folder for each network and seed, and for each baseline."""
        return self.root / "evaluation"

    @property
    def comparison(self) -> Path:
        """Every network and baseline in one table, as JSON; the same as `comparison.tsv`."""
        return self.evaluation / "comparison.json"

    @property
    def measures(self) -> Path:
        """Simple measures of every scan, for the baselines."""
        return self.root / "measures"

    @property
    def leakage(self) -> Path:
        """What `stratacam leakage` found."""
        return self.root / "leakage"

    @property
    def evidence(self) -> Path:
        """What `stratacam evidence` found, in a folder for each network."""
        return self.root / "evidence"

    @property
    def maps(self) -> Path:
        """BIDS derivatives of maps."""
        return self.root / "maps"

    @property
    def figures(self) -> Path:
        """The report's pictures, as PNG."""
        return self.root / "figures"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    @property
    def left_out(self) -> Path:
        """Scans that could not be used: name, step and reason."""
        return self.root / "left_out.tsv"

    @property
    def provenance(self) -> Path:
        """Versions, machine and times."""
        return self.root / "provenance.json"

    @property
    def records(self) -> Path:
        """What has been done, from which inputs and with which settings."""
        return self.root / RECORDS
