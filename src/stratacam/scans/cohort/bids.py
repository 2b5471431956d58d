"""What a BIDS folder holds: the scans of every subject and session."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from stratacam.errors import InputError
from stratacam.scans.cohort.choice import Choose, choose_image, entities, same_entities
from stratacam.scans.derivatives import made_by_stratacam
from stratacam.scans.image_file import FORMATS, OTHER_FORMATS, conversion, image_end, image_files
from stratacam.scans.sequences import DEFAULT_SEQUENCES

SUBJECT = re.compile(r"sub-([A-Za-z0-9+]+)")
SESSION = re.compile(r"ses-([A-Za-z0-9+]+)")

SAMPLED_FILES = 1000  # among which DICOM is looked for, where a folder is no BIDS data set


@dataclass(frozen=True)
class Scan:
    """One session of one subject, as delivered."""

    subject: str  # "01"
    session: str | None
    images: Mapping[str, Path]  # sequence -> file, in the configured order
    brain_mask: Path | None = None  # a mask supplied on the grid of the T1w
    notes: tuple[str, ...] = ()  # which file was taken where there was a choice

    @property
    def name(self) -> str:
        """The BIDS entities of the scan: "sub-01" or "sub-01_ses-2"."""
        return scan_name(self.subject, self.session)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of the scan, headers beside images included."""
        images = (*self.images.values(), *((self.brain_mask,) if self.brain_mask else ()))
        return tuple(file for image in images for file in image_files(image))


@dataclass(frozen=True)
class LeftOut:
    """A scan that cannot be used, and why."""

    name: str
    reason: str


def scan_name(subject: str | None, session: str | None) -> str:
    """The BIDS entities of a subject and session, without "sub-" and "ses-" in the labels."""
    return f"sub-{subject}" + (f"_ses-{session}" if session else "")


def check_sequences(sequences: Sequence[str]) -> None:
    """Raise InputError unless T1w, which the others are registered to, is among `sequences`, and each is named once."""
    if len(set(sequences)) < len(sequences):
        raise InputError(f"sequences: found {', '.join(sequences)}; expected each once: name it once.")
    if "T1w" not in sequences:
        raise InputError(
            f"sequences: found {', '.join(sequences) or 'none'}; expected T1w among them, as the others are "
            "registered to it: add it."
        )


def find_scans(
    bids: Path, sequences: Sequence[str] = DEFAULT_SEQUENCES, choose: Choose | None = None
) -> tuple[list[Scan], list[LeftOut]]:
    """Find every session of every subject of a BIDS folder.

    Files are `sub-*/[ses-*/]anat/sub-*_[ses-*_][entities_]<sequence>.nii[.gz]`, or another format that
    `stratacam.scans.image_file` reads. Of several files of one sequence (runs, acquisitions), one is taken by the rule
    of `stratacam.scans.cohort.choice` and noted. A brain mask is taken from
    `derivatives/*/sub-*/[ses-*/]anat/*_desc-brain_mask.nii[.gz]` if it is in the space of the T1w (no `space` entity,
    or `space-T1w`), has the T1w's entities, and was not made by stratacam itself.

    Args:
        bids: the folder with the `sub-*` folders.
        sequences: the BIDS suffixes every scan must have. "T1w" must be one of them, as all others are
            registered to it.
        choose: the entities that the file of a sequence must have; sequences not named take any.

    Returns:
        The scans, sorted by name, and what cannot be used, with the reason: sessions that lack a sequence,
        folders that differ from another only in case, folders whose name is no label.

    Raises:
        InputError: no such folder, no `sub-*` folder in it, or "T1w" is not among `sequences`.
    """
    check_sequences(sequences)
    if not bids.is_dir():
        raise InputError(
            f"{bids}: no such folder; expected a BIDS data set with folders sub-*: correct the path."
        )
    subjects = [folder for folder in sorted(bids.glob("sub-*")) if folder.is_dir()]
    if not subjects:
        dicom = any(one.suffix.lower() in {".dcm", ".ima"} for one in islice(bids.rglob("*"), SAMPLED_FILES))
        remedy = (
            "make one of these DICOM files with stratacam import-dicom" if dicom else "give its top folder"
        )
        raise InputError(f"{bids}: has no folder sub-<label>; expected a BIDS data set: {remedy}.")
    derivatives = [folder for folder in sorted(bids.glob("derivatives/*")) if not made_by_stratacam(folder)]
    find = partial(_find_scan, bids, sequences=sequences, choose=choose or {}, derivatives=derivatives)
    found: list[Scan | LeftOut] = []
    faults = _name_faults(subjects, SUBJECT)
    for subject in subjects:
        if subject in faults:
            found.append(LeftOut(subject.name, faults[subject]))
            continue
        try:
            sessions = [folder for folder in sorted(subject.glob("ses-*")) if folder.is_dir()]
            if (subject / "anat").is_dir() or not sessions:
                found.append(find(subject.name, None))
            session_faults = _name_faults(sessions, SESSION)
            for session in sessions:
                fault = session_faults.get(session)
                name = f"{subject.name}_{session.name}"
                found.append(LeftOut(name, fault) if fault else find(subject.name, session.name))
        except OSError as error:
            reason = f"{error.filename}: cannot be read ({error.strerror}); expected to read it: check its permissions."
            found.append(LeftOut(subject.name, reason))
    return [one for one in found if isinstance(one, Scan)], [one for one in found if isinstance(one, LeftOut)]


