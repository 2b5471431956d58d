"""Maps as NIfTI: on the prepared grid, and on the T1w scan as delivered."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.files import write_json
from stratacam.maps.store import ScanMaps
from stratacam.scans.pictures import Pictures
from stratacam.scans.volume import write_nifti


@dataclass(frozen=True)
class Grid:
    """Voxels in the world: `shape` (X, Y, Z) and `affine` (4, 4), voxels to RAS millimetres."""

    shape: tuple[int, ...]
    affine: NDArray[np.float64]


def on_grid(volume: NDArray[np.float32], affine: NDArray[np.float64], target: Grid) -> NDArray[np.float32]:
    """Resample a volume (X, Y, Z) of `affine` linearly onto another grid; 0 where the volume has nothing."""
    matrix = np.linalg.inv(affine) @ target.affine
    resampled: NDArray[np.float32] = ndimage.affine_transform(
        volume, matrix[:3, :3], matrix[:3, 3], output_shape=target.shape, order=1, mode="grid-constant"
    )
    return resampled


def write_map(
    stem: Path,
    maps: ScanMaps,
    layer: str,
    *,
    pictures: Pictures,
    affine: NDArray[np.float64],
    delivered: Grid,
) -> set[Path]:
    """Write the raw map of one layer on the prepared grid and on the delivered grid, each with its sidecar.

    Args:
        stem: path of the files up to the entities of space and layer.
        maps: what the map is of.
        layer: the layer.
        pictures: what the network saw, for their place in the volume.
        affine: of the prepared volume.
        delivered: the grid of the T1w as delivered.

    Returns:
        The files written.
    """
    written = set()
    prepared = pictures.to_volume(maps.raw(layer))
    grids = {
        "prepared": prepared,
        "delivered": on_grid(prepared, affine, delivered),
    }
    for grid, values in grids.items():
        path = map_path(stem, maps, layer, grid)
        sidecar = path.with_name(path.name.removesuffix(".nii.gz") + ".json")
        write_json(
            sidecar,
            {
                "Description": "Class activation map, signed",
                "Method": maps.method,
                "Layer": layer,
                "ExplainedClass": maps.explained,
                "PredictedClass": maps.predicted,
                "ReLU": False,
                "Normalisation": "none",
                "Upsampling": "linear, align_corners=False; linear between explained slices",
                "ExplainedSlices": maps.slices.tolist(),
                "BlankSlices": {
                    str(index): cause
                    for index, cause in zip(maps.slices.tolist(), maps.blank[layer], strict=True)
                    if cause
                },
            },
        )
        write_nifti(path, values, affine if grid == "prepared" else delivered.affine)
        written |= {path, sidecar}
    return written


def map_path(stem: Path, maps: ScanMaps, layer: str, grid: str) -> Path:
    """The NIfTI of `layer` on the "prepared" or "delivered" grid, with the class where several are explained."""
    label = f"_label-{entity(maps.explained)}" if len(maps.every_explained) > 1 else ""
    return stem.with_name(
        f"{stem.name}_space-T1w_res-{grid}{label}_desc-{entity(layer)}_{entity(maps.method)}.nii.gz"
    )


def entity(name: str) -> str:
    """A name as the value of a BIDS entity, which holds letters and digits alone.

    Example:
        >>> entity("block5_conv3"), entity("gradcam++")
        ('block5conv3', 'gradcamplusplus')
    """
    return "".join(letter for letter in name.replace("+", "plus") if letter.isalnum())
