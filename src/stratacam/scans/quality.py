"""One picture per scan by which an expert can judge registration, mask, kept slices and intensities."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.files import whole_file

MARGIN = 12.0  # mm around the brain
EDGE_BLUR = 1.0  # mm: of the T1w before its edges are drawn
OUTER, INNER, MASK, KEPT = "#ff5a4d", "#ffc400", "#37c5ff", "#7bd88f"


def draw_quality(
    path: Path,
    name: str,
    scaled: Mapping[str, NDArray[np.float32]],
    brain_mask: NDArray[np.bool_],
    affine: NDArray[Any],
    *,
    areas: NDArray[np.float64],
    kept: NDArray[np.intp],
    metrics: Mapping[str, tuple[float, float]],
) -> None:
    """Draw the quality picture (PNG).

    One row per sequence, in two axial planes, one coronal and one sagittal plane through the brain. On the T1w: the
    outline of the mask and the limits of the kept slices. On the others: edges of the T1w, red where it crosses from
    CSF to grey matter, yellow from grey to white matter; they should run along the same borders. The last column has
    the brain area of every slice, and the histogram of each sequence inside the brain.

    Args:
        path: the PNG.
        name: the scan, for the title.
        scaled: sequence -> (X, Y, Z), not masked, 1 for the intensity that becomes 1; the first row is "T1w".
        brain_mask: (X, Y, Z).
        affine: (4, 4), voxels to RAS millimetres.
        areas: (Z,) brain area of every axial slice, mm^2.
        kept: indices of the kept slices.
        metrics: sequence -> metric before and after registration.
    """
    voxel = np.linalg.norm(affine[:3, :3], axis=0)
    box = _box(brain_mask, voxel)
    cuts = _cuts(brain_mask, kept)
    edges, levels = _tissue_edges(scaled["T1w"], brain_mask, voxel)
    rows = ["T1w", *(sequence for sequence in scaled if sequence != "T1w")]
    figure = Figure(figsize=(16, 3.9 * len(rows) + 0.5), dpi=110, facecolor="black", layout="constrained")
    grid = figure.add_gridspec(len(rows), 5, width_ratios=[1, 1, 1, 1.2, 0.75])
    for row, sequence in enumerate(rows):
        brightest = 1.25 * float(np.percentile(scaled[sequence][brain_mask], 99.7))
        for column, (axis, index) in enumerate(cuts):
            axes = figure.add_subplot(grid[row, column])
            shown = _plane(scaled[sequence], axis, index, box)
            extent = _extent(axis, box, voxel)
            axes.imshow(
                shown,
                cmap="gray",
                vmin=0,
                vmax=brightest,
                extent=extent,
                origin="lower",
                interpolation="bilinear",
            )
            style: dict[str, Any] = {"extent": extent, "origin": "lower"}
            if sequence == "T1w":
                mask = _plane(brain_mask, axis, index, box).astype(float)
                axes.contour(mask, [0.5], colors=MASK, linewidths=0.9, **style)
                if axis != 2 and len(kept):
                    for limit in (kept[0], kept[-1] + 1):
                        axes.axhline(limit * voxel[2], color=KEPT, linewidth=0.8, linestyle="--")
            else:
                edge = _plane(edges, axis, index, box)
                axes.contour(edge, levels, colors=[OUTER, INNER], linewidths=0.55, alpha=0.85, **style)
            axes.set_axis_off()
            plane = f"{('sagittal', 'coronal', 'axial')[axis]} {index}"
            title = _title(plane, sequence, metrics) if column == 0 else plane
            axes.set_title(title, color="white", fontsize=9)
        axes = figure.add_subplot(grid[row, 4])
        if sequence == "T1w":
            _draw_areas(axes, areas, kept)
        else:
            _draw_histogram(axes, sequence, scaled[sequence][brain_mask])
    figure.suptitle(f"{name}: {len(kept)} of {len(areas)} axial slices kept", color="white", fontsize=13)
    with whole_file(path) as temporary:
        figure.savefig(temporary, facecolor="black", metadata={"Software": None})


def _box(mask: NDArray[np.bool_], voxel: NDArray[Any]) -> list[tuple[int, int]]:
    """First and last+1 voxel shown along each axis."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        margin = int(np.ceil(MARGIN / voxel[axis]))
        box.append((max(0, int(inside[0]) - margin), min(mask.shape[axis], int(inside[-1]) + 1 + margin)))
    return box


