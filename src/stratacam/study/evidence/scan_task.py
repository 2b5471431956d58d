"""Evidence of one scan, as a task of a worker process."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stratacam.evidence.heat import SliceMaps
from stratacam.evidence.measure import measure_scan
from stratacam.evidence.references import prior_of, reference_maps
from stratacam.evidence.regions.atlas import Atlas, default_atlas, names_of, read_atlas
from stratacam.evidence.regions.region_values import RegionValue, region_values, write_region_values
from stratacam.evidence.regions.template_space import from_template, template_grid, to_template
from stratacam.evidence.scan import ScanSlices, read_slices
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.values import write_rows
from stratacam.files import whole_file, write_json
from stratacam.maps import explained_sequence, predicted_class
from stratacam.scans.labels import read_lesion_mask
from stratacam.scans.prepared import PreparedScan
from stratacam.study.trained import TrainedModel, load_once

PRIOR_MM = 2.0
"""Edge of the voxels of the mean lesion mask: lesions are lost in larger ones."""


@dataclass(frozen=True)
class ScanEvidence:
    """What one scan's evidence left.

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
        """Layers, slices, the class explained, and the seconds of each kind of measure."""
        return self.folder / f"{self.name}_about.json"

    @property
    def template(self) -> Path:
        """Heat in MNI152 space, in shares of the layer's highest in the scan: an array for each method and layer."""
        return self.folder / f"{self.name}_template.npz"

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.values, self.regions, self.about, self.template


@dataclass(frozen=True)
class EvidenceTask:
    """The evidence of one scan.

    Attributes:
        model: whose maps are measured.
        others: models whose maps they are compared with, by how these differ.
        scan: prepared.
        group: its class.
        lesions: its mask, where there is one.
        truths: by subject, the masks on the template of `keep_truth`.
        settings: what is measured.
        atlas_names: file of the names of the settings' atlas, where there is one.
        sequence: see `explained_sequence`.
        seed: of everything random.
        out: what is left.
    """

    model: TrainedModel
    others: tuple[tuple[str, tuple[TrainedModel, ...]], ...]
    scan: PreparedScan
    group: str
    lesions: Path | None
    truths: tuple[tuple[str, tuple[Path, ...]], ...]
    settings: EvidenceSettings
    atlas_names: Path | None
    sequence: str | None
    seed: int
    out: ScanEvidence


def keep_truth(scan: PreparedScan, mask: Path, out: Path) -> None:
    """Keep a scan's lesion mask in MNI152 space, (X, Y, Z) float16 share of each voxel."""
    lesions = read_lesion_mask(mask, scan)
    laid = to_template(lesions.astype(np.float32), scan, template_grid(PRIOR_MM))
    with whole_file(out) as temporary:
        np.savez_compressed(temporary.open("wb"), share=laid.astype(np.float16))


def measure_evidence_of(task: EvidenceTask) -> None:
    """Measure one scan and write what `ScanEvidence` names.

    Of a scan that was prepared without its place in MNI152 space there are no regions and no heat in that space.
    """
    model, card = load_once(task.model)
    scan, settings = task.scan, task.settings
    lesions = None if task.lesions is None else read_lesion_mask(task.lesions, scan)
    atlas = atlas_of(settings)
    placed = scan.template_transform.is_file()
    slices = read_slices(
        card,
        scan,
        group=task.group,
        truth=lesions,
        regions=from_template(atlas.labels, atlas.grid, scan, labels=True) if placed else None,
        every=settings.every,
        sequence=task.sequence,
    )
    measured = measure_scan(
        model,
        slices,
        settings,
        target=predicted_class(model, card, scan, settings.batch_size)
        if settings.target == "predicted"
        else card.classes.index(settings.target),
        true_class=card.classes.index(task.group) if task.group in card.classes else None,
        references=None
        if lesions is None
        else reference_maps(
            slices,
            intensity=_intensity(scan, slices, explained_sequence(card, task.sequence)),
            prior=_prior(task, slices) if placed else None,
        ),
        others={change: [load_once(other)[0] for other in others] for change, others in task.others},
        seed=task.seed,
    )
    found = next(iter(measured.maps.values()))
    write_rows(task.out.values, measured.values)
    write_region_values(task.out.regions, _regions(measured.maps, slices, atlas))
    write_json(
        task.out.about,
        {
            "layers": found.layers,
            "explained": card.classes[found.target],
            "group": task.group,
            "subject": slices.subject,
            "slices": len(slices),
            "slices_again": min(settings.slices, len(slices)),
            "truth_slices": 0 if slices.truth is None else int(slices.truth.any(axis=(1, 2)).sum()),
            "seconds": {kind: round(seconds, 2) for kind, seconds in measured.seconds.items()},
        },
    )
    _write_template(task.out.template, measured.maps if placed else {}, slices, scan, settings.voxel_mm)


def atlas_of(settings: EvidenceSettings) -> Atlas:
    """The atlas of the settings, or the default one."""
    return default_atlas() if settings.atlas is None else read_atlas(settings.atlas)


def atlas_names(settings: EvidenceSettings) -> Path | None:
    """The table of names of the user's atlas, where there is one."""
    names = None if settings.atlas is None else names_of(settings.atlas)
    return names if names and names.is_file() else None


def _intensity(scan: PreparedScan, slices: ScanSlices, sequence: str) -> NDArray[np.float32]:
    return np.asarray(slices.geometry.cut(replace(scan, sequences=(sequence,)).load().images[0]))


def _prior(task: EvidenceTask, slices: ScanSlices) -> NDArray[np.float32] | None:
    """Where the lesions of the other subjects are, in the scan's pictures."""
    masks = {
        subject: np.mean([np.load(path)["share"].astype(np.float32) for path in paths], axis=0)
        for subject, paths in task.truths
        if subject != slices.subject
    }
    mean = prior_of(masks, slices.subject)
    if mean is None:
        return None
    return np.asarray(slices.geometry.cut(from_template(mean, template_grid(PRIOR_MM), task.scan)))


def _regions(maps: dict[str, SliceMaps], slices: ScanSlices, atlas: Atlas) -> list[RegionValue]:
    """Heat of every region, in shares of the layer's highest in the scan."""
    labels = slices.regions
    if labels is None:
        return []
    return [
        value
        for method, found in maps.items()
        for layer in found.layers
        for value in region_values(
            method, layer, _shares(found, layer, slices), regions=labels, brain=slices.brain, atlas=atlas
        )
    ]


def _shares(maps: SliceMaps, layer: str, slices: ScanSlices) -> NDArray[np.float32]:
    heat = maps.heat(layer, slices.shape)
    highest = heat.max()
    return np.asarray(heat / highest if highest > 0 else heat)


def _write_template(
    path: Path, maps: dict[str, SliceMaps], slices: ScanSlices, scan: PreparedScan, voxel_mm: float
) -> None:
    grid = template_grid(voxel_mm)
    laid = {
        f"{method}/{layer}": to_template(
            slices.geometry.to_volume(_shares(found, layer, slices)), scan, grid
        ).astype(np.float16)
        for method, found in maps.items()
        for layer in found.layers
    }
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **laid)  # type: ignore[arg-type]  # the stub takes the names for options
