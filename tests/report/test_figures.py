"""Figures for publication: what they show stays inside them, is text, and is in the table beside them."""

import csv
import re
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from small_evidence import CONSENSUS, SINGLE, add_evidence
from small_study import beside_panels, write_study
from typer.testing import CliRunner

from stratacam.cli import app
from stratacam.errors import InputError
from stratacam.evidence.groups import group_map_file
from stratacam.evidence.regions.group_maps import MEAN, SHARE
from stratacam.evidence.rows import write_rows
from stratacam.evidence.sequences.by_class import SEQUENCES, SequenceSummary
from stratacam.files import read_json, write_json
from stratacam.report.album import figures_of
from stratacam.report.content import read_study
from stratacam.report.evidence import evidence_chapters
from stratacam.report.figure import ONE_COLUMN, TWO_COLUMNS, Request, save_figure, save_numbers
from stratacam.report.figures import EVIDENCE_FIGURES, STUDY_FIGURES
from stratacam.report.lettering import SMALL, wrapped
from stratacam.report.on_demand import make_figure
from stratacam.report.sheet import new_sheet
from stratacam.scans.volume import write_nifti

CLASSES = (
    "relapsing-remitting_multiple_sclerosis",
    "SPMS",
    "clinically isolated syndrome",
    "healthy controls",
)
LAYERS = tuple(f"block{block}_residual.branch{n}.convolution" for block in range(1, 6) for n in range(1, 4))
WRONG = ("sub-03", "sub-07", "sub-08", "sub-12")
HELD_OUT = "sub-04"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Long names, many layers and classes, errors, a consensus, groups and sequences: the hard case of every figure."""
    folders = write_study(
        tmp_path_factory.mktemp("crowded"), classes=CLASSES, layers=LAYERS, wrong=WRONG, every_class=True
    )
    add_evidence(folders, layers=LAYERS)
    folder = folders.evidence / SINGLE
    write_rows(
        folder / SEQUENCES,
        [
            SequenceSummary(name, sequence, 0.5, 0.2, 0.9, 0.3, 0.1, 0.4, 6, 4)
            for name in CLASSES
            for sequence in ("T1w", "T2w", "FLAIR")
        ],
        SequenceSummary,
    )
    explained = {"explained": [CLASSES[0]], "subjects": dict.fromkeys(CLASSES, 3)}
    write_json(folder / "groups.json", {**read_json(folder / "groups.json"), **explained})
    about = read_json(folder / "about.json")
    volume = np.zeros((24, 29, 24), np.float32)
    volume[8:12, 10:14, 8:16] = 2
    for group in CLASSES:
        for kind in (MEAN, SHARE):
            name = group_map_file(CLASSES[0], "gradcam", about["last_convolution"], group, kind)
            write_nifti(
                folder / name,
                volume,
                np.array([[8, 0, 0, -96], [0, 8, 0, -132], [0, 0, 8, -72], [0, 0, 0, 1.0]]),
            )
    return folders


@pytest.fixture(scope="module")
def all_figures(crowded):
    study = read_study(crowded)
    readable, _ = evidence_chapters(study)
    found = figures_of(study, [chapter for chapter in readable if chapter.evidence.folder.name == SINGLE])
    return {figure.entry.name: figure for of in found.values() for figure in of}


@pytest.fixture(scope="module")
def narrow(all_figures):
    """All that have something to show, in one column of a journal."""
    drawn = {name: figure.draw(Request(ONE_COLUMN)) for name, figure in all_figures.items()}
    return {name: figure for name, figure in drawn.items() if figure}


def texts_of(figure):
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def check(figure, width_mm):
    """Every letter is inside the figure and large enough, and no title runs into its neighbour."""
    figure.draw_without_rendering()
    assert figure.get_figwidth() * 25.4 <= width_mm + 0.1
    assert all(text.get_fontsize() >= SMALL for text in texts_of(figure))
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0) > -0.01
    assert box.x1 < width + 0.01
    assert box.y1 < height + 0.01
    titles = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    for number, title in enumerate(titles):
        assert not any(title.overlaps(other) for other in titles[number + 1 :])


ALWAYS = [entry.name for entry in (*STUDY_FIGURES, *EVIDENCE_FIGURES) if entry.name != "strategies"]


@pytest.mark.parametrize("name", ALWAYS)
def test_long_names_many_layers_and_classes_stay_inside_one_column(narrow, name):
    check(narrow[name].figure, ONE_COLUMN)


@pytest.mark.parametrize("name", ["confusion", "last-block", "evidence"])
def test_and_inside_two_columns(all_figures, name):
    check(all_figures[name].draw(Request(TWO_COLUMNS)).figure, TWO_COLUMNS)


@pytest.mark.parametrize(
    "name",
    ["recommended", "right-and-wrong", "classes", "last-block", "block-before", "every-layer", "groups"],
)
def test_pictures_have_a_colour_bar_with_its_unit_a_scale_and_sides(narrow, name):
    figure = narrow[name].figure
    bars = [axes.get_xlabel().replace("\n", " ") for axes in figure.axes if axes.get_label() == "<colorbar>"]
    units = {"classes": "logits", "groups": "quantile"}.get(name, "share of the map's maximum")
    assert any(units in label for label in bars)
    words = [text.get_text() for text in texts_of(figure)]
    assert {"50 mm", "R", "L"} <= set(words)


def test_every_number_of_a_chart_has_its_count(narrow):
    assert all(
        "(n = 12)" in axes.get_title(loc="left").replace("\n", " ") for axes in narrow["evidence"].figure.axes
    )
    rows = beside_panels(narrow["groups"].figure)
    assert len(rows) == 2 * len(CLASSES)
    assert all("n = 3" in row for row in rows)


def test_the_strip_names_its_blocks(narrow):
    assert beside_panels(narrow["every-layer"].figure) == [f"block{number}" for number in range(1, 6)]


def test_right_and_wrong_classifications_of_every_group_are_shown(narrow):
    rows = [
        (row["group"], row["classified"])
        for row in narrow["right-and-wrong"].numbers
        if row["shown"] != "heat"
    ]
    # the last two of four of each group are held out, and wrong ones are given the first class, that of sub-03
    first, second, third, fourth = CLASSES
    right = [(first, "right"), (third, "right"), (fourth, "right")]
    assert rows == [right[0], (second, "wrong"), right[1], (third, "wrong"), right[2]]


def test_maps_of_all_classes_share_one_scale_about_0(narrow):
    figure = narrow["classes"]
    rows = [row for row in figure.numbers if row["shown"] == "signed map"]
    assert [row["explained"] for row in rows] == list(CLASSES)
    (bar,) = (axes for axes in figure.figure.axes if axes.get_xlabel())
    low, high = bar.get_xlim()
    assert low == -high
    assert high == pytest.approx(
        max(abs(row[key]) for row in rows for key in ("minimum_in_slice", "maximum_in_slice"))
    )


def read(figure, path):
    save_numbers(figure, path)
    with path.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t"))


def test_tables_hold_what_is_drawn(narrow, tmp_path):
    rows = read(narrow["confusion"], tmp_path / "confusion.tsv")
    drawn = [text.get_text() for axes in narrow["confusion"].figure.axes[:2] for text in axes.texts]
    assert [f"{row['count']}\n{float(row['per_cent']):.0f} %" for row in rows] == drawn
    rows = read(narrow["evidence"], tmp_path / "evidence.tsv")
    line = narrow["evidence"].figure.axes[0].lines[0]
    found = [float(row["value"]) for row in rows[: len(line.get_ydata())]]
    np.testing.assert_allclose(found, line.get_ydata(), rtol=1e-5)
    rows = read(narrow["every-layer"], tmp_path / "strip.tsv")
    assert [row["layer"] for row in rows] == ["", *LAYERS]
    titles = [
        axes.get_title().replace("\n", " ") for axes in narrow["every-layer"].figure.axes if axes.images
    ]
    assert all(
        f"peak {float(row['peak']):.2f}" in title for row, title in zip(rows[1:], titles[1:], strict=False)
    )
    rows = read(narrow["learning-curves"], tmp_path / "curves.tsv")
    line = narrow["learning-curves"].figure.axes[0].lines[0]
    assert [float(row["train_loss"]) for row in rows] == line.get_ydata().tolist()


def test_text_is_text_in_svg_and_png_has_300_dots_per_inch(narrow, tmp_path):
    figure = narrow["recommended"]
    save_figure(figure, tmp_path / "figure.svg")
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    written = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    for text in texts_of(figure.figure):
        assert set(filter(None, text.get_text().split("\n"))) <= {
            word.replace("&#x27;", "'") for word in written
        }
    assert "DejaVuSans-" not in svg  # glyphs as paths
    save_figure(figure, tmp_path / "figure.svg")
    assert svg == (tmp_path / "figure.svg").read_text(encoding="utf-8")
    save_figure(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert picture.width == pytest.approx(ONE_COLUMN / 25.4 * 300, abs=2)
        assert picture.info["Title"] == figure.title
    save_figure(figure, tmp_path / "figure.pdf")
    assert (
        b"/FontFile2" in (tmp_path / "figure.pdf").read_bytes()
    )  # a TrueType font, whose letters can be searched


def test_the_command_lists_figures_and_makes_one_for_each_subject(crowded, tmp_path):
    listed = CliRunner().invoke(app, ["figure", str(crowded.root), "--list"], env={"COLUMNS": "200"})
    for name in ("every-layer", f"evidence-{SINGLE}", f"groups-{CONSENSUS}"):
        assert name in listed.output
    given = [
        "last-block",
        "--subject",
        "sub-03",
        "--subject",
        "04",
        "--width",
        "85",
        "--format",
        "svg",
        "--format",
        "png",
    ]
    made = CliRunner().invoke(app, ["figure", str(crowded.root), *given, "--out", str(tmp_path)])
    assert made.exit_code == 0, made.output
    assert {path.name for path in tmp_path.iterdir()} == {
        f"last-block_{scan}_85mm.{ending}"
        for scan in ("sub-03", "sub-04")
        for ending in ("svg", "png", "tsv")
    }
    assert "sub-04, group relapsing" in (tmp_path / "last-block_sub-04_85mm.svg").read_text(encoding="utf-8")


def test_what_cannot_be_drawn_is_refused_with_what_could_be(crowded, plain_study, tmp_path):
    with pytest.raises(InputError, match="every-laier: no such figure; expected every-layer"):
        make_figure(crowded, "every-laier", out=tmp_path)
    with pytest.raises(InputError, match="--subject sub-01: has no maps; expected one of sub-03, sub-04"):
        make_figure(crowded, "every-layer", ["sub-01"], out=tmp_path)
    with pytest.raises(InputError, match="confusion shows all subjects together"):
        make_figure(crowded, "confusion", ["sub-03"], out=tmp_path)
    with pytest.raises(
        InputError,
        match=r'classes: nothing to show; expected maps of several classes of a scan .*explain.target = "all"',
    ):
        make_figure(plain_study, "classes", out=tmp_path)


def test_lines_are_broken_where_words_and_numbers_hold_together():
    assert wrapped("index 48, z = +1 mm", 17, SMALL) == "index 48,\nz = +1 mm"
    assert wrapped("block5_conv3", 10, SMALL) == "block5_\nconv3"
    assert wrapped("slice 38 of 68\n8 x 8, peak 0.85", 30, SMALL) == "slice 38 of 68\n8 x 8, peak 0.85"
    assert "".join(wrapped("convolution", 5, SMALL).split("\n")) == "convolution"


def test_labels_of_neighbouring_rows_do_not_lie_over_one_another():
    sheet, _ = new_sheet(3, 4, [(-90, 90, -100, 100)], width_mm=85)
    for row in range(3):
        panel = sheet.panel(row, 0)
        sheet.label_row(panel, "\n".join(["a label of many lines"] * 5))
    sheet.fit()
    boxes = sorted((label.get_window_extent() for label in sheet.labels), key=lambda box: -box.y1)
    assert all(below.y1 <= above.y0 + 2 for above, below in pairwise(boxes))