def _name_faults(folders: Sequence[Path], label: re.Pattern[str]) -> dict[Path, str]:
    """What is wrong with the names of folders, by folder; those without fault are left out."""
    alike: dict[str, list[str]] = {}
    for folder in folders:
        alike.setdefault(folder.name.casefold(), []).append(folder.name)
    faults = {}
    for folder in folders:
        same = alike[folder.name.casefold()]
        if not label.fullmatch(folder.name):
            prefix = folder.name.split("-")[0]
            faults[folder] = (
                f"{folder}: its name is no BIDS label; expected {prefix}- and letters and digits: rename it."
            )
        elif len(same) > 1:
            faults[folder] = (
                f"{folder.parent}: the folders {', '.join(same)} differ only in case; expected labels that "
                "differ in more: rename one, or put them together."
            )
    return faults


def _find_scan(
    bids: Path,
    subject: str,
    session: str | None,
    *,
    sequences: Sequence[str],
    choose: Choose,
    derivatives: Sequence[Path],
) -> Scan | LeftOut:
    """The scan of a subject and session (None: of no session), or why there is none."""
    name = subject + (f"_{session}" if session else "")
    inside = Path(subject, session or "", "anat")
    folder = bids / inside
    images, notes, missing, faults = {}, [], [], []
    for sequence in sequences:
        files = _files(folder, name, sequence)
        if not files:
            missing.append(sequence)
            continue
        chosen, said = choose_image(sequence, files, choose.get(sequence, {}))
        if chosen is None:
            faults.append(f"{folder}: {said}")
            continue
        images[sequence] = chosen
        notes += [said] if said else []
    if missing:
        wanted = ", ".join(str(folder / f"{name}_[...]{sequence}.nii[.gz]") for sequence in missing)
        found = _named(folder, (*FORMATS, *OTHER_FORMATS))
        there = ", ".join(path.name for path in found) or "no image"
        remedies = [remedy for path in found if (remedy := conversion(path.name))]
        remedies.append("add the file or ask for fewer sequences (--sequences, cohort.sequences)")
        faults.append(
            f"no {', '.join(missing)}: looked for {wanted}; there is {there}; {'; '.join(remedies)}"
        )
    if faults:
        return LeftOut(name, f"{'; '.join(faults)}.")
    masks = [path for other in derivatives for path in _files(other / inside, name, "desc-brain_mask")]
    mask, note = _choose_mask(images["T1w"], masks, single=len(_files(folder, name, "T1w")) == 1)
    session = session.removeprefix("ses-") if session else None
    return Scan(subject.removeprefix("sub-"), session, images, mask, (*notes, *note))


def _choose_mask(t1w: Path, masks: Sequence[Path], *, single: bool) -> tuple[Path | None, list[str]]:
    """The mask with the entities of the T1w, or with some of them where it is the `single` T1w; and notes."""
    wanted = entities(t1w)
    fitting: list[Path] = []
    others: list[Path] = []
    for path in masks:
        found = entities(path)
        if found.pop("space", "T1w") == "T1w":
            found.pop("desc")
            fits = same_entities(wanted, found) and (single or same_entities(found, wanted))
            (fitting if fits else others).append(path)
    notes = [f"brain mask: took {fitting[0]}, the first of {len(fitting)}"] if len(fitting) > 1 else []
    if others and not fitting:
        notes.append(
            f"brain mask: took none, as {', '.join(path.name for path in others)} differs from {t1w.name} in its "
            "entities"
        )
    return (fitting[0] if fitting else None), notes


def _files(folder: Path, name: str, suffix: str) -> list[Path]:
    """The images `<name>_[entities_]<suffix>` in a folder, sorted; none of a session that is not in `name`."""
    pattern = re.compile(
        rf"{re.escape(name)}_(?!ses-)(?:[A-Za-z0-9]+-[A-Za-z0-9+]+_)*{re.escape(suffix)}\.[^_]*"
    )
    return [path for path in _named(folder, FORMATS) if pattern.fullmatch(path.name)]


def _named(folder: Path, ends: Sequence[str]) -> list[Path]:
    """The files in a folder whose names end in one of `ends`, sorted; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if image_end(path.name, ends))
