"""Every file of a prepared scan: images, transforms, tables, quality page, and last of all the record."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stratacam.files import write_json
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.derivatives import bids_uri, write_dataset_description, write_sidecar
from stratacam.scans.intensity import Scale, normalise
from stratacam.scans.masks import volume_ml
from stratacam.scans.pictures import brain_mm
from stratacam.scans.planes import AXES
from stratacam.scans.prepare.sequence import LaidSequence, timed
from stratacam.scans.prepare.settings import PrepareSettings
from stratacam.scans.prepared import SPACE, PreparedScan
from stratacam.scans.quality import Planes, SequenceViews, write_page
from stratacam.scans.register import write_transform
from stratacam.scans.slices import kept_slices, slice_areas, write_slices_table
from stratacam.scans.template import TemplateFit
from stratacam.scans.volume import write_nifti


@dataclass(frozen=True)
class Results:
    """What preparation found, in memory.

    Attributes:
        sequences: on the prepared grid, not normalised.
        scales: what becomes 0 and 1 in each.
        inside: (X, Y, Z) the brain.
        affine: (4, 4) of the prepared grid, voxels to RAS millimetres.
        template: the fit to the MNI152 template, if wanted.
        contrasts: of grey and white matter in each sequence, before and after bias correction; empty without a fit.
        flags: what is doubtful, as sentences.
        hashes: of the voxels of each sequence as delivered, see `voxels_hash`.
        seconds: by stage.
    """

    sequences: Mapping[str, LaidSequence]
    scales: Mapping[str, Scale]
    inside: NDArray[np.bool_]
    affine: NDArray[np.float64]
    template: TemplateFit | None
    contrasts: Mapping[str, tuple[float, float]]
    flags: tuple[str, ...]
    hashes: Mapping[str, str]
    seconds: dict[str, float]


def write_results(prepared: PreparedScan, scan: Scan, settings: PrepareSettings, results: Results) -> None:
    """Write everything; the record, without which the scan does not exist, comes last.

    The same scan gives the same files, but for that of its times.
    """
    mask, affine = results.inside, results.affine
    areas = slice_areas(mask, affine, settings.plane)
    kept = kept_slices(areas, settings.slice_area_fraction)
    with timed(results.seconds, "write"):
        write_dataset_description(prepared.folder, scan.images["T1w"])
        for name in results.sequences:
            _write_image(prepared, name, results)
        _write_transforms(prepared, scan, results)
        write_nifti(prepared.brain_mask, mask, affine)
        write_sidecar(
            prepared.brain_mask,
            {
                "Description": "The brain",
                "Type": "Brain",
                "Sources": [bids_uri(scan.images["T1w"])],
                "SpatialReference": bids_uri(scan.images["T1w"]),
                "MadeBy": _mask_maker(scan),
            },
        )
        write_slices_table(prepared.slices_table, areas, kept, affine, mask.shape, plane=settings.plane)
    with timed(results.seconds, "page"):
        planes = Planes.through(mask, affine, kept, AXES[settings.plane][0])
        views = [_views(planes, name, results) for name in results.sequences]
    record = _record(scan, settings, results, kept=len(kept))
    write_page(prepared, views, record, planes=planes)
    write_json(prepared.seconds, {stage: round(spent, 2) for stage, spent in results.seconds.items()})
    write_json(prepared.record, record)


def _write_image(prepared: PreparedScan, name: str, results: Results) -> None:
    sequence, scale = results.sequences[name], results.scales[name]
    data = normalise(scale.apply(sequence.image), results.inside)
    write_nifti(prepared.image(name), data, results.affine)
    write_sidecar(
        prepared.image(name),
        {
            "Description": "Registered, bias-corrected, skull-stripped, normalised",
            "Sources": [bids_uri(sequence.source)],
            "SpatialReference": bids_uri(results.sequences["T1w"].source),
            "SkullStripped": True,
            "Units": "arbitrary",
            "IntensityOfZero": scale.zero,
            "IntensityOfOne": scale.one,
            "ShareAtOne": float(np.mean(data[results.inside] >= 1)),
            "ShareOfBrainCovered": sequence.covered,
        },
    )


def _write_transforms(prepared: PreparedScan, scan: Scan, results: Results) -> None:
    t1w = bids_uri(scan.images["T1w"])
    for name, description in _registrations(results).items():
        registration = results.sequences[name].registration
        if registration is not None:
            write_transform(prepared.transform(name), registration.transform)
            write_sidecar(
                prepared.transform(name), {"Sources": [bids_uri(scan.images[name]), t1w], **description}
            )
    if results.template is not None:
        write_transform(prepared.template_transform, results.template.transform)
        write_sidecar(prepared.template_transform, {"Sources": [t1w], **_template(results.template)})


def _views(planes: Planes, name: str, results: Results) -> SequenceViews:
    sequence = results.sequences[name]
    return SequenceViews.of(
        planes,
        name=name,
        before=sequence.delivered,
        after=sequence.image,
        field=sequence.field,
        unit=results.scales[name].one,
        zero=results.scales[name].zero,
        brain_mask=results.inside,
    )


def _record(scan: Scan, settings: PrepareSettings, results: Results, *, kept: int) -> dict[str, Any]:
    used = [
        "stratacam",
        "SimpleITK",
        "nibabel",
        "nilearn",
        "numpy",
        *(() if scan.brain_mask else ("deepbet",)),
    ]
    mask, affine = results.inside, results.affine
    return {
        "Sequences": list(results.sequences),
        "Delivered": {name: str(path.resolve()) for name, path in scan.images.items()},
        "Sources": {name: bids_uri(path) for name, path in scan.images.items()},
        "Voxels": dict(results.hashes),
        "Notes": list(scan.notes),
        "Flags": list(results.flags),
        "Settings": settings.model_dump(mode="json"),
        "BrainMask": _mask_maker(scan),
        "BrainVolume": volume_ml(mask, affine),
        "BrainWidthHeight": brain_mm(mask, affine, settings.plane),
        "KeptSlices": kept,
        "IntensityOfZero": {name: scale.zero for name, scale in results.scales.items()},
        "IntensityOfOne": {name: scale.one for name, scale in results.scales.items()},
        "BiasRange": {name: sequence.bias for name, sequence in results.sequences.items()},
        "TissueContrast": {
            name: {"Before": before, "After": after} for name, (before, after) in results.contrasts.items()
        },
        "Registration": _registrations(results),
        "Template": _template(results.template) if results.template is not None else None,
        "Versions": {package: version(package) for package in used},
    }


def _mask_maker(scan: Scan) -> str:
    return bids_uri(scan.brain_mask) if scan.brain_mask else "deepbet"


def _registrations(results: Results) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "Maps": "points of the T1w to points of the sequence, LPS mm",
            "Metric": "negative Mattes mutual information",
            "MetricBefore": checked.found.metric_before,
            "MetricAfter": checked.found.metric_after,
            "SharedBefore": checked.shared_before,
            "SharedAfter": checked.shared_after,
            "Start": checked.found.start,
            "Rotation": checked.rotation,
            "Translation": checked.shift,
            "FellBack": checked.fell_back,
        }
        for name, sequence in results.sequences.items()
        if (checked := sequence.registration) is not None
    }


def _template(fit: TemplateFit) -> dict[str, Any]:
    return {"Maps": f"points of {SPACE} to points of the T1w, LPS mm", "Kind": "affine", "Dice": fit.overlap}
