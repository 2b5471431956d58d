"""Maps as pictures and films through the slices: PNG, GIF, MP4."""

import errno
import importlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, cast

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
        Image.fromarray(pixels).quantize(256, Image.Quantize.MAXCOVERAGE) for _, pixels in _frames(placed)
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
        InputError: imageio-ffmpeg is not installed, or the encoder fails.
    """
    check_film()
    encoder = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    path = placed.folder(out, "mp4") / f"{placed.stem}.mp4"
    frames = (_even(pixels) for _, pixels in _frames(placed))
    first = next(frames)
    with whole_file(path) as temporary:
        command = [*_encode(encoder, first.shape), str(temporary)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603
            with suppress(BrokenPipeError):  # the encoder says itself why it ended
                for pixels in chain([first], frames):
                    cast("IO[bytes]", process.stdin).write(pixels.tobytes())
            _, said = process.communicate()
        _check_encoded(process.returncode, said.decode(errors="replace").strip(), path)
    return [path]


def _encode(encoder: str, shape: tuple[int, ...]) -> list[str]:
    """The command that makes a film of RGB pictures from its input."""
    rows, columns = shape[:2]
    pictures = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{columns}x{rows}",
        "-r",
        f"{1 / SECONDS:.4g}",
        "-i",
        "-",
    ]
    film = ["-c:v", "libx264", "-crf", "23", "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"]
    return [encoder, "-y", "-v", "error", "-xerror", *pictures, *film]


def _check_encoded(code: int, said: str, path: Path) -> None:
    """Raise an error unless the encoder wrote a whole film: it may end with 0 although it could not write the end."""
    for number in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(number) in said:
            raise OSError(number, os.strerror(number), str(path))
    if code or said:
        words = said.splitlines()[-1] if said else f"it ended with {code}"
        raise InputError(
            f"{path.name}: the encoder failed ({words}); expected a film: ask for gif, or install another "
            "imageio-ffmpeg."
        )


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
