"""Random maps beside each map: the map itself, moved to other places of the brain.

ROAD, deletion and insertion reward maps that remove coherent areas, whatever these show. A control has the blur, area,
shapes and zeros of its map, but not its places; the mean over controls is how much of a map's score is due to these. A
map that is itself random is exchangeable with its controls and scores above them by 0 on average. (Surrogates with
random phases are not: the shapes in a skewed map, or in one with many zeros, break up, and the map scores above them.)
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.cam import view
from stratacam.maps.heat import Heat

Mask = NDArray[np.bool_]

SPREAD = np.array([0.7548776662466927, 0.5698402909980532])
"""Steps of a sequence that covers the unit square evenly: 1/p and 1/p^2 with p^3 = p + 1 (M. Roberts, 2018)."""


def control_maps(
    raw: Heat, brain: Mask, count: int, random: np.random.Generator, *, seamless: bool = True
) -> Heat:
    """A raw map moved to other places of the brain.

    What of the map lies in the brain is mirrored at the brain's edge, and then without end at the edges of its bounding
    box; a control is this pattern from another start. The first start is random, the others are spread evenly from it,
    so that their mean varies less than that of independent ones. The cells in the brain are given the map's values by
    rank, so that the control has these exactly.

    Args:
        raw: (h, w), at the layer's resolution.
        brain: (rows, columns) of the picture.
        count: number of controls.
        random: of the places, and of the order among equals.
        seamless: as above. False: the map goes on at the opposite edge of the box, so that nothing is in a control
            twice: of two copies of a maximum, one at least is off the truth, and maps would be above their controls.

    Returns:
        (count, h, w) raw maps; outside the brain's cells as the map itself.
    """
    cells = cells_of(brain, raw.shape)
    box = ndimage.find_objects(cells.astype(int))[0]
    inside = _mirrored_at_edge(raw, cells)[box]
    rows, columns = inside.shape
    pattern = np.pad(inside, ((0, rows), (0, columns)), mode="symmetric") if seamless else inside
    starts = (random.random(2) + np.arange(count)[:, None] * SPREAD) % 1 * pattern.shape
    found = np.tile(raw, (count, 1, 1))
    for one, (down, right) in zip(found, starts.astype(int), strict=True):
        one[box] = np.roll(pattern, (-down, -right), axis=(0, 1))[:rows, :columns]
    return with_values_of(raw, found, cells, random)


def with_values_of(raw: Heat, patterns: Heat, cells: Mask, random: np.random.Generator) -> Heat:
    """Patterns (m, h, w) whose cells are given the values of a raw map (h, w) by rank, equal ones in random order."""
    order_of_equals = random.permutation(int(cells.sum()))
    order = order_of_equals[np.argsort(patterns[:, cells][:, order_of_equals], axis=1, kind="stable")]
    ranked = np.empty_like(order, dtype=raw.dtype)
    np.put_along_axis(ranked, order, np.sort(raw[cells])[None], axis=1)
    found = np.tile(raw, (len(patterns), 1, 1))
    found[:, cells] = ranked
    return found


def cells_of(brain: Mask, shape: tuple[int, ...]) -> Mask:
    """The cells of a layer (h, w) that heat in the brain is interpolated from."""
    down, right = (
        view(torch.eye(cells)[None, None], size=(pixels, cells), normalise="none")[0, 0].numpy()
        for cells, pixels in zip(shape, brain.shape, strict=True)
    )
    return np.asarray(down.T @ brain @ right > 0)


def _mirrored_at_edge(raw: Heat, cells: Mask) -> Heat:
    """The map with cells outside the brain as those as far inside it, or else as the nearest in it."""
    nearest = ndimage.distance_transform_edt(~cells, return_distances=False, return_indices=True)
    mirrored = 2 * nearest - np.indices(raw.shape)
    last = np.array(raw.shape)[:, None, None] - 1
    row, column = np.clip(mirrored, 0, last)
    return np.asarray(np.where(cells[row, column], raw[row, column], raw[tuple(nearest)]))
