"""Whether good registrations are kept, and wrong ones caught, where a sequence lies on the T1w's own grid."""

from dataclasses import replace
from statistics import mean

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from benchmarks.preparation.data import Session, closest_rigid, matrix_of, move, read_image
from benchmarks.table import markdown
from stratacam.scans.agreement import read_points
from stratacam.scans.brain_mask import extract_brain
from stratacam.scans.prepare.registration import check_registration
from stratacam.scans.register import Registration, register
from stratacam.scans.volume import from_itk, itk_affine, to_itk

SEQUENCES = ("T2w", "FLAIR")
LAID = 10  # of each sequence of each session
NEAREST_MM, FARTHEST_MM, FARTHEST_DEGREES = 0.3, 2.0, 2.0
WRONG = 5  # of each sequence of each session
WRONG_MM = (5.0, 20.0)


def table(every: list[Session], seed: int = 0) -> str:
    """Lay T2w and FLAIR on the T1w's grid up to 2 mm and 2 degrees off, register and check; then check wrong ones.

    Distances are means over brain points, to the closest rigid transform of the data set's own.
    """
    rows = []
    generator = np.random.default_rng(seed)
    for session in every:
        t1w = read_image(session.scan.images["T1w"])
        found = extract_brain(from_itk(t1w), itk_affine(t1w), session.scan.images["T1w"])
        brain = to_itk(found.astype(np.uint8), itk_affine(t1w))
        brain.CopyInformation(t1w)
        at = read_points(t1w, brain)
        for sequence in SEQUENCES:
            image = read_image(session.scan.images[sequence])
            points, targets = session.expected(sequence)
            reference = _rigid(points, closest_rigid(points, targets))
            delivered = register(t1w, image)
            kept = [not check_registration(at, image, delivered).fell_back]
            errors = [_distance(delivered.transform, reference, points)]
            headers = []
            for case in range(LAID):
                shift = NEAREST_MM + (FARTHEST_MM - NEAREST_MM) * case / (LAID - 1)
                turn = FARTHEST_DEGREES * generator.uniform()
                moved = _motion(points.mean(0), shift, turn, generator)
                laid = SimpleITK.Resample(
                    image, t1w, SimpleITK.CompositeTransform([reference, moved]), SimpleITK.sitkLinear, 0.0
                )
                true = moved.GetInverse()
                registration = register(t1w, laid)
                kept.append(not check_registration(at, laid, registration).fell_back)
                headers.append(_distance(SimpleITK.Euler3DTransform(), true, points))
                errors.append(_distance(registration.transform, true, points))
            caught = 0
            for shift in np.linspace(*WRONG_MM, WRONG):
                wrong = _motion(points.mean(0), float(shift), 0.0, generator)
                matrix = matrix_of(delivered.transform) @ matrix_of(wrong)
                checked = check_registration(at, image, _wrong(delivered, matrix))
                caught += checked.fell_back or bool(checked.doubts)
            rows.append(
                (
                    session.scan.name,
                    sequence,
                    f"{errors[0]:.2f}",
                    f"{mean(headers):.2f}",
                    f"{mean(errors[1:]):.2f}",
                    f"{max(errors[1:]):.2f}",
                    f"{sum(kept)} of {len(kept)}",
                    f"{caught} of {WRONG}",
                )
            )
    header = (
        "scan",
        "sequence",
        "as delivered, mm off",
        "laid: header, mm off",
        "registered, mm off",
        "at most",
        "kept",
        "wrong by 5 to 20 mm: caught",
    )
    return markdown(header, rows)


def _motion(
    centre: NDArray[np.float64], shift: float, degrees: float, generator: np.random.Generator
) -> SimpleITK.VersorRigid3DTransform:
    """A motion about `centre`, so far, along random directions."""
    axis, way = (vector / np.linalg.norm(vector) for vector in generator.normal(size=(2, 3)))
    motion = SimpleITK.VersorRigid3DTransform()
    motion.SetCenter(centre.tolist())
    motion.SetRotation(axis.tolist(), np.deg2rad(degrees))
    motion.SetTranslation((shift * way).tolist())
    return motion


def _rigid(points: NDArray[np.float64], targets: NDArray[np.float64]) -> SimpleITK.Euler3DTransform:
    """The transform that takes points to targets, which are the same points moved."""
    affine = np.linalg.lstsq(np.c_[points, np.ones(len(points))], targets, rcond=None)[0].T
    return _as_transform(np.vstack([affine, [0, 0, 0, 1]]))


def _as_transform(matrix: NDArray[np.float64]) -> SimpleITK.Euler3DTransform:
    transform = SimpleITK.Euler3DTransform()
    transform.SetMatrix(matrix[:3, :3].ravel().tolist(), 1e-6)
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def _wrong(found: Registration, matrix: NDArray[np.float64]) -> Registration:
    return replace(found, transform=_as_transform(matrix))


def _distance(
    transform: SimpleITK.Transform, expected: SimpleITK.Transform, points: NDArray[np.float64]
) -> float:
    apart = move(matrix_of(transform), points) - move(matrix_of(expected), points)
    return float(np.linalg.norm(apart, axis=1).mean())
