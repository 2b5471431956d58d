"""Planes as PNG and outlines as SVG paths, small enough to be embedded in a page."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import contourpy
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.cluster.vq import kmeans2

from stratacam.scans.quality.planes import Planes

EDGE_BLUR = 1.0  # mm: of the T1w before its edges are drawn
SHORTEST = 6  # points: shorter outlines are noise
SCALES = (5, 10, 20, 30, 50, 75, 100, 150, 200)  # per cent: what the colours of a bias field may end at
COLOURS = "RdBu_r"


def grey(picture: NDArray[np.uint8]) -> str:
    """Return a picture (rows, columns) as the data URI of a grey PNG."""
    return _png(Image.fromarray(picture))


def coloured(picture: NDArray[np.floating[Any]], limit: float) -> str:
    """Return a bias field as the data URI of a PNG: blue at -`limit` per cent, red at +`limit`, NaN transparent."""
    seen = np.isfinite(picture)
    share = (np.clip(np.nan_to_num(picture.astype(np.float32)), -limit, limit) / limit + 1) / 2
    image = Image.fromarray(np.where(seen, 1 + np.rint(254 * share), 0).astype(np.uint8), mode=None)
    palette = np.rint(255 * mpl.colormaps[COLOURS](np.linspace(0, 1, 255))[:, :3]).astype(np.uint8)
    image.putpalette(bytes(3) + palette.tobytes())
    return _png(image, transparency=0)


def colour_stops(count: int = 9) -> list[tuple[float, str]]:
    """Return `count` places from 0 to 1 and their colours, for the scale beside `coloured` pictures."""
    return [(float(at), mpl.colors.to_hex(mpl.colormaps[COLOURS](at))) for at in np.linspace(0, 1, count)]


def field_limit(pictures: Sequence[NDArray[np.floating[Any]]]) -> float:
    """Return the smallest round number of per cent that nearly all of the fields stay within."""
    values = np.concatenate([picture[np.isfinite(picture)] for picture in pictures]).astype(np.float32)
    reach = float(np.percentile(np.abs(values), 99.5)) if values.size else 0.0
    return float(next((scale for scale in SCALES if scale >= reach), SCALES[-1]))


def mask_outlines(planes: Planes) -> list[str]:
    """Return the outline of the brain mask on each plane: the `d` of an SVG path, in mm."""
    return [
        _outline(np.pad(inside, 1).astype(float), 0.5, planes.pixel(plane), border=1)
        for plane, inside in zip(planes.planes, planes.mask, strict=True)
    ]


def tissue_edges(planes: Planes, t1w: Sequence[NDArray[np.uint8]]) -> list[tuple[str, str]]:
    """Return the borders of the T1w's tissues on each plane: the `d` of two SVG paths, in mm.

    The T1w is blurred by 1 mm; its values in the brain are parted into three classes by k-means (which in one
    dimension is Otsu's multi-level threshold); the borders are those of the dark to the middle class (CSF to grey
    matter) and of the middle to the bright class (grey to white matter).
    """
    blurred = [
        ndimage.gaussian_filter(
            picture.astype(np.float32),
            [EDGE_BLUR / mm if mm < 2 * EDGE_BLUR else 0 for mm in planes.pixel(plane)],
        )
        for plane, picture in zip(planes.planes, t1w, strict=True)
    ]
    values = np.concatenate([picture[inside] for picture, inside in zip(blurred, planes.mask, strict=True)])
    starts = np.percentile(values, (5, 50, 95))[:, None]
    classes = np.sort(kmeans2(values[:, None], starts, iter=30, minit="matrix")[0].ravel())
    outer, inner = (float(level) for level in (classes[1:] + classes[:-1]) / 2)
    edges = []
    for plane, picture, inside in zip(planes.planes, blurred, planes.mask, strict=True):
        brain = np.where(inside, picture, np.nan)
        pixel = planes.pixel(plane)
        edges.append((_outline(brain, outer, pixel), _outline(brain, inner, pixel)))
    return edges


def _outline(
    picture: NDArray[np.floating[Any]], level: float, pixel: tuple[float, float], border: int = 0
) -> str:
    """The contour of `picture` at `level` as an SVG path in mm; `border` pixels were added on every side."""
    height, width = pixel
    paths = []
    for line in contourpy.contour_generator(z=np.ma.masked_invalid(picture)).lines(level):
        if len(line) < SHORTEST:
            continue
        points = (np.asarray(line) + 0.5 - border) * (width, height)
        paths.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points))
    return "".join(paths)


def _png(image: Image.Image, **options: int) -> str:
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode("ascii")
