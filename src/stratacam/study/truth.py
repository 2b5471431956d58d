"""The truth of every class: which masks of a scan show what tells its class from the others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError, did_you_mean
from stratacam.evidence.settings import EvidenceSettings
from stratacam.scans.labels import Masks, find_masks, masks_of
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.truth import TruthStatement, read_statement

SECTION = "evidence.truth"


@dataclass(frozen=True)
class KnownTruth:
    """The masks of scans, and which of them are truth.

    Attributes:
        structures: by class that is stated, what tells it from the others.
        masks: by scan, those of the structures that any class is told by; where nothing is stated, all that there are.
        remark: why localisation is not measured for all, and what to write; "" where nothing is to be said.
    """

    structures: Mapping[str, tuple[str, ...]]
    masks: Mapping[str, Masks]
    remark: str

    def of(self, scan: str, group: str) -> tuple[str, ...]:
        """The structures that are the truth of a scan; none where a mask of them is missing, or the class has none."""
        wanted = self.structures.get(group, ())
        return wanted if set(wanted) <= set(dict(self.masks[scan])) else ()


def find_truth(
    cohort: Path, settings: EvidenceSettings, prepared: Sequence[PreparedScan], groups: Mapping[str, str]
) -> KnownTruth:
    """Find the masks of all scans, and what of them is truth.

    Args:
        cohort: folder with the scans as delivered.
        settings: what they state of the truth wins over what the data set says.
        prepared: the scans.
        groups: class of each scan that has one, by name.

    Raises:
        InputError: a class is not the study's, a label is that of no mask, or the statement of the data set is damaged.
    """
    classes = sorted(set(groups.values()))
    by_label = {scan.name: find_masks(cohort, scan) for scan in prepared}
    labels = sorted({label for masks in by_label.values() for label in masks})
    statement = check_stated(settings, classes) or read_statement(cohort)
    if statement is None:
        found = {name: tuple(masks.items()) for name, masks in by_label.items()}
        return KnownTruth({}, found, _unstated(by_label, groups))
    stated = {group: names for group, names in statement.structures.items() if group in classes}
    names = tuple(dict.fromkeys(name for structures in stated.values() for name in structures))
    masks = {scan: tuple(masks_of(found, names).items()) for scan, found in by_label.items()}
    _check_labels(statement, stated, names, masks, labels)
    return KnownTruth(stated, masks, _unmeasured(statement, stated, classes, masks, groups))


def check_stated(settings: EvidenceSettings, classes: Collection[str]) -> TruthStatement | None:
    """What the settings state of the truth; None where they state nothing.

    Raises:
        InputError: a class is not the study's.
    """
    if settings.truth is None:
        return None
    for group in settings.truth:
        if group not in classes:
            raise InputError(
                f"{SECTION}: {group!r} is no class of the study; {did_you_mean(group, classes)}choose of "
                f"{', '.join(sorted(classes))}."
            )
    return TruthStatement(SECTION, settings.truth)


def _check_labels(
    statement: TruthStatement,
    stated: Mapping[str, tuple[str, ...]],
    names: Sequence[str],
    masks: Mapping[str, Masks],
    labels: Sequence[str],
) -> None:
    """Check that there is a mask of every structure.

    Raises:
        InputError: there is none in any scan.
    """
    found = {name for masks_of_scan in masks.values() for name, _ in masks_of_scan}
    for name in names:
        if name not in found:
            group = next(group for group, structures in stated.items() if name in structures)
            raise InputError(
                f"{statement.source}: no scan has a mask of {name!r}, which is stated for {group}; "
                + (
                    f"{did_you_mean(name, labels)}there are masks of {', '.join(labels)}."
                    if labels
                    else f"expected files sub-*_label-{name}_mask.nii.gz: add them, or remove the statement."
                )
            )


def _unstated(by_label: Mapping[str, Mapping[str, Path]], groups: Mapping[str, str]) -> str:
    """What is said where nothing states the truth."""
    labels = sorted({label for masks in by_label.values() for label in masks})
    if not labels:
        return "Localisation is not measured: the cohort has no masks (docs/cohort.md says how to add them)."
    group = next((groups[scan] for scan, masks in by_label.items() if masks and scan in groups), "CLASS")
    return (
        f"Localisation is not measured: there are masks ({', '.join(labels)}), but nothing says which of them tell a "
        "class from the others. State it in the study for each class, and an empty list for one that has nothing to "
        f'show, such as [{SECTION}] {group} = ["{labels[0]}"]'
    )


def _unmeasured(
    statement: TruthStatement,
    stated: Mapping[str, tuple[str, ...]],
    classes: Sequence[str],
    masks: Mapping[str, Masks],
    groups: Mapping[str, str],
) -> str:
    """What is said of classes that are not stated, and of scans without a mask of their class's truth."""
    silent = [group for group in classes if group not in stated]
    lacking = [
        name
        for name, found in masks.items()
        if not set(stated.get(groups.get(name, ""), ())) <= set(dict(found))
    ]
    sentences = []
    if silent:
        sentences.append(
            f"Localisation is not measured in {', '.join(silent)}: {statement.source} says nothing of "
            f"{'it' if len(silent) == 1 else 'them'} (it names {', '.join(statement.structures) or 'no class'})."
        )
    if lacking:
        sentences.append(
            f"Localisation is not measured in {len(lacking)} scan{'s' if len(lacking) > 1 else ''} that "
            f"lack a mask of a structure of their class, such as {lacking[0]}."
        )
    return " ".join(sentences)
