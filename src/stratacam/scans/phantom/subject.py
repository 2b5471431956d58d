"""One phantom subject: drawn, scanned and written with its truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK

from stratacam.files import read_json, write_json
from stratacam.scans.masks import bounding_box, volume_ml
from stratacam.scans.phantom.acquisition import (
    Affine,
    bias_affine,
    draw_acquisition,
    measure,
    rigid,
    scan_grid,
    thin_slices,
)
from stratacam.scans.phantom.anatomy import FRACTIONS, Array, blur, head
from stratacam.scans.phantom.body import Body, draw_position, draw_warp, sample, template_voxels
from stratacam.scans.phantom.contrast import Tissue, signal, vary
from stratacam.scans.phantom.disease import draw_disease
from stratacam.scans.phantom.lesions import Lesions, grow_lesions
from stratacam.scans.phantom.settings import PhantomSettings, groups, names, stream
from stratacam.scans.register import write_transform
from stratacam.scans.resampling import Grid
from stratacam.scans.sequences import DEFAULT_SEQUENCES, simulated_sequences
from stratacam.scans.volume import LPS, write_nifti

GENERATOR = 2  # to be raised when the same settings give other bytes
TRUTH = Path("derivatives", "truth")

Row = dict[str, str | int | float]


def make_subject(out: Path, settings: PhantomSettings, index: int) -> Row:
    """Write the scans and the truth of subject number `index` (from 0); a pure function of its settings.

    A subject whose record and files are there is left as it is.

    Args:
        out: root of the BIDS folder.
        settings: of the cohort; group and name follow from it and the index.
        index: of the subject.

    Returns:
        The subject's row of `truth.tsv`.
    """
    name, group = names(settings)[index], groups(settings)[index]
    record = out / TRUTH / name / f"{name}_phantom.json"
    wanted = {
        "generator": GENERATOR,
        "settings": settings.model_dump(mode="json", exclude={"subjects"}),
        "group": group,
    }
    done = _finished(record, wanted, out)
    if done is not None:
        return done
    visit = _draw(out, settings, index)
    files: list[Path] = []
    row: Row = {"participant_id": name, "group": group, **_write_truth(visit, files)}
    position = visit.body.position
    row["head_scale"] = float(np.cbrt(position.scale.prod()))
    row |= {f"turn_{axis}_deg": float(v) for axis, v in zip("xyz", np.rad2deg(position.turn), strict=True)}
    row |= {f"shift_{axis}_mm": float(v) for axis, v in zip("xyz", position.shift, strict=True)}
    for sequence in settings.sequences:
        row |= _write_scan(visit, sequence, files)
    row = {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
    write_json(record, {**wanted, "files": [str(file.relative_to(out)) for file in files], "truth": row})
    return row


@dataclass(frozen=True)
class _Visit:
    """A subject in the scanner."""

    out: Path
    settings: PhantomSettings
    index: int
    body: Body
    lesions: Lesions
    tissues: Mapping[str, Tissue]

    @cached_property
    def blurred(self) -> tuple[tuple[slice, ...], Array, Array]:
        """The part of the template that lesions touch, and in it lesions and black holes as voxels see them."""
        margin = int(np.ceil(2 * self.settings.voxel_mm))
        box = tuple(
            slice(max(0, (side.start or 0) - margin), side.stop and side.stop + margin)
            for side in bounding_box(self.lesions.lesion > 0)
        )
        lesion, core = (
            blur(part[box], self.settings.voxel_mm) for part in (self.lesions.lesion, self.lesions.black_hole)
        )
        return box, lesion, core

    @property
    def name(self) -> str:
        """Such as "sub-01"."""
        return names(self.settings)[self.index]

    def file(self, ending: str, *, truth: bool = False) -> Path:
        """The path of a scan, or of a part of the truth."""
        return self.out / (TRUTH if truth else "") / self.name / "anat" / f"{self.name}_{ending}"


def _draw(out: Path, settings: PhantomSettings, index: int) -> _Visit:
    """Draw a subject's disease, and everything else without regard to it."""
    template = head(settings.voxel_mm)
    random = stream(settings, index, "disease")
    disease = draw_disease(groups(settings)[index], random)
    warp = draw_warp(template, stream(settings, index, "head"))
    position = draw_position(stream(settings, index, "position"))
    return _Visit(
        out=out,
        settings=settings,
        index=index,
        body=Body(template, position, warp, disease.ventricle_mm),
        lesions=grow_lesions(template, disease, random),
        tissues=vary(stream(settings, index, "tissue")),
    )


def _finished(record: Path, wanted: Mapping[str, object], out: Path) -> Row | None:
    """Return the row of a subject that was finished before under the same settings, else nothing."""
    content = read_json(record)
    if not content:
        return None
    content["settings"].setdefault("sequences", list(DEFAULT_SEQUENCES))
    same = all(content.get(key) == value for key, value in wanted.items())
    if not same or not all((out / file).is_file() for file in content["files"]):
        return None
    row: Row = content["truth"]
    return row


