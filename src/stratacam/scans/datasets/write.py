"""The BIDS folder that the import of a data set writes."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from stratacam.files import write_json, write_table, write_text
from stratacam.scans.cohort.bids import LeftOut, scan_name
from stratacam.scans.datasets.layout import Found, Layout, Values
from stratacam.scans.image_file import image_end
from stratacam.scans.truth import STATEMENT

TABLE = "import.tsv"
BIDS_VERSION = "1.10.0"


@dataclass(frozen=True)
class Taken:
    """A scan that is written; `values` are of its person, "" for a group that is missing."""

    label: str
    found: Found
    values: Values

    @property
    def name(self) -> str:
        """As in "sub-01_ses-1"."""
        return scan_name(self.label, self.found.session)

    @property
    def anat(self) -> Path:
        """Its folder below a data set."""
        session = f"ses-{self.found.session}" if self.found.session else ""
        return Path(f"sub-{self.label}", session, "anat")


def write_dataset(
    out: Path,
    layout: Layout,
    source: Path,
    taken: Sequence[Taken],
    left_out: Sequence[LeftOut],
    *,
    truth: Mapping[str, Sequence[str]],
    copy: bool,
) -> None:
    """Write scans, masks and tables.

    Args:
        out: the folder.
        layout: of the data set.
        source: folder of the data set.
        taken: whose files are written; of everything there is one file.
        left_out: for `import.tsv`.
        truth: by group, the structures that are its truth; nothing is written if it is empty.
        copy: copy files instead of linking to them.
    """
    derivatives = Path("derivatives", layout.name)
    rows: list[tuple[str, ...]] = []
    for scan in taken:
        for folder, files in ((Path(), scan.found.images), (derivatives, scan.found.masks)):
            for what, (file,) in sorted(files.items()):
                path = folder / scan.anat / f"{scan.name}_{what}{(image_end(file.name) or '').lower()}"
                _put(file, out / path, copy=copy)
                rows.append((scan.name, _relative(file, source), path.as_posix(), "taken"))
    rows += [(one.name, "n/a", "n/a", one.reason) for one in left_out]
    write_table(out / TABLE, [("scan", "source", "file", "state"), *sorted(rows)])
    write_text(out / ".bidsignore", f"{TABLE}\n")
    _write_participants(out, taken)
    write_json(
        out / "dataset_description.json", _description(layout, "raw", layout.title, made_by="stratacam")
    )
    if any(scan.found.masks for scan in taken):
        # Named as the data set's work, not ours: `stratacam prepare` uses supplied brain masks only of others.
        masks = _description(
            layout, "derivative", f"{layout.name}: masks of the data set", made_by=layout.name
        )
        write_json(out / derivatives / "dataset_description.json", masks)
    if truth:
        write_json(out / derivatives / STATEMENT, dict(truth))


def _put(file: Path, path: Path, *, copy: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if copy:
        shutil.copyfile(file, path)
    else:
        path.symlink_to(file.resolve())


def _relative(file: Path, source: Path) -> str:
    return file.relative_to(source).as_posix()


def _write_participants(out: Path, taken: Sequence[Taken]) -> None:
    people = {scan.label: scan.values for scan in taken}
    columns = ["group", *sorted({column for values in people.values() for column in values} - {"group"})]
    write_table(
        out / "participants.tsv",
        [
            ("participant_id", *columns),
            *(
                (f"sub-{label}", *(values.get(column) or "n/a" for column in columns))
                for label, values in sorted(people.items())
            ),
        ],
    )


def _description(layout: Layout, kind: str, name: str, *, made_by: str) -> dict[str, object]:
    maker = {"Name": made_by} | ({"Version": version("stratacam")} if made_by == "stratacam" else {})
    return {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": kind,
        "License": layout.license,
        "HowToAcknowledge": "Please cite: " + " ".join(layout.citations),
        "ReferencesAndLinks": [*layout.citations, layout.url],
        "SourceDatasets": [{"URL": layout.url}],
        "GeneratedBy": [maker],
    }
