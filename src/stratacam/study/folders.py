"""Where a study keeps what."""

from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import RECORDS, read_json


class _Below:
    """A file or folder below the root of a study."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def __get__(self, folders: "StudyFolders", _kind: type) -> Path:
        return folders.root.joinpath(*self.parts)


@dataclass(frozen=True)
class StudyFolders:
    """The folders and files of a study below its root.

    Attributes:
        root: of the study.
        shared: folder of prepared scans, if not the study's own.
    """

    root: Path
    shared: Path | None = None

    configuration = _Below("study.json")
    """The configuration as it was used, every default written out."""
    pictures = _Below("pictures")
    """The network's pictures of every scan, for memory mapping."""
    work = _Below("work")
    """What training needs on the way; empty when it has ended."""
    activations = _Below("activations")
    """What frozen layers give for every scan, in a folder for each set of frozen weights."""
    models = _Below("models")
    """The trained models, a folder for each run, and `runs.json`, which lists them."""
    runs = _Below("models", "runs.json")
    """Which trainings there are: network, seed and fold of each, and the subjects that it held out."""
    evaluation = _Below("evaluation")
    """Metrics, predictions and confusion matrices: a folder for each network and seed, and for each baseline."""
    comparison = _Below("evaluation", "comparison.json")
    """Every network and baseline in one table, as JSON; the same as `comparison.tsv`."""
    confounds = _Below("evaluation", "confounds.json")
    """What the group, and the network's outputs within the groups, follow from; the same as `confounds.tsv`."""
    sample_size = _Below("evaluation", "sample_size.json")
    """What the numbers of the study can show."""
    measures = _Below("measures")
    """Simple measures of every scan, for the baselines."""
    surroundings = _Below("surroundings")
    """Measures of what is around the brain of every scan, for the audit of confounds."""
    leakage = _Below("leakage")
    """What `stratacam leakage` found."""
    permutations = _Below("permutations")
    """What `stratacam permute` found."""
    evidence = _Below("evidence")
    """What `stratacam evidence` found, in a folder for each network."""
    recommended = _Below("evidence", "recommended.json")
    """Which map is recommended, of the first network, and what the rule says of every other."""
    recommended_maps = _Below("recommended")
    """BIDS derivatives of the recommended map, and how reliable it is; nothing where none is recommended."""
    maps = _Below("maps")
    """BIDS derivatives of maps."""
    reliability = _Below("maps", "reliability.tsv")
    """How reliable maps of several networks are, by layer and method."""
    figures = _Below("figures")
    """The report's pictures, as PNG."""
    report = _Below("report.html")
    """The report."""
    model_card = _Below("model_card.md")
    """What the model is for, whom it saw, how well it does, and its limits: a section of the report as a file."""
    references = _Below("references.bib")
    """The works that the report's methods section cites, as BibTeX."""
    left_out = _Below("left_out.tsv")
    """Scans that could not be used: name, step and reason."""
    provenance = _Below("provenance.json")
    """Versions, machine and times."""
    resources = _Below("resources.tsv")
    """Time and memory of every task, by step and name."""
    records = _Below(RECORDS)
    """What has been done, from which inputs and with which settings."""

    @property
    def prepared(self) -> Path:
        """BIDS derivatives of the prepared scans."""
        return self.shared or self.root / "prepared"


def study_folders(path: Path) -> StudyFolders:
    """The folders of the study that has been run at `path`.

    Raises:
        InputError: if there is none.
    """
    file = StudyFolders(path).configuration
    if not file.is_file():
        raise InputError(
            f"{path}: holds no study ({file.name} is missing); run one first with `stratacam run`."
        )
    prepared = read_json(file).get("cohort", {}).get("prepared")
    return StudyFolders(path, prepared and Path(prepared))