def _cuts(mask: NDArray[np.bool_], kept: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Axis and index of the four planes."""
    middle = [round(place) for place in ndimage.center_of_mass(mask)]
    low, high = (int(kept[0]), int(kept[-1])) if len(kept) else (0, mask.shape[2] - 1)
    lower, upper = (round(low + share * (high - low)) for share in (0.5, 0.7))
    across = np.flatnonzero(mask.any(axis=(1, 2)))
    return [(2, lower), (2, upper), (1, middle[1]), (0, middle[0] + round(0.06 * len(across)))]


def _plane(volume: NDArray[Any], axis: int, index: int, box: list[tuple[int, int]]) -> NDArray[Any]:
    """A plane as an image, rows upwards; axial and coronal planes have the patient's right on the left."""
    shown = volume[tuple(index if a == axis else slice(*box[a]) for a in range(3))].T
    return shown if axis == 0 else shown[:, ::-1]


def _extent(axis: int, box: list[tuple[int, int]], voxel: NDArray[Any]) -> tuple[float, float, float, float]:
    across, up = [
        (low * mm, high * mm) for a, ((low, high), mm) in enumerate(zip(box, voxel, strict=True)) if a != axis
    ]
    return (*across, *up)


def _tissue_edges(
    t1w: NDArray[np.float32], mask: NDArray[np.bool_], voxel: NDArray[Any]
) -> tuple[NDArray[np.float32], list[float]]:
    """The blurred T1w, and the two levels that part its three tissues (multi-level Otsu inside the brain)."""
    blurred = ndimage.gaussian_filter(t1w, EDGE_BLUR / voxel * (voxel < 2 * EDGE_BLUR))
    counts, edges = np.histogram(blurred[mask], 64, tuple(np.percentile(blurred[mask], (1, 99))))
    weight = np.concatenate([[0.0], np.cumsum(counts)])
    moment = np.concatenate([[0.0], np.cumsum(counts * (edges[1:] + edges[:-1]) / 2)])

    def spread(low: int, high: int) -> float:
        inside = weight[high] - weight[low]
        return float((moment[high] - moment[low]) ** 2 / inside) if inside else 0.0

    pairs = [(a, b) for a in range(1, 63) for b in range(a + 1, 64)]
    best = max(pairs, key=lambda pair: spread(0, pair[0]) + spread(*pair) + spread(pair[1], 64))
    return np.where(mask, blurred, np.nan), [float(edges[best[0]]), float(edges[best[1]])]


def _title(plane: str, sequence: str, metrics: Mapping[str, tuple[float, float]]) -> str:
    if sequence not in metrics:
        return f"{sequence}, brain mask; {plane}"
    before, after = metrics[sequence]
    return f"{sequence}, edges of T1w; metric {before:.3f} to {after:.3f}"


def _draw_areas(axes: Axes, areas: NDArray[np.float64], kept: NDArray[np.intp]) -> None:
    colours = np.full(len(areas), "#666666", dtype=object)
    colours[kept] = KEPT
    axes.barh(np.arange(len(areas)), areas / 100, height=1.0, color=list(colours))
    _style(axes, "brain area per slice, cm²; green: kept", "slice")


def _draw_histogram(axes: Axes, sequence: str, values: NDArray[np.float32]) -> None:
    axes.hist(values, bins=80, range=(0.0, 1.2), color="#bbbbbb")
    axes.axvline(1.0, color=OUTER, linewidth=0.8)
    axes.set_yticks([])
    _style(axes, f"{sequence} in the brain (clipped at 1)", "")


def _style(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_facecolor("black")
    axes.tick_params(colors="white", labelsize=8)
    axes.set_xlabel(x_label, color="white", fontsize=9)
    axes.set_ylabel(y_label, color="white", fontsize=9)
    for spine in axes.spines.values():
        spine.set_color("#888888")
