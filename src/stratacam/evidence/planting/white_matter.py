"""Where lesions can be planted in a scan, and how bright white matter is there."""

from dataclasses import dataclass, replace

import numpy as np
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.scans.frame import Frame
from stratacam.scans.intensity import reference_tissue
from stratacam.scans.phantom.contrast import TISSUES, signal
from stratacam.scans.pictures import PictureSettings, cut_pictures
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.sequences import find_sequence, lesion_sequence

OTHER_RATIO = 1.5
"""Lesion over white matter in sequences whose physics is not known here."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Slices of one scan before anything is planted.

    Attributes:
        scan: its name.
        subject: such as "sub-01".
        images: (n, 3, rows, columns).
        brain: (n, rows, columns).
        white: (n, rows, columns), where lesions may be centred.
        levels: slice of each picture in the prepared volume.
        normal: of each of the three channels, the intensity of white matter.
        lesion: likewise of a lesion.
        pixel_mm: edge of a pixel.
        shown: channel that shows lesions best.
    """

    scan: str
    subject: str
    images: NDArray[np.float32]
    brain: NDArray[np.bool_]
    white: NDArray[np.bool_]
    levels: NDArray[np.intp]
    normal: NDArray[np.float32]
    lesion: NDArray[np.float32]
    pixel_mm: float
    shown: int


def read_anatomy(scan: PreparedScan, settings: PictureSettings, frame: Frame | None = None) -> Anatomy:
    """Cut the slices of a prepared scan, and find its white matter.

    The intensity of a lesion is that of white matter times the ratio of their signals under the sequence's usual
    parameters at 1.5 T (see `stratacam.scans.phantom.contrast`).

    Args:
        scan: prepared, T1w among its sequences.
        settings: of the pictures, each sequence a channel.
        frame: that the pictures of all scans share; see `cut_pictures`.

    Raises:
        InputError: the scan does not suit the settings, has too little white matter, or a file is missing.
    """
    volume = scan.load()
    images = dict(zip(scan.sequences, volume.images, strict=True))
    voxel_mm = voxel_sizes(volume.affine)
    white = reference_tissue(images, volume.brain_mask, voxel_mm)
    chosen = settings.sequences or scan.sequences
    seen = replace(volume, images=np.stack([images[name] for name in chosen]))
    pictures = cut_pictures(seen, settings, frame, sequences=chosen)
    channels = [chosen[channel % len(chosen)] for channel in range(pictures.images.shape[1])]
    cut = pictures.geometry.cut
    normal = {name: float(np.median(images[name][white])) for name in dict.fromkeys(channels)}
    closed = ndimage.binary_closing(white, iterations=2) & volume.brain_mask
    return Anatomy(
        scan=scan.name,
        subject=f"sub-{scan.subject}",
        images=pictures.images,
        brain=cut(volume.brain_mask.astype(np.float32)) >= 0.5,
        white=cut(closed.astype(np.float32)) >= 0.7,
        levels=pictures.slices,
        normal=np.array([normal[name] for name in channels], dtype=np.float32),
        lesion=np.array([min(_ratio(name) * normal[name], 1.0) for name in channels], dtype=np.float32),
        pixel_mm=pictures.geometry.size_mm[0] / pictures.images.shape[2],
        shown=channels.index(lesion_sequence(channels)),
    )


def _ratio(sequence: str) -> float:
    """Signal of a lesion over that of white matter."""
    timing = find_sequence(sequence).timing
    if timing is None:
        return OTHER_RATIO
    return signal(TISSUES["lesion"], timing) / signal(TISSUES["white matter"], timing)
