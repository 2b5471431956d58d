"""Where a study keeps what."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StudyFolders:
    """The folders and files of a study below its root."""

    root: Path

    @property
    def configuration(self) -> Path:
        """The configuration as it was used, every default written out."""
        return self.root / "study.json"

    @property
    def prepared(self) -> Path:
        """BIDS derivatives of the prepared scans."""
        return self.root / "prepared"

    @property
    def pictures(self) -> Path:
        """The network's pictures of every scan, for memory mapping."""
        return self.root / "pictures"

    @property
    def work(self) -> Path:
        """What training needs on the way; empty when it has ended."""
        return self.root / "work"

    @property
    def model(self) -> Path:
        """The trained model: weights, card, split and history."""
        return self.root / "model"

    @property
    def evaluation(self) -> Path:
        """Metrics, predictions and confusion matrices."""
        return self.root / "evaluation"

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
        return self.root / ".stratacam"
