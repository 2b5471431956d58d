"""The truth of scans in MNI152 space, for the mean of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stratacam.evidence.scan_evidence import write_truth
from stratacam.scans.prepared import PreparedScan
from stratacam.study.study import Study
from stratacam.study.truth import KnownTruth

LaidTruth = Mapping[tuple[str, str], tuple[Path, ...]]
"""By class and subject, the truth of its scans in MNI152 space."""


@dataclass(frozen=True)
class Truth:
    """The truth of a scan in MNI152 space: the union of masks."""

    scan: PreparedScan
    masks: tuple[Path, ...]
    out: Path

    @property
    def outputs(self) -> tuple[Path]:
        return (self.out,)

    def do(self) -> None:
        write_truth(self.scan, self.masks, self.out)


def lay_truth(
    study: Study, prepared: Sequence[PreparedScan], truth: KnownTruth, groups: Mapping[str, str]
) -> LaidTruth:
    """The truth of all scans in MNI152 space."""
    folder = study.folders.evidence / "truth"
    tasks = {}
    for scan in prepared:
        structures = truth.of(scan.name, groups.get(scan.name, ""))
        if structures and scan.template_transform.is_file():
            masks = dict(truth.masks[scan.name])
            out = folder / f"{scan.name}.npz"
            tasks[scan.name] = Truth(scan, tuple(masks[name] for name in structures), out)
    laid: dict[tuple[str, str], tuple[Path, ...]] = {}
    for name in sorted(study.work.each("truth", tasks) if tasks else ()):
        of = groups[name], f"sub-{tasks[name].scan.subject}"
        laid[of] = (*laid.get(of, ()), tasks[name].out)
    return laid


def truth_of_others(laid: LaidTruth, group: str, subject: str) -> tuple[tuple[Path, ...], ...]:
    """For each other subject of a class, the truth of its scans in MNI152 space."""
    return tuple(paths for (of, other), paths in laid.items() if of == group and other != subject)
