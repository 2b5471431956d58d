"""One scan as delivered to one prepared scan: masked, registered, bias-corrected, normalised, on one grid."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.scans.bias_field import correct_bias
from stratacam.scans.bids import Scan
from stratacam.scans.brain_mask import extract_brain, read_brain_mask
from stratacam.scans.derivatives import bids_uri, write_dataset_description, write_sidecar
from stratacam.scans.grid import make_grid, onto_grid
from stratacam.scans.intensity import normalise, tissue_peak, white_matter, white_matter_contrast
from stratacam.scans.pictures import brain_mm
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.quality import draw_quality
from stratacam.scans.register import Registration, register, write_transform
from stratacam.scans.slices import kept_slices, slice_areas, write_slices_table
from stratacam.scans.volume import from_itk, itk_affine, read_volume, to_itk, write_nifti

LEAST_COVERED = 0.5


class PrepareSettings(BaseModel, frozen=True, extra="forbid"):
    """How scans are prepared.

    Attributes:
        grid: "T1w" for the grid of the T1w, turned to RAS without interpolation; or the edge (mm) of the isotropic
            voxels of a grid along the T1w's own axes that covers its field of view.
        slice_area_fraction: an axial slice is kept if it belongs to the run around the largest one in which the
            brain covers at least this fraction of the largest area.
        full_scale: per sequence, the multiple of the white-matter intensity that becomes 1.
        full_scale_other: the same for sequences not named in `full_scale`.
        seed: of the points at which the registration samples the images.
    """

    grid: Literal["T1w"] | Annotated[float, Field(ge=0.3, le=10.0)] = "T1w"
    slice_area_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.05
    full_scale: Mapping[str, Annotated[float, Field(gt=0)]] = {"T1w": 1.6, "T2w": 3.5, "FLAIR": 2.0}
    full_scale_other: Annotated[float, Field(gt=0)] = 3.0
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class _Sequence:
    """A sequence on the prepared grid, before its intensities are normalised."""

    source: Path
    image: NDArray[np.float32]  # (X, Y, Z)
    registration: Registration | None  # None for the T1w itself
    covered: float  # share of the brain inside the field of view


def prepare(scan: Scan, out: Path, settings: PrepareSettings) -> PreparedScan:
    """Prepare one scan: a function of its inputs alone, and all or nothing.

    The brain is found on the T1w as delivered (or its mask read); the other sequences are registered to the T1w;
    every sequence is corrected for bias on its own grid inside the brain, resampled once (linear; blurred first
    along axes whose voxels grow), and divided by its white-matter intensity (see `stratacam.scans.intensity`).
    Threads of torch and ITK are as the caller has set them.

    Args:
        scan: the files.
        out: the folder of derivatives; `dataset_description.json` is written if absent.
        settings: see `PrepareSettings`.

    Returns:
        Where the files are. The record is written last: a scan without it does not exist.

    Raises:
        InputError: a file cannot be used; the message names it, what was found and the remedy.
    """
    prepared = PreparedScan(out, scan.subject, scan.session, tuple(scan.images))
    prepared.record.unlink(missing_ok=True)
    seconds: dict[str, float] = {}
    with _timed(seconds, "read"):
        images = {name: _read_canonical(path) for name, path in scan.images.items()}
    t1w = images["T1w"]
    with _timed(seconds, "brain_mask"):
        brain = _find_brain(scan, t1w)
    grid = make_grid(t1w, None if settings.grid == "T1w" else settings.grid)
    sequences = {
        name: _lay(
            name, path, images.pop(name), t1w=t1w, brain=brain, grid=grid, seed=settings.seed, seconds=seconds
        )
        for name, path in scan.images.items()
    }
    mask = from_itk(onto_grid(brain, grid, SimpleITK.Transform())) >= 0.5
    with _timed(seconds, "intensity"), _about(scan.images["T1w"]):
        contrast = white_matter_contrast({name: sequence.image for name, sequence in sequences.items()})
        white = white_matter(contrast, mask, grid.GetSpacing())
    units = {
        name: settings.full_scale.get(name, settings.full_scale_other) * _white_matter_peak(sequence, white)
        for name, sequence in sequences.items()
    }
    _write(prepared, scan, settings, sequences, units, mask=mask, affine=itk_affine(grid), seconds=seconds)
    return prepared


def _read_canonical(path: Path) -> SimpleITK.Image:
    image = nibabel.as_closest_canonical(read_volume(path))
    return to_itk(image.get_fdata(dtype=np.float32), image.affine)


def _find_brain(scan: Scan, t1w: SimpleITK.Image) -> SimpleITK.Image:
    """The brain mask on the grid of the T1w, uint8."""
    affine = itk_affine(t1w)
    if scan.brain_mask is None:
        brain = extract_brain(from_itk(t1w), affine, scan.images["T1w"])
    else:
        brain = read_brain_mask(scan.brain_mask, t1w.GetSize(), affine)
    mask = to_itk(brain.astype(np.uint8), affine)
    mask.CopyInformation(t1w)
    return mask


def _lay(
    name: str,
    path: Path,
    image: SimpleITK.Image,
    *,
    t1w: SimpleITK.Image,
    brain: SimpleITK.Image,
    grid: SimpleITK.Image,
    seed: int,
    seconds: dict[str, float],
) -> _Sequence:
    """Register a sequence, correct its bias inside the brain on its own grid, and resample it."""
    registration = None
    transform = SimpleITK.Transform()
    with _about(path):
        if name != "T1w":
            with _timed(seconds, "registration"):
                registration = register(t1w, image, seed=seed)
                transform = registration.transform
                everywhere = SimpleITK.Add(SimpleITK.Multiply(image, 0.0), 1.0)
                seen = from_itk(
                    SimpleITK.Resample(everywhere, brain, transform, SimpleITK.sitkNearestNeighbor, 0.0)
                )
                covered = float(seen[from_itk(brain) > 0].mean())
                if covered < LEAST_COVERED:
                    raise InputError(
                        f"covers {covered:.0%} of the brain seen in the T1w; expected at least "
                        f"{LEAST_COVERED:.0%}: check that both scans are of one session"
                    )
        with _timed(seconds, "bias_field"):
            own_brain = brain
            if registration is not None:
                inverse = registration.transform.GetInverse()
                own_brain = SimpleITK.Resample(brain, image, inverse, SimpleITK.sitkNearestNeighbor, 0.0)
            corrected = correct_bias(image, own_brain)
        with _timed(seconds, "resampling"):
            laid = from_itk(onto_grid(corrected, grid, transform))
    return _Sequence(path, laid, registration, covered if registration is not None else 1.0)


def _white_matter_peak(sequence: _Sequence, white: NDArray[np.bool_]) -> float:
    peak = tissue_peak(sequence.image[white])
    if not peak > 0:
        raise InputError(
            f"{sequence.source}: white matter has the intensity {peak:g}; expected a positive one: "
            "give the magnitude image"
        )
    return peak


def _write(
    prepared: PreparedScan,
    scan: Scan,
    settings: PrepareSettings,
    sequences: Mapping[str, _Sequence],
    units: Mapping[str, float],
    *,
    mask: NDArray[np.bool_],
    affine: NDArray[np.float64],
    seconds: dict[str, float],
) -> None:
    """Write every file of the prepared scan, its record last."""
    areas = slice_areas(mask, affine)
    kept = kept_slices(areas, settings.slice_area_fraction)
    scaled = {name: sequence.image / np.float32(units[name]) for name, sequence in sequences.items()}
    registrations = {
        name: sequence.registration
        for name, sequence in sequences.items()
        if sequence.registration is not None
    }
    described = {name: _describe(registration) for name, registration in registrations.items()}
    mask_maker = bids_uri(scan.brain_mask) if scan.brain_mask else "deepbet"
    with _timed(seconds, "write"):
        write_dataset_description(prepared.folder, scan.images["T1w"])
        for name, sequence in sequences.items():
            data = normalise(scaled[name], mask)
            write_nifti(prepared.image(name), data, affine)
            write_sidecar(
                prepared.image(name),
                {
                    "Description": "Registered, bias-corrected, skull-stripped, normalised",
                    "Sources": [bids_uri(sequence.source)],
                    "SkullStripped": True,
                    "Units": "arbitrary",
                    "IntensityOfOne": units[name],
                    "ShareAtOne": float(np.mean(data[mask] >= 1)),
                    "ShareOfBrainCovered": sequence.covered,
                },
            )
        for name, registration in registrations.items():
            source, target = bids_uri(scan.images[name]), bids_uri(scan.images["T1w"])
            write_transform(prepared.transform(name), registration.transform)
            write_sidecar(prepared.transform(name), {"Sources": [source, target], **described[name]})
        write_nifti(prepared.brain_mask, mask, affine)
        write_sidecar(
            prepared.brain_mask,
            {"Type": "Brain", "Sources": [bids_uri(scan.images["T1w"])], "MadeBy": mask_maker},
        )
        write_slices_table(prepared.slices_table, areas, kept, affine, mask.shape)
    with _timed(seconds, "picture"):
        metrics = {name: (one.metric_before, one.metric_after) for name, one in registrations.items()}
        draw_quality(
            prepared.quality_picture,
            prepared.name,
            scaled,
            mask,
            affine,
            areas=areas,
            kept=kept,
            metrics=metrics,
        )
    used = ("stratacam", "SimpleITK", "nibabel", "numpy", *(() if scan.brain_mask else ("deepbet",)))
    write_json(
        prepared.record,
        {
            "Sequences": list(sequences),
            "Delivered": {name: str(path.resolve()) for name, path in scan.images.items()},
            "Sources": {name: bids_uri(path) for name, path in scan.images.items()},
            "Notes": list(scan.notes),
            "Settings": settings.model_dump(mode="json"),
            "BrainMask": mask_maker,
            "BrainVolume": float(mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000),
            "BrainWidthLength": brain_mm(mask, affine),
            "KeptSlices": len(kept),
            "IntensityOfOne": dict(units),
            "Registration": described,
            "Seconds": {stage: round(spent, 2) for stage, spent in seconds.items()},
            "Versions": {package: version(package) for package in used},
        },
    )


def _describe(registration: Registration) -> dict[str, Any]:
    return {
        "Maps": "points of the T1w to points of the sequence, LPS mm",
        "Metric": "negative Mattes mutual information",
        "MetricBefore": registration.metric_before,
        "MetricAfter": registration.metric_after,
        "Start": registration.start,
    }


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + perf_counter() - start


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Name the file in an InputError about its content."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