def _write_truth(visit: _Visit, files: list[Path]) -> Mapping[str, float]:
    """Write the masks on the T1w grid and return their volumes in millilitres."""
    template, grid = visit.body.template, scan_grid(visit.settings.voxel_mm)
    voxels = template_voxels(visit.body, grid.affine, grid.shape)
    grey, white = (sample(template.tissue[k], voxels) for k in (0, 1))
    brain = sample(template.brain, voxels) >= 0.5
    tissue = np.where(grey + white < 0.5, 3, np.where(grey > white, 1, 2)).astype(np.uint8) * brain
    masks = {
        "label-lesion_probseg": _in_voxels(visit, voxels),
        "label-lesion_mask": sample(visit.lesions.lesion, voxels) >= 0.5,
        "label-blackhole_mask": sample(visit.lesions.black_hole, voxels) >= 0.5,
        "label-ventricle_mask": sample(template.ventricles, voxels) >= 0.5,
        "desc-truebrain_mask": brain,
        "desc-tissue_dseg": tissue,
    }
    for label, mask in masks.items():
        files.append(visit.file(f"{label}.nii.gz", truth=True))
        write_nifti(files[-1], mask, grid.affine)
    measured = {"lesion": "label-lesion", "blackhole": "label-blackhole", "ventricle": "label-ventricle"}
    measured["brain"] = "desc-truebrain"
    return {f"{part}_ml": volume_ml(masks[f"{label}_mask"], grid.affine) for part, label in measured.items()}


def _in_voxels(visit: _Visit, voxels: Array) -> Array:
    """Return the fraction of every voxel that is lesion, also where it is too little for the mask."""
    box, lesion, _ = visit.blurred
    fraction = np.zeros_like(visit.lesions.lesion)
    fraction[box] = lesion
    return sample(fraction, voxels)


def _write_scan(visit: _Visit, sequence: str, files: list[Path]) -> Row:
    """Write one sequence, its bias field and its transform, and return how it was acquired."""
    settings, moves = visit.settings, sequence != "T1w"
    random = stream(settings, visit.index, sequence)
    acquisition = draw_acquisition(random, moves=moves)
    thickness = settings.thick_slices_mm if moves else None
    grid, thin = scan_grid(settings.voxel_mm, thickness), thin_slices(settings.voxel_mm, thickness)
    contrast = _contrast(visit, sequence)
    matrix = rigid(acquisition)
    to_t1w = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    scan = measure(_slices(contrast, visit.body, grid, thin, to_t1w), acquisition, grid, random)
    files += [
        visit.file(f"{sequence}.nii.gz"),
        visit.file(f"desc-biasfield_{sequence}.nii.gz", truth=True),
    ]
    write_nifti(files[-2], scan, grid.affine)
    write_nifti(files[-1], acquisition.bias, bias_affine())
    row: Row = {
        f"noise_{sequence}": acquisition.noise,
        f"bias_{sequence}": float(np.ptp(np.log(acquisition.bias))),
        f"units_{sequence}": acquisition.units,
    }
    if moves:
        files.append(visit.file(f"from-{sequence}_to-T1w_mode-image_xfm.txt", truth=True))
        write_transform(files[-1], _in_itk(matrix))
        row[f"moved_{sequence}_mm"] = float(np.linalg.norm(acquisition.shift))
        row[f"turned_{sequence}_deg"] = float(np.rad2deg(np.linalg.norm(acquisition.turn)))
    return row


def _contrast(visit: _Visit, sequence: str) -> Array:
    """Return the signal of the template head with its lesions, white matter being 1.

    A voxel's signal is the sum of its tissues' signals, each weighted with its fraction of the voxel.
    """
    timing = simulated_sequences()[sequence]
    signals = {kind: signal(tissue, timing) for kind, tissue in visit.tissues.items()}
    signals = {kind: value / signals["white matter"] for kind, value in signals.items()}
    weights = np.array([signals[kind] for kind in FRACTIONS], dtype=np.float32)
    contrast: Array = np.tensordot(weights, visit.body.template.tissue, 1)
    box, lesion, core = visit.blurred
    contrast[box] *= 1 - lesion
    contrast[box] += (lesion - core) * signals["lesion"] + core * signals["black hole"]
    return np.asarray(contrast, dtype=np.float32)


def _slices(contrast: Array, body: Body, grid: Grid, thin: int, to_t1w: Affine) -> Array:
    """Sample a contrast once on a scan's grid; every slice is the mean of `thin` ones."""
    if thin == 1:
        return sample(contrast, template_voxels(body, to_t1w @ grid.affine, grid.shape))
    x, y, z = grid.shape
    affine = grid.affine.copy()
    affine[:3, 2] /= thin
    affine[:3, 3] -= affine[:3, 2] * (thin - 1) / 2
    sampled = sample(contrast, template_voxels(body, to_t1w @ affine, (x, y, z * thin)))
    return np.asarray(sampled.reshape(x, y, z, thin).mean(axis=3))


def _in_itk(matrix: Affine) -> SimpleITK.Euler3DTransform:
    """Turn a rigid (4, 4) matrix, RAS mm, into an ITK transform, which is LPS."""
    in_lps = LPS @ matrix @ LPS
    transform = SimpleITK.Euler3DTransform()
    transform.SetMatrix(in_lps[:3, :3].ravel().tolist(), 1e-6)
    transform.SetTranslation(in_lps[:3, 3].tolist())
    return transform
