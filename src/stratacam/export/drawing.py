"""One slice as a picture to hand out: scan, heat, sides, scale bar, and below it a legend that says what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat

import numpy as np
from matplotlib.font_manager import FontProperties, findfont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from stratacam.cam.drawing import blend
from stratacam.export.choose import ChosenMap
from stratacam.export.laid import LaidMap
from stratacam.export.words import (
    RESEARCH,
    coverage_of,
    networks_of,
    number,
    prediction_of,
    printable,
    title_of,
    unit_of,
)
from stratacam.report.overlay import AGREED, PALE

LONG_SIDE = 640
"""Pixels along the longer side of a slice."""

NARROWEST = 520
"""Pixels of the narrowest picture: a legend needs so many."""

MARGIN, LINE, BAR = 10, 20, 14
TEXT, SMALL = 15, 13
WHITE, YELLOW, GREY = (235, 235, 235), (255, 214, 10), (165, 165, 165)
GREY_OF_THE_BAR = 0.45
SCALE_BARS_MM = (50.0, 20.0, 10.0, 5.0)
WIDEST_BAR = 0.4
"""Part of the width of a slice that its scale bar may take."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture of a slice.

    Attributes:
        index: of the slice.
        pixels: (rows, columns, 3) uint8; the slice begins in the first row and column.
        spacing: millimetres from row to row and column to column of the slice.
    """

    index: int
    pixels: NDArray[np.uint8]
    spacing: tuple[float, float]


@dataclass(frozen=True)
class Legend:
    """What is written beside every slice of a map.

    Attributes:
        lines: below the warning.
        scale: what the colours are, as a sentence.
        ticks: below the colour bar, from left to right.
        signed: whether colours are about 0.
    """

    lines: tuple[str, ...]
    scale: str
    ticks: tuple[str, ...]
    signed: bool


def legend_of(chosen: ChosenMap, laid: LaidMap, *, signed: bool) -> Legend:
    """The legend of a map as it is laid over a scan."""
    unit = unit_of(chosen)
    low, high = laid.raw_range
    what = (
        "Map, signed, by its largest absolute value in this scan"
        if signed
        else "Heat, by its maximum in this scan"
    )
    top = f"1 = {number(laid.scale)}"
    ends = (f"{number(-1)} = {number(-laid.scale)}", "0", top) if signed else ("0", "0.5", top)
    pale = (
        () if laid.agreement is None else (f"Pale: fewer than {100 * AGREED:.0f} % of the networks agree.",)
    )
    dark = () if laid.explained[list(laid.shown)].all() else ("Dark: not explained.",)
    return Legend(
        lines=(
            title_of(chosen),
            f"{prediction_of(chosen)}; {networks_of(chosen)}",
            chosen.trust.sentence,
            *pale,
            *dark,
            *filter(None, [coverage_of(laid)]),
        ),
        scale=f"{what}. Unit: {unit}. Raw map in this scan: {number(low)} to {number(high)}.",
        ticks=ends,
        signed=signed,
    )


def draw(laid: LaidMap, index: int, legend: Legend, *, name: str) -> Drawn:
    """Draw a slice.

    Args:
        laid: the map over the scan.
        index: of the slice.
        legend: of the map.
        name: of the scan and its sequence.
    """
    # 1. The slice in pixels that are nearly square; it spans the same millimetres.
    row_mm, column_mm = laid.spacing
    rows, columns = laid.anatomy.shape[1:]
    long_mm = max(rows * row_mm, columns * column_mm)
    height, width = (round(LONG_SIDE * length / long_mm) for length in (rows * row_mm, columns * column_mm))
    grey, heat = (_resized(values[index], width, height) for values in (laid.anatomy, laid.heat))
    cover = _resized(laid.explained[index].astype(np.float32), width, height)
    grey *= np.where(cover >= 0.5, 1.0, 0.5)  # what was not explained is dimmed
    picture = blend(grey.clip(0, 1), heat.clip(-1 if legend.signed else 0, 1), signed=legend.signed)
    if laid.agreement is not None:
        shown = np.where(_resized(laid.agreement[index], width, height) >= AGREED, 1, PALE)[..., None]
        picture = shown * picture + (1 - shown) * grey[..., None]
    # 2. The canvas, in whose first pixel the slice begins, so that its place in the patient is kept.
    full = max(width, NARROWEST)
    below = _laid_out(legend, full - 2 * MARGIN)
    canvas = Image.new("RGB", (full, height + below.height))
    canvas.paste(Image.fromarray((255 * picture).round().clip(0, 255).astype(np.uint8)), (0, 0))
    pen = ImageDraw.Draw(canvas)
    _mark(pen, laid, index, (width, height), name)
    below.write(canvas, height)
    return Drawn(index, np.asarray(canvas), (rows * row_mm / height, columns * column_mm / width))


@dataclass(frozen=True)
class _Below:
    """What stands below the slice, line by line."""

    warning: str
    lines: tuple[str, ...]
    legend: Legend
    width: int

    @property
    def height(self) -> int:
        return 2 * MARGIN + LINE + len(self.lines) * LINE + BAR + LINE

    def write(self, canvas: Image.Image, top: int) -> None:
        pen = ImageDraw.Draw(canvas)
        place = top + MARGIN
        pen.text((MARGIN, place), self.warning, font=_font(TEXT, bold=True), fill=YELLOW)
        for line, colour in zip(self.lines, chain([WHITE], repeat(GREY)), strict=False):
            place += LINE
            pen.text((MARGIN, place), line, font=_font(SMALL), fill=colour)
        place += LINE + 3
        low = -1.0 if self.legend.signed else 0.0
        values = np.tile(np.linspace(low, 1, self.width), (BAR, 1))
        bar = blend(np.full(values.shape, GREY_OF_THE_BAR), values, signed=self.legend.signed)
        canvas.paste(Image.fromarray((255 * bar).round().astype(np.uint8)), (MARGIN, place))
        for text, share in zip(self.legend.ticks, (0.0, 0.5, 1.0), strict=True):
            length = pen.textlength(text, font=_font(SMALL))
            across = MARGIN + share * self.width - share * length
            pen.text((across, place + BAR + 2), text, font=_font(SMALL), fill=WHITE)


def _laid_out(legend: Legend, width: int) -> _Below:
    lines = [part for line in (*legend.lines, legend.scale) for part in _wrapped(line, width)]
    return _Below(RESEARCH, tuple(lines), legend, width)


def _wrapped(text: str, width: int) -> Sequence[str]:
    """A text in lines that are at most so many pixels wide; a word that is longer is split."""
    lines: list[str] = []
    for word in printable(text).split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font(SMALL).getlength(longer) <= width:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:
            if _font(SMALL).getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _mark(pen: ImageDraw.ImageDraw, laid: LaidMap, index: int, size: tuple[int, int], name: str) -> None:
    """Name, place, sides of the patient, scale bar, and why there is no heat."""
    left, right, top, bottom = laid.sides
    width, height = size
    font, middle = _font(TEXT, bold=True), (width / 2, height / 2)
    for letter, place, anchor in (
        (left, (MARGIN, middle[1]), "lm"),
        (right, (width - MARGIN, middle[1]), "rm"),
        (top, (middle[0], MARGIN), "ma"),
        (bottom, (middle[0], height - MARGIN), "md"),
    ):
        _outlined(pen, place, letter, font, anchor)
    position = laid.centre(index)
    axis = int(np.abs(laid.grid.affine[:3, 2]).argmax())
    where = f"slice {index + 1} of {len(laid.anatomy)}, {'xyz'[axis]} = {position[axis]:.1f} mm"
    _outlined(pen, (MARGIN, MARGIN), name, _font(SMALL), "la")
    _outlined(pen, (MARGIN, MARGIN + LINE), where.replace("-", "\N{MINUS SIGN}"), _font(SMALL), "la")
    if laid.blank[index]:
        _outlined(pen, (middle[0], height - 3 * MARGIN), f"blank map: {laid.blank[index]}", font, "md")
    across_mm = laid.anatomy.shape[2] * laid.spacing[1]
    bar_mm = next((mm for mm in SCALE_BARS_MM if mm <= across_mm * WIDEST_BAR), SCALE_BARS_MM[-1])
    length = bar_mm * width / across_mm
    base = height - MARGIN
    pen.line([(MARGIN, base), (MARGIN + length, base)], fill=WHITE, width=3)
    _outlined(pen, (MARGIN, base - 6), f"{bar_mm / 10:g} cm", _font(SMALL), "ld")


def _outlined(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, font: ImageFont.FreeTypeFont, anchor: str
) -> None:
    pen.text(place, text, font=font, fill=WHITE, anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0))


def _resized(values: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """A slice at another size, linearly; both span the same millimetres."""
    return np.array(Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR))


@lru_cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    properties = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    return ImageFont.truetype(findfont(properties), size)
