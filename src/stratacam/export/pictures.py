"""Maps as pictures and films through the slices: PNG, GIF, MP4."""

import importlib
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stratacam.errors import InputError
from stratacam.export.drawing import draw, legend_of
from stratacam.export.placed import PlacedMap
from stratacam.export.words import CAUTION
from stratacam.files import whole_file, whole_folder

SECONDS = 0.15
"""That a film shows each slice."""


def write_png(placed: PlacedMap, out: Path) -> list[Path]:
    """Write a stack of pictures, one for each explained slice, into a folder of their own."""
    folder = placed.folder(out, "png") / placed.stem
    described = PngInfo()
    described.add_text("Description", CAUTION)
    with whole_folder(folder) as temporary:
        names = []
        for index, pixels in _frames(placed):
            names.append(f"slice-{index + 1:03}.png")
            Image.fromarray(pixels).save(temporary / names[-1], pnginfo=described)
    return [folder / name for name in names]


def write_gif(placed: PlacedMap, out: Path) -> list[Path]:
    """Write an endless GIF through the explained slices."""
    path = placed.folder(out, "gif") / f"{placed.stem}.gif"
    frames = [
        Image.fromarray(pixels).quantize(256, Image.Quantize.FASTOCTREE) for _, pixels in _frames(placed)
    ]
    with whole_file(path) as temporary:
        frames[0].save(
            temporary,
            save_all=True,
            append_images=frames[1:],
            duration=round(1000 * SECONDS),
            loop=0,
            disposal=1,
        )
    return [path]


def check_film() -> None:
    """Raise InputError unless films can be written."""
    try:
        importlib.import_module("imageio_ffmpeg")
    except ModuleNotFoundError as fault:
        raise InputError(
            "--format mp4: found no package imageio-ffmpeg; expected it, as it carries the encoder: run "
            "`pip install 'stratacam[video]'`, or ask for gif."
        ) from fault


def write_mp4(placed: PlacedMap, out: Path) -> list[Path]:
    """Write an MP4 (H.264) through the explained slices.

    Raises:
        InputError: imageio-ffmpeg is not installed.
    """
    check_film()
    ffmpeg = importlib.import_module("imageio_ffmpeg")
    path = placed.folder(out, "mp4") / f"{placed.stem}.mp4"
    frames = (_even(pixels) for _, pixels in _frames(placed))
    first = next(frames)
    with (
        whole_file(path) as temporary,
        closing(
            ffmpeg.write_frames(
                str(temporary),
                (first.shape[1], first.shape[0]),
                fps=round(1 / SECONDS),
                codec="libx264",
                macro_block_size=2,
                output_params=["-movflags", "+faststart"],
            )
        ) as writer,
    ):
        writer.send(None)
        for pixels in chain([first], frames):
            writer.send(np.ascontiguousarray(pixels))
    return [path]


def _frames(placed: PlacedMap) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Every explained slice with its picture, all of one size."""
    laid = placed.lay()
    legend = legend_of(placed.chosen, laid, signed=placed.signed)
    for index in laid.shown:
        yield index, draw(laid, index, legend, name=placed.name).pixels


def _even(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """With an even number of rows and columns, as the encoder needs."""
    rows, columns = pixels.shape[:2]
    return np.pad(pixels, ((0, rows % 2), (0, columns % 2), (0, 0)))
