"""Registration against the data set's transforms, displaced scans, and ANTsPy."""

from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from time import process_time
from typing import Any

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray

from benchmarks.preparation.data import Session, closest_rigid, matrix_of, move, read_image
from benchmarks.table import markdown
from stratacam.scans.register import register
from stratacam.scans.volume import from_itk, itk_affine, to_itk

SEQUENCES = ("T2w", "FLAIR")
TRIALS = 20
FARTHEST_MM = 20.0
FARTHEST_DEGREES = 20.0


def against_reference(every: list[Session]) -> str:
    """Mean distance (mm) over brain points to the closest rigid transform of the data set's, and CPU seconds."""
    rows = []
    for session in every:
        t1w = read_image(session.scan.images["T1w"])
        for sequence in SEQUENCES:
            points, targets = session.expected(sequence)
            expected = closest_rigid(points, targets)
            image = read_image(session.scan.images[sequence])
            start = process_time()
            found = matrix_of(register(t1w, image).transform)
            spent = process_time() - start
            distance = np.linalg.norm(move(found, points) - expected, axis=1).mean()
            rows.append((session.scan.name, sequence, "stratacam", f"{distance:.3f}", f"{spent:.1f}"))
            if find_spec("ants"):
                matrix, spent = _ants_rigid(t1w, image)
                distance = np.linalg.norm(move(matrix, points) - expected, axis=1).mean()
                rows.append((session.scan.name, sequence, "ANTsPy rigid", f"{distance:.3f}", f"{spent:.1f}"))
    return markdown(("scan", "sequence", "by", "distance, mm", "CPU s"), rows)


def displaced(session: Session, sequence: str, seed: int = 0) -> str:
    """Distances (mm) to the undisplaced result when the scan is first moved at random."""
    generator = np.random.default_rng(seed)
    t1w, image = (read_image(session.scan.images[name]) for name in ("T1w", sequence))
    points = session.expected(sequence)[0]
    expected = move(matrix_of(register(t1w, image).transform), points)
    distances = []
    for _ in range(TRIALS):
        motion = _random_motion(image, generator)
        moved = SimpleITK.Image(image)
        moved.SetOrigin(motion.TransformPoint(image.GetOrigin()))
        turn = np.reshape(motion.GetMatrix(), (3, 3)) @ np.reshape(image.GetDirection(), (3, 3))
        moved.SetDirection(turn.ravel().tolist())
        found = matrix_of(motion.GetInverse()) @ matrix_of(register(t1w, moved).transform)
        distances.append(float(np.linalg.norm(move(found, points) - expected, axis=1).mean()))
    return (
        f"{session.scan.name} {sequence}, {TRIALS} times displaced by up to {FARTHEST_MM:g} mm and "
        f"{FARTHEST_DEGREES:g} degrees: mean {mean(distances):.3f} mm, largest {max(distances):.3f} mm"
    )


def _random_motion(
    image: SimpleITK.Image, generator: np.random.Generator
) -> SimpleITK.VersorRigid3DTransform:
    """A rotation about the middle of the image, and a shift, along random directions and uniformly far."""
    motion = SimpleITK.VersorRigid3DTransform()
    motion.SetCenter(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    axis, way = (vector / np.linalg.norm(vector) for vector in generator.normal(size=(2, 3)))
    motion.SetRotation(axis.tolist(), np.deg2rad(FARTHEST_DEGREES) * generator.uniform())
    motion.SetTranslation((FARTHEST_MM * generator.uniform() * way).tolist())
    return motion


def _ants_rigid(fixed: SimpleITK.Image, moving: SimpleITK.Image) -> tuple[NDArray[np.float64], float]:
    """ANTsPy's rigid registration, on one thread: the matrix and CPU seconds."""
    import ants  # noqa: PLC0415 - may be absent

    def image(one: SimpleITK.Image) -> Any:
        return ants.from_numpy(
            from_itk(one),
            origin=one.GetOrigin(),
            spacing=one.GetSpacing(),
            direction=np.reshape(one.GetDirection(), (3, 3)),
        )

    start = process_time()
    found = ants.registration(image(fixed), image(moving), type_of_transform="Rigid", random_seed=1)
    spent = process_time() - start
    return matrix_of(SimpleITK.ReadTransform(str(Path(found["fwdtransforms"][0])))), spent


def orientation(session: Session) -> str:
    """Largest distance (mm) between results for the same scan stored with flipped and permuted axes."""
    t1w, flair = (read_image(session.scan.images[name]) for name in ("T1w", "FLAIR"))
    points = session.expected("FLAIR")[0]
    expected = move(matrix_of(register(t1w, flair).transform), points)
    found = []
    for codes in ("LPS", "ASR", "IPL", "SAL"):
        stored = nibabel.Nifti1Image(from_itk(flair), itk_affine(flair))
        turn = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(stored.affine), nibabel.orientations.axcodes2ornt(codes)
        )
        back = nibabel.as_closest_canonical(stored.as_reoriented(turn))
        image = to_itk(np.asarray(back.dataobj), back.affine)
        result = move(matrix_of(register(t1w, image).transform), points)
        found.append(float(np.linalg.norm(result - expected, axis=1).max()))
    return f"{session.scan.name} FLAIR stored as LPS, ASR, IPL, SAL: at most {max(found):.2g} mm from the same answer"
