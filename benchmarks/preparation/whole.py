"""A whole preparation: time and memory of each scan, and what two sessions of one person have in common."""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

import nibabel
import numpy as np
import torch
from scipy import ndimage

from benchmarks.preparation.data import Session, read_image, sessions
from stratacam.scans.prepare import PrepareSettings, prepare
from stratacam.scans.prepared import find_prepared
from stratacam.scans.register import register
from stratacam.scans.volume import LPS

GRID_MM = 1.0


def each_alone(data: Path, every: list[Session]) -> str:
    """Prepare every scan at 1 mm in a process of its own, on one thread: CPU seconds and peak memory."""
    lines = []
    with tempfile.TemporaryDirectory() as out:
        for number, session in enumerate(every):
            command = [sys.executable, "-m", "benchmarks.preparation.whole", str(data), str(number), out]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds, peak = json.loads(done.stdout.splitlines()[-1])
            lines.append(
                f"{session.scan.name} at {GRID_MM:g} mm: {seconds:.0f} CPU s, peak {peak / 1e9:.2f} GB"
            )
        lines.append(_agreement(Path(out), every))
    return "\n".join(lines)


def _agreement(out: Path, every: list[Session]) -> str:
    """Dice of the two sessions' brain masks, the second registered to the first."""
    first, second = find_prepared(out)[:2]
    fixed, moving = (read_image(session.scan.images["T1w"]) for session in every[:2])
    transform = register(fixed, moving).transform
    masks = [nibabel.Nifti1Image.from_filename(scan.brain_mask) for scan in (first, second)]
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    rigid = np.block([[np.stack(columns, 1), origin[:, None]], [0.0, 0.0, 0.0, 1.0]])
    to_second = np.linalg.inv(masks[1].affine) @ LPS @ rigid @ LPS @ masks[0].affine
    laid = ndimage.affine_transform(
        np.asarray(masks[1].dataobj, dtype=np.float32),
        to_second[:3, :3],
        to_second[:3, 3],
        output_shape=masks[0].shape,
        order=1,
    )
    one, other = np.asarray(masks[0].dataobj) > 0, laid >= 0.5
    return f"brain masks of the two sessions: Dice {2 * (one & other).sum() / (one.sum() + other.sum()):.3f}"


def _main() -> None:
    data, number, out = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    start = process_time()
    prepare(sessions(data)[number].scan, out, PrepareSettings(grid=GRID_MM))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps([process_time() - start, peak]))


if __name__ == "__main__":
    _main()
