"""What frozen layers give for every scan, computed once for all trainings that freeze the same layers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stratacam.learning import ScanPictures, Split, cache_activations, cache_head_inputs
from stratacam.learning.augment import AugmentSettings
from stratacam.learning.dataset import mask_names
from stratacam.learning.features import activation_files
from stratacam.networks import find_head, frozen_prefix
from stratacam.networks.precision import Precision
from stratacam.source_code import Entries
from stratacam.study.cohort import Cohort
from stratacam.study.devices import computing_on
from stratacam.study.keys import entries_used
from stratacam.study.planning import FirstNetwork, Planned, make_once
from stratacam.study.study import Study


@dataclass(frozen=True)
class Activations:
    """What frozen layers give for one scan, plain and in augmented copies, and what the untrained head is fed.

    Attributes:
        first: the network.
        frozen: its frozen layers.
        seed: of the copies.
        guide: name of the mask that guides trainings, which is kept with them; None where none does.
        folder: gets the files.
    """

    first: FirstNetwork
    frozen: tuple[str, ...]
    copies: int
    augmentation: AugmentSettings
    seed: int
    guide: str | None
    scan: ScanPictures
    folder: Path
    device: str
    precision: Precision = "exact"

    @property
    def entries(self) -> Entries:
        return entries_used(architectures=[self.first.architecture])

    @property
    def outputs(self) -> tuple[Path, ...]:
        masks = mask_names(self.guide, brain=self.first.brain != "off")
        return activation_files(self.folder, self.scan.scan, masks)

    def do(self) -> None:
        with computing_on(self.device, self.precision):
            self._compute()

    def _compute(self) -> None:
        model, _ = make_once(self.first)
        model.to(self.device)
        prefix, rest = frozen_prefix(model, self.frozen)
        cache_activations(
            prefix,
            self.scan,
            self.folder,
            copies=self.copies,
            augmentation=self.augmentation,
            seed=self.seed,
            guide=self.guide,
            device=self.device,
        )
        cache_head_inputs(
            rest, find_head(model, self.first.head)[1], self.scan, self.folder, device=self.device
        )


def activations_of(plan: Planned, scan: ScanPictures, study: Study, *, augmented: bool = True) -> Activations:
    """The activations of a scan for a run; the same for every run whose frozen layers are the same."""
    if plan.kept is None:
        raise AssertionError(f"{plan.run.name} keeps no activations")
    first, settings = plan.first, plan.settings
    if first.weights != "none":
        first = replace(first, seed=0, classes=2)  # of the head, which is not frozen
    return Activations(
        first=first,
        frozen=settings.frozen or (),
        copies=settings.copies if augmented else 0,
        augmentation=settings.augmentation,
        seed=study.configuration.seed,
        guide=settings.guide,
        scan=scan,
        folder=plan.kept,
        device=study.device,
        precision=study.configuration.run.precision,
    )


def compute_activations(study: Study, cohort: Cohort, planned: Sequence[Planned]) -> None:
    """Compute, for every scan, what the frozen layers of the runs give; of augmented copies where one trains on it.

    Raises:
        InputError: a scan failed, without which nothing can be trained.
    """
    cache = study.work.cache
    for folder, plan in {plan.kept: plan for plan in planned if plan.kept}.items():
        step = f"activations {folder.name}"
        trained_on = _trained_on(cohort, [other for other in planned if other.kept == folder])
        entries = {}
        for scan in cohort.pictures:
            entry = cache.entry(activations_of(plan, scan, study))
            if scan.scan not in trained_on and not cache.is_done(step, scan.scan, entry):
                entry = cache.entry(activations_of(plan, scan, study, augmented=False))
            entries[scan.scan] = entry
        done = study.work.do(step, entries, networks=True)
        if set(entries) - done and not study.work.only:
            raise study.failed("the frozen layers of the network", set(entries) - done)


def _trained_on(cohort: Cohort, planned: Sequence[Planned]) -> set[str]:
    """The scans that some run trains on; all of them where slices were split."""
    if not all(isinstance(plan.split, Split) for plan in planned):
        return {scan.scan for scan in cohort.pictures}
    subjects = {subject for plan in planned if isinstance(plan.split, Split) for subject in plan.split.train}
    return {scan.scan for scan in cohort.pictures if scan.subject in subjects}
