"""The evidence of one scan: every measure, heat of regions, heat in MNI152 space."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from stratacam.cam.layers import pools_among
from stratacam.evidence.measure import measure_scan
from stratacam.evidence.nulls import measure_nulls, write_nulls
from stratacam.evidence.references import reference_maps
from stratacam.evidence.regions.atlas import atlas_of
from stratacam.evidence.regions.scan_heat import maps_for_groups, write_regions, write_template
from stratacam.evidence.regions.template_space import from_template, template_grid, to_template
from stratacam.evidence.rows import write_rows
from stratacam.evidence.scan import ScanSlices, read_slices
from stratacam.evidence.sequences.exchange import donors_for, read_exchanges
from stratacam.evidence.sequences.values import KIND, SequenceValue, sequence_values
from stratacam.evidence.settings import PREDICTED, EvidenceSettings, class_of_groups
from stratacam.evidence.strangers import read_at_levels_of
from stratacam.evidence.values import Value
from stratacam.files import RECORDS, whole_file, write_json
from stratacam.maps import explained_sequence, predicted_class
from stratacam.maps.fused import is_fused
from stratacam.networks import ModelCard, branch_shown, branches_of
from stratacam.scans.labels import Masks, read_mask
from stratacam.scans.prepared import PreparedScan

PRIOR_MM = 2.0
"""Edge of the voxels of the mean truth of others: lesions are lost in larger ones."""


@dataclass(frozen=True)
class ScanEvidence:
    """Files of one scan's evidence.

    Attributes:
        folder: of all scans of a network.
        name: of the scan.
    """

    folder: Path
    name: str

    @property
    def values(self) -> Path:
        """Every measure, see `stratacam.evidence.values`."""
        return self.folder / f"{self.name}_values.tsv"

    @property
    def regions(self) -> Path:
        """Heat of every region, see `stratacam.evidence.regions.region_values`."""
        return self.folder / f"{self.name}_regions.tsv"

    @property
    def about(self) -> Path:
        """Layers, slices, and the class explained."""
        return self.folder / f"{self.name}_about.json"

    @property
    def seconds(self) -> Path:
        """The seconds of each kind of measure: no result, as no two runs take the same time."""
        return self.folder / RECORDS / "seconds" / f"{self.name}.json"

    @property
    def template(self) -> Path:
        """Heat in MNI152 space, see `stratacam.evidence.regions.scan_heat.write_template`."""
        return self.folder / f"{self.name}_template.npz"

    @property
    def nulls(self) -> Path:
        """Scores of surrogates and of maps of untrained networks, see `stratacam.evidence.nulls`."""
        return self.folder / f"{self.name}_nulls.npz"

    @property
    def sequences(self) -> Path:
        """What each sequence contributes, see `stratacam.evidence.sequences`."""
        return self.folder / f"{self.name}_sequences.tsv"

    @property
    def files(self) -> tuple[Path, ...]:
        """All that are results."""
        return self.values, self.regions, self.about, self.template, self.nulls, self.sequences


@dataclass(frozen=True)
class ScanInputs:
    """What the evidence of one scan is measured from, beside models.

    Attributes:
        scan: prepared.
        group: class of the scan.
        masks: of its structures.
        truth: names of those that tell its class from the others; none where that is not known.
        prior: for each other subject of its class, what `write_truth` wrote of its scans.
        strangers: scans of other subjects, whose maps are laid on this scan's slices.
        donors: by group, scans of other subjects, whose sequences stand in for those that are left out.
        sequence: see `explained_sequence`.
        settings: what is measured.
        seed: of everything random.
    """

    scan: PreparedScan
    group: str
    masks: Masks
    truth: tuple[str, ...]
    prior: tuple[tuple[Path, ...], ...]
    strangers: tuple[PreparedScan, ...]
    donors: tuple[tuple[str, tuple[PreparedScan, ...]], ...]
    sequence: str | None
    settings: EvidenceSettings
    seed: int


def write_truth(scan: PreparedScan, masks: tuple[Path, ...], out: Path) -> None:
    """Write the union of masks of a scan in MNI152 space, (X, Y, Z) float16 share of each voxel."""
    truth = np.logical_or.reduce([read_mask(mask, scan) for mask in masks])
    laid = to_template(truth.astype(np.float32), scan, template_grid(PRIOR_MM))
    with whole_file(out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, share=laid.astype(np.float16))


def measure_evidence_of(
    model: nn.Module,
    card: ModelCard,
    given: ScanInputs,
    *,
    others: Mapping[str, list[nn.Module]],
    out: ScanEvidence,
) -> None:
    """Measure one scan and write what `ScanEvidence` names.

    Of a scan that was prepared without its place in MNI152 space there are no regions and no heat in that space.

    Args:
        model: whose maps are measured, in evaluation mode.
        card: of the model.
        given: the scan, and all that it is measured by.
        others: models whose maps they are compared with, by how these differ.
        out: its files.
    """
    scan, settings, group = given.scan, given.settings, given.group
    atlas = atlas_of(settings.atlas)
    placed = scan.template_transform.is_file()
    slices = read_slices(
        card,
        scan,
        group=group,
        structures={name: read_mask(mask, scan) for name, mask in given.masks},
        truth=given.truth,
        regions=from_template(atlas.labels, atlas.grid, scan, labels=True) if placed else None,
        every=settings.every,
        sequence=given.sequence,
    )
    given_class = predicted_class(model, card, scan, settings.batch_size)
    sampled = slices.some(settings.slices)
    measured = measure_scan(
        model,
        slices,
        settings,
        target=given_class if settings.target == PREDICTED else card.classes.index(settings.target),
        true_class=card.classes.index(group) if group in card.classes else None,
        references=None
        if slices.truth is None
        else reference_maps(
            slices,
            intensity=_intensity(scan, slices, explained_sequence(card, given.sequence)),
            prior=_prior(given.prior, slices, scan) if placed else None,
        ),
        others=others,
        strangers=[
            read_at_levels_of(sampled, slices, card, stranger, every=settings.every, sequence=given.sequence)
            for stranger in given.strangers
        ],
        seed=given.seed,
    )
    found = next(iter(measured.maps.values()))
    with measured.timed("surrogates and untrained networks"):
        nulls = measure_nulls(
            model, sampled.some(settings.sanity_slices), settings,
            target=found.target, labels=tuple(atlas.names), seed=given.seed,
        ) if settings.sanity_slices else {}  # fmt: skip
    write_nulls(out.nulls, nulls)
    with measured.timed(KIND.name):
        donors = donors_for(card.classes[found.target], dict(given.donors), settings.donors)
        exchanges = read_exchanges(sampled, slices, card, scan, donors, every=settings.every)
        contributed = sequence_values(model, exchanges, card.classes, settings.batch_size)
    write_rows(out.sequences, contributed, SequenceValue)
    write_rows(out.values, measured.values, Value)
    compared = maps_for_groups(
        model,
        slices,
        measured.maps if placed else {},
        group_class=class_of_groups(settings, card.classes),
        one_class=settings.target != PREDICTED,
    )
    write_regions(out.regions, compared, slices, atlas)
    write_template(out.template, compared, slices, scan, settings.voxel_mm)
    plain = [layer for layer in found.layers if not is_fused(layer)]
    write_json(out.seconds, {kind: round(seconds, 2) for kind, seconds in measured.seconds.items()})
    write_json(
        out.about,
        {
            "layers": plain,
            "fused": [layer for layer in found.layers if is_fused(layer)],
            "pools": pools_among(model, plain),
            "branch": branch_shown(plain, branches_of(model), explained_sequence(card, given.sequence)),
            "explained": card.classes[found.target],
            "given": card.classes[given_class],
            "run": str(card.training.get("run", "")),
            "compared": list(compared),
            "group": group,
            "subject": slices.subject,
            "slices": len(slices),
            "slices_again": min(settings.slices, len(slices)),
            "truth": slices.true_structures,
            "truth_slices": 0 if slices.truth is None else int(slices.truth.any(axis=(1, 2)).sum()),
        },
    )


def _intensity(scan: PreparedScan, slices: ScanSlices, sequence: str) -> NDArray[np.float32]:
    return np.asarray(slices.geometry.cut(replace(scan, sequences=(sequence,)).load().images[0]))


def _prior(
    prior: tuple[tuple[Path, ...], ...], slices: ScanSlices, scan: PreparedScan
) -> NDArray[np.float32] | None:
    """Where the truth of the other subjects of the class is, in the scan's pictures; None where there are none."""
    if not prior:
        return None
    of_subjects = [
        np.mean([np.load(path)["share"].astype(np.float32) for path in paths], axis=0) for paths in prior
    ]
    mean = np.asarray(np.mean(of_subjects, axis=0, dtype=np.float32))
    return np.asarray(slices.geometry.cut(from_template(mean, template_grid(PRIOR_MM), scan)))
