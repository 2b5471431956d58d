"""MSSEG 2016: the training and test data of the MICCAI challenge on lesions of multiple sclerosis.

    [Training/]Center_01/Patient_01/Raw_Data/            T1 GADO T2 DP FLAIR (also 3DT1, 3DT1GADO, 3DFLAIR)
    [Training/]Center_01/Patient_01/Preprocessed_Data/   T1_preprocessed ...
    [Training/]Center_01/Patient_01/Masks/               Consensus Brain_Mask ManualSegmentation_1 ...
    01016SACH/                                           3DT1 3DT1GADO T2 DP 3DFLAIR Consensus ...

Preprocessed images, consensus and brain mask are on the grid of the FLAIR. Raw images share no space; the consensus is
on the FLAIR. In the flat form, raw, the first two digits of a name are the centre.
"""

import re
from pathlib import Path

from stratacam.scans.datasets.layout import Found, Layout, Person, files_named, paragraphs

NESTED = ("Preprocessed_Data", "Raw_Data")
IMAGES = {
    "T1w": r"(?:3D)?T1",
    "ce-gadolinium_T1w": r"(?:3D)?(?:T1)?GADO",
    "T2w": r"(?:[23]D)?T2",
    "PDw": r"(?:[23]D)?(?:DP|PD)",
    "FLAIR": r"(?:3D)?FLAIR",
}
CENTRE = re.compile(r"cent(?:er|re)_?(\d+)", re.IGNORECASE)
PATIENT = re.compile(r"patient_?(\d+)", re.IGNORECASE)
FLAT = re.compile(r"(\d{2})\d{3}[A-Za-z]{4}(?:_\d+)?")


def find(folder: Path, raw: bool) -> list[Person]:
    """Find the patients below a folder, which is the data set, or one of its parts or centres."""
    below = [folder.glob(pattern) for pattern in ("*", "*/*", "*/*/*")]
    places = sorted(path for paths in below for path in paths if path.is_dir())
    nested = [place for place in places if any((place / name).is_dir() for name in NESTED)]
    if nested:
        return [_nested(place, folder, raw) for place in nested]
    return [_flat(place, folder) for place in places if raw and FLAT.fullmatch(place.name)]


def _nested(place: Path, folder: Path, raw: bool) -> Person:
    images = place / NESTED[raw]
    centre = CENTRE.fullmatch(place.parent.name)
    names = {what: name if raw else f"{name}_preprocessed" for what, name in IMAGES.items()}
    masks = (
        {"space-FLAIR_label-lesion_mask": "Consensus"}
        if raw
        else {"label-lesion_mask": "Consensus", "desc-brain_mask": "Brain_Mask"}
    )
    found = Found(None, images, files_named(images, names), files_named(place / "Masks", masks))
    return Person(
        _label(place, folder), place, (found,), {"site": centre[1]} if centre else {}, _number(place, folder)
    )


def _flat(place: Path, folder: Path) -> Person:
    masks = files_named(place, {"space-FLAIR_label-lesion_mask": "Consensus"})
    found = Found(None, place, files_named(place, IMAGES), masks)
    return Person(_label(place, folder), place, (found,), {"site": place.name[:2]})


def _number(place: Path, folder: Path) -> str:
    """The folders from the data set to the patient, without zeros in front of numbers."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", place.relative_to(folder).as_posix().casefold())


def _label(place: Path, folder: Path) -> str:
    """The folders from the data set to the patient in one word: Training/Center_01/Patient_02 is Training0102."""
    parts = list(place.relative_to(folder).parts)
    if CENTRE.fullmatch(folder.name):
        parts.insert(0, folder.name)
    short = (CENTRE.sub(r"\1", PATIENT.sub(r"\1", part)) for part in parts)
    return re.sub(r"[^A-Za-z0-9]", "", "".join(short))


CITATIONS = """
Commowick O, Kain M, Casey R, et al. Multiple sclerosis lesions segmentation from multiple experts: the MICCAI 2016
challenge dataset. NeuroImage 2021;244:118589. https://doi.org/10.1016/j.neuroimage.2021.118589

Commowick O, Istace A, Kain M, et al. Objective evaluation of multiple sclerosis lesion segmentation using a data
management and processing infrastructure. Scientific Reports 2018;8:13650. https://doi.org/10.1038/s41598-018-31911-7
"""

MSSEG = Layout(
    name="msseg",
    title="MSSEG 2016: multiple sclerosis lesions, segmented by seven experts, of four centres",
    url="https://shanoir.irisa.fr",
    license="as agreed with OFSEP for the download",
    citations=paragraphs(CITATIONS),
    group="MS",
    expected="folders Center_01/Patient_01 with Preprocessed_Data, Raw_Data and Masks, or, raw, such as 01016SACH",
    find=find,
)
