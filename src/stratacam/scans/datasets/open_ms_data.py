"""open_ms_data: MR images of people with multiple sclerosis, by the Laboratory of Imaging Technologies, Ljubljana.

    cross_sectional/coregistered/patient01/   T1W T1WKS T2W FLAIR consensus_gt brainmask
    cross_sectional/raw/patient01/            T1W T1WKS T2W FLAIR consensus_gt
    longitudinal/coregistered/patient01/      study1_T1W study1_T2W study1_FLAIR study2_... gt brainmask
    longitudinal/raw/patient01/               study1_T1W ... study2_...

Coregistered images, masks and brain mask are on the grid of the FLAIR. `gt` marks changes between the two studies, not
lesions. Raw images share no space; the raw lesion mask is on the FLAIR. `T1WKS` is after contrast agent.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from stratacam.errors import InputError
from stratacam.scans.cohort.delimited import is_missing, read_table
from stratacam.scans.datasets.layout import Found, Layout, Person, Values, files_named, paragraphs

NUMBER = re.compile(r"0*(\d+)")
"""The first number in an id, such as 1 of "patient01" and, as spreadsheets write it, of "1.0"."""

PATIENT = re.compile(r"patient0*(\d+)", re.IGNORECASE)
KINDS = ("coregistered", "raw")
IMAGES = {"T1w": "T1W", "ce-gadolinium_T1w": "T1WKS", "T2w": "T2W", "FLAIR": "FLAIR"}
LESIONS = r"consensus_gt|gold_standard"
TABLES = ("demographics.csv", "patient_info.csv")
IDS = ("id", "patient_id")
COLUMNS = {
    "age": "age",
    "patient_age_at_first_study": "age",
    "sex": "sex",
    "ms_type": "ms_type",
    "edss": "edss",
}
"""Columns of the data set's tables, and what they are called here."""


def find(folder: Path, raw: bool) -> list[Person]:
    """Find the patients below a folder, which is the data set, one of its parts, or a folder of patients.

    Raises:
        InputError: it holds both parts, in which the same numbers are other people.
    """
    kind = KINDS[raw]
    places = sorted({path.parent for path in _patients(folder)})
    wanted = [
        place for place in places if place.name == kind or (place == folder and place.name not in KINDS)
    ]
    if len(wanted) > 1:
        raise InputError(
            f"{folder}: holds {' and '.join(str(place.relative_to(folder)) for place in wanted)}; expected one of "
            "them, as their numbers are of different people: name one, such as "
            f"{wanted[0].parent}."
        )
    return [_person(path, raw, _values(wanted[0])) for path in _patients(folder) if path.parent in wanted]


def _patients(folder: Path) -> list[Path]:
    below = ("*", "*/*", "*/*/*")
    paths = (path for pattern in below for path in folder.glob(pattern))
    return sorted(path for path in paths if PATIENT.fullmatch(path.name) and path.is_dir())


def _person(folder: Path, raw: bool, values: Mapping[str, Values]) -> Person:
    number = re.sub(r"\D", "", folder.name)
    before = rf"(?:{folder.name}_)?"
    brain = {} if raw else {"desc-brain_mask": rf"{before}brainmask"}
    label = "space-FLAIR_label-lesion_mask" if raw else "label-lesion_mask"
    scans = [
        Found(
            None,
            folder,
            _images(folder, before),
            files_named(folder, {label: before + f"(?:{LESIONS})", **brain}),
        )
    ]
    studies = [(study, _images(folder, rf"{before}study{study}_")) for study in ("1", "2")]
    if any(images for _, images in studies):
        change = {} if raw else {"label-change_mask": rf"{before}gt"}
        scans = [
            Found(study, folder, images, files_named(folder, brain | (change if study == "2" else {})))
            for study, images in studies
        ]
    plain = number.lstrip("0")
    return Person(number, folder, tuple(scans), values.get(plain, {}), plain)


def _images(folder: Path, before: str) -> dict[str, tuple[Path, ...]]:
    return files_named(folder, {what: before + name for what, name in IMAGES.items()})


def _values(place: Path) -> dict[str, Values]:
    """By number of the patient, without zeros in front, what the table beside the images says."""
    path = next((table for name in TABLES for table in sorted(place.parent.glob(f"*{name}"))), None)
    if path is None:
        return {}
    table = read_table(path, [])
    key = next((column for column in IDS if column in table.columns), None)
    if key is None:
        raise InputError(
            f"{path}: has the columns {', '.join(table.columns)}; expected {' or '.join(IDS)} among "
            "them: download it again."
        )
    return {
        number[1]: {
            COLUMNS[column]: value
            for column, value in row.fields.items()
            if column in COLUMNS and not is_missing(value)
        }
        for row in table.rows
        for number in [NUMBER.search(row[key])]
        if number
    }


CITATIONS = """
Lesjak Ž, Galimzianova A, Koren A, et al. A novel public MR image dataset of multiple sclerosis patients with lesion
segmentations based on multi-rater consensus. Neuroinformatics 2018;16:51-63. https://doi.org/10.1007/s12021-017-9348-7

Lesjak Ž, Pernuš F, Likar B, Špiclin Ž. Validation of white-matter lesion change detection methods on a novel publicly
available MRI image database. Neuroinformatics 2016;14:403-420. https://doi.org/10.1007/s12021-016-9301-1
"""

OPEN_MS_DATA = Layout(
    name="open_ms_data",
    title="open_ms_data: 3D MR images of people with multiple sclerosis and white matter lesions",
    url="https://github.com/muschellij2/open_ms_data",
    license="CC-BY",
    citations=paragraphs(CITATIONS),
    group="MS",
    expected="folders patient01, patient02 ... in coregistered or raw, such as cross_sectional/coregistered/patient01",
    find=find,
)
