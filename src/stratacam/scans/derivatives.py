"""The BIDS side of what is written: the description of the data set, where a file came from, sidecars."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stratacam.files import write_json, write_text

NOT_IN_BIDS = (
    "index.html",
    "left_out.tsv",
    "figures",
    "*_record.json",
    "*_slices.tsv",
    "*_xfm.json",
    "*_xfm.txt",
)
"""What BIDS has no names for, as patterns of `.bidsignore`."""


def write_dataset_description(
    out: Path, source: Path, *, name: str = "Prepared scans", ignored: Sequence[str] = NOT_IN_BIDS
) -> None:
    """Write `dataset_description.json` and `.bidsignore` of a data set of derivatives unless they are there.

    Workers may call it at the same time: the content is the same and the file is replaced whole.

    Args:
        out: the folder of the derivatives.
        source: any file of the raw data set, which the links named `bids:raw:` point to.
        name: of the data set.
        ignored: patterns of files that BIDS has no names for.
    """
    path = out / "dataset_description.json"
    if path.is_file():
        return
    write_text(out / ".bidsignore", "\n".join(ignored) + "\n")
    write_json(
        path,
        {
            "Name": name,
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "stratacam", "Version": version("stratacam")}],
            "DatasetLinks": {"raw": bids_root(source).resolve().as_uri()},
        },
    )


def made_by_stratacam(folder: Path) -> bool | None:
    """Whether stratacam made the data set in a folder, by its description; None where there is no description."""
    path = folder / "dataset_description.json"
    if not path.is_file():
        return None
    try:
        makers = json.loads(path.read_text(encoding="utf-8-sig")).get("GeneratedBy", [])
        return any(maker.get("Name") == "stratacam" for maker in makers)
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def bids_root(path: Path) -> Path:
    """Return the folder that holds the `sub-*` folder of `path`; its own folder if there is none.

    Example:
        >>> bids_root(Path("study/sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"))
        PosixPath('study')
    """
    subject = next((folder for folder in path.parents if folder.name.startswith("sub-")), None)
    return subject.parent if subject is not None else path.parent


def bids_uri(path: Path) -> str:
    """Return the BIDS URI of a raw file.

    Example:
        >>> bids_uri(Path("study/sub-01/anat/sub-01_T1w.nii.gz"))
        'bids:raw:sub-01/anat/sub-01_T1w.nii.gz'
        >>> bids_uri(Path("study/derivatives/masks/sub-01/anat/sub-01_desc-brain_mask.nii.gz"))
        'bids:raw:derivatives/masks/sub-01/anat/sub-01_desc-brain_mask.nii.gz'
    """
    root = bids_root(path)
    if root.parent.name == "derivatives":
        root = root.parent.parent
    return f"bids:raw:{path.relative_to(root).as_posix()}"


def write_sidecar(image: Path, content: dict[str, Any]) -> None:
    """Write the JSON file beside a NIfTI file or a transform."""
    stem = image.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".txt")
    write_json(image.with_name(f"{stem}.json"), content)
