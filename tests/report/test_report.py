"""The page and its figures, from what a study left on disk."""

import html
import io
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib.figure
import matplotlib.image
import numpy as np
import pytest
from rich.console import Console
from small_study import FEW, KEPT, LESION_SLICE, SIZE, write_study

from stratacam.cam.drawing import OPACITY, blend
from stratacam.errors import InputError
from stratacam.files import write_json
from stratacam.networks import ModelCard
from stratacam.report import write_report, write_strips
from stratacam.report.captions import place_of
from stratacam.report.choose import choose_examples, choose_level, choose_patient, choose_slices
from stratacam.report.content import read_study
from stratacam.report.evidence import chapter
from stratacam.report.figure import Request
from stratacam.report.figures import STUDY_FIGURES
from stratacam.report.figures.confusion import confusion_matrices
from stratacam.report.figures.every_layer import slice_at_every_layer
from stratacam.report.figures.examples import example_slices
from stratacam.report.figures.neighbouring_slices import slices_at_block_before, slices_at_last_block
from stratacam.report.numbers import small
from stratacam.report.overlay import OUTLINE, draw_slice
from stratacam.report.shown import PIXELS, open_scan, open_scan_of
from stratacam.report.tables.results import metrics_table
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.slices import slice_areas, write_slices_table
from stratacam.scans.volume import write_nifti
from stratacam.study.folders import StudyFolders

pytestmark = pytest.mark.usefixtures("coarse_figures")


class Links(HTMLParser):
    """Every address that a page asks for."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):  # noqa: ARG002 - as HTMLParser has it
        self.found += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]


def panels(figure):
    return [axes for axes in figure.axes if axes.images]


def texts(figure):
    found = [text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title)]
    labels = (label for axes in figure.axes for label in (axes.get_ylabel(), axes.get_xlabel()))
    return [*found, figure.get_suptitle(), *labels]


def outlined(axes):
    """Number of lesion outlines in a panel."""
    return sum(
        len(path.vertices) > 0
        for collection in axes.collections
        if matplotlib.colors.to_hex(collection.get_edgecolor()[0]) == OUTLINE
        for path in collection.get_paths()
    )


@pytest.fixture(scope="module")
def content(study):
    return read_study(study)


@pytest.fixture(scope="module")
def figures(content):
    draw = {entry.name: entry.draw for entry in STUDY_FIGURES}
    return {name: draw[name](content, Request()) for name in ("last-block", "block-before", "every-layer")}


@pytest.fixture(scope="module")
def page(study, coarse_figures):  # noqa: ARG001 - before the page is written
    return write_report(study).read_text(encoding="utf-8")


def test_the_page_asks_for_no_other_file(page):
    links = Links()
    links.feed(page)
    images = [link for link in links.found if link.startswith("data:image/webp;base64,")]
    numbers = range(1, len(STUDY_FIGURES) + 1)
    assert len(images) == len(numbers)
    assert {f"#figure-{number}" for number in numbers} < set(links.found) - set(images)
    assert all(link.startswith("#") for link in set(links.found) - set(images))
    assert not re.search(r"https?://|url\(|@import|<script [^>]*src|<link", page)


def test_the_page_says_what_was_done_and_found(page):
    assert "<h1>A &lt;small&gt; study<" in page
    assert "4 RRMS, 4 SPMS, 4 control" in page
    assert "T1w, T2w and FLAIR of 12 people" in page
    assert "3 for training, 3 for validation, 6 held out (54 slices)" in page
    # all six right: each recall from sqrt(2 * 0.025) = 0.224, their mean from 1 - 0.776 / sqrt(3); p is 1 in 90
    assert "The network classified 6 of 6 held-out subjects correctly." in page
    assert "of equal size) 1.00 (95 % interval 0.55 to 1.00; chance 0.33, p = 0.01" in page
    assert "1 scan at the step “prepare”" in page
    assert "no FLAIR &amp; no T2w" in page
    assert "not for diagnosis" in page
    assert "The scans are synthetic" in page


def test_every_figure_is_also_a_png_and_an_svg_with_its_numbers_as_tsv(study, page):
    names = {path.name for path in study.figures.iterdir()}
    files = {f"figure-{number}-{entry.name}" for number, entry in enumerate(STUDY_FIGURES, 1)}
    assert names == {f"{file}.{ending}" for file in files for ending in ("png", "svg", "tsv")}
    assert "figure-7-confusion.png" in names
    assert all(matplotlib.image.imread(study.figures / f"{file}.png").std() > 0.05 for file in files)
    assert page.count("<figure") == len(STUDY_FIGURES)


def test_numbers_and_files_of_figures_follow_one_list(plain_study, tmp_path):
    folders = StudyFolders(shutil.copytree(plain_study.root, tmp_path / "study"))
    (folders.evaluation / "vgg16_seed-3" / "reliability.tsv").unlink()
    earlier = folders.figures / f"figure-{len(STUDY_FIGURES)}-learning-curves.png"
    earlier.parent.mkdir(exist_ok=True)
    earlier.touch()
    page = write_report(folders).read_text(encoding="utf-8")
    names = [entry.name for entry in STUDY_FIGURES if entry.name not in {"reliability", "classes"}]
    files = {
        f"figure-{number}-{name}.{ending}"
        for number, name in enumerate(names, start=1)
        for ending in ("png", "svg", "tsv")
    }
    assert {path.name for path in folders.figures.iterdir()} == files
    listed = re.findall(r'<a href="#figure-(\d+)">Figure \1\. (.*?)</a>', page)
    shown = re.findall(r"<strong>Figure (\d+)\. (.*?)\.</strong>", page)
    assert listed == shown
    assert [int(number) for number, _ in shown] == list(range(1, len(names) + 1))


def test_evidence_that_cannot_be_read_is_left_out_and_how_to_measure_it_again_is_said(
    plain_study, monkeypatch, tmp_path
):
    """A study of version 0.1 has no chapter of evidence, and everything else."""

    def of_another_version(_evidence):
        raise KeyError("recommended")

    def damaged(folder, *_):
        raise InputError(f"{folder}: damaged")

    folders = StudyFolders(shutil.copytree(plain_study.root, tmp_path / "study"))
    monkeypatch.setattr(chapter, "evidence_folders", lambda _: {folders.evidence / "vgg16_seed-3": "vgg16"})
    for read, make, reason in (
        (
            lambda *_: None,
            of_another_version,
            "measured by another version, found no 'recommended', and is not shown",
        ),
        (damaged, of_another_version, "The evidence is not shown: .*damaged"),
    ):
        monkeypatch.setattr(chapter, "read_evidence", read)
        monkeypatch.setattr(chapter, "_chapter", make)
        said = io.StringIO()
        page = write_report(folders, Console(file=said)).read_text(encoding="utf-8")
        assert re.search(reason, html.unescape(page))
        assert re.search(f"report: .*{reason}", said.getvalue())
        assert "Which layer to believe" not in page
        assert page.count("<figure") == len(STUDY_FIGURES) - 1  # one class was explained


def test_the_examples_are_one_subject_of_each_group_in_every_sequence(content):
    # of sub-01 to -04, -05 to -08 and -09 to -12 the last two are held out
    assert choose_examples(content) == ["sub-03", "sub-07", "sub-11"]
    figure = example_slices(content, Request()).figure
    assert len(panels(figure)) == 9
    assert not any(outlined(axes) for axes in panels(figure))


def test_the_level_of_the_examples_is_that_of_the_largest_lesion_area(content):
    scans = [open_scan_of(content, name) for name in choose_examples(content)]
    level, rule = choose_level(scans)
    assert level == pytest.approx((LESION_SLICE - KEPT[0]) / (len(KEPT) - 1))
    assert "sub-03" in rule


def test_confusion_matrices_hold_counts_and_per_cent_of_the_row(plain_study):
    study = read_study(plain_study)
    drawn = [
        text.get_text() for axes in confusion_matrices(study, Request()).figure.axes for text in axes.texts
    ]
    subjects, slices = np.array(drawn).reshape(2, 3, 3)
    assert slices[1].tolist() == ["9\n50 %", "9\n50 %", "0\n0 %"]
    assert subjects[1].tolist() == ["1\n50 %", "1\n50 %", "0\n0 %"]
    titles = [axes.get_title() for axes in confusion_matrices(study, Request()).figure.axes[:2]]
    assert titles == ["VGG16, subjects\nn = 6, accuracy 0.83", "VGG16, slices\nn = 54, accuracy 0.83"]


def test_the_patient_is_the_surest_of_the_held_out_spms_subjects_classified_right(content):
    choice = choose_patient(content)
    assert choice.name == "sub-08"
    assert choice.rule == (
        "of 2 held-out SPMS scans classified right, the one with the highest probability of SPMS"
    )


def test_without_spms_the_last_group_with_disease_is_shown(tmp_path):
    content = read_study(write_study(tmp_path, layers=FEW, classes=("HC", "MS", "healthy controls")))
    assert content.group[choose_patient(content).name] == "MS"


def test_a_group_that_is_never_right_gives_way_to_the_next(tmp_path):
    content = read_study(write_study(tmp_path, layers=FEW, wrong=("sub-07", "sub-08")))
    assert content.group[choose_patient(content).name] == "RRMS"


def test_a_patient_who_is_never_right_is_shown_before_a_control(tmp_path):
    content = read_study(
        write_study(tmp_path, layers=FEW, classes=("control", "SPMS"), wrong=("sub-07", "sub-08"))
    )
    choice = choose_patient(content)
    assert content.group[choice.name] == "SPMS"
    assert "none was classified right" in choice.rule


def test_the_slices_are_neighbours_around_the_largest_lesion_area(content):
    slices, rule = choose_slices(open_scan_of(content, "sub-08"))
    assert slices.tolist() == [LESION_SLICE - 1, LESION_SLICE, LESION_SLICE + 1]
    assert "largest true lesion area" in rule
    slices, rule = choose_slices(open_scan_of(content, "sub-12"))
    assert slices.tolist() == [5, 6, 7]
    assert "middle" in rule


def first_lines(figure):
    return [axes.get_title().split("\n")[0] for axes in panels(figure) if axes.get_title()]


def test_the_last_block_has_a_column_of_anatomy_and_one_per_layer(figures):
    figure = figures["last-block"].figure
    assert len(panels(figure)) == 3 * (1 + 4)
    assert first_lines(figure) == ["FLAIR", "block5_pool", "block5_conv3", "block5_conv2", "block5_conv1"]


def test_the_block_before_the_last_is_shown_by_its_end(figures):
    figure = figures["block-before"].figure
    assert first_lines(figure) == ["FLAIR", "block4_pool", "block4_conv3"]


def layers_drawn(figure):
    return tuple(axes.get_title().split("\n")[0] for axes in panels(figure))


def test_the_strip_shows_all_18_layers_of_vgg16_in_order(figures, content):
    drawn = layers_drawn(figures["every-layer"].figure)
    assert drawn == ("FLAIR", *content.maps["sub-08"].layers)
    assert len(drawn) == 1 + 18


def test_figures_of_vgg19_show_its_own_layers(tmp_path):
    content = read_study(write_study(tmp_path, architecture="vgg19"))
    last, before = slices_at_last_block(content, Request()), slices_at_block_before(content, Request())
    every = slice_at_every_layer(content, Request())
    assert len(layers_drawn(every.figure)) == 1 + 21
    assert first_lines(last.figure) == [
        "FLAIR",
        "block5_pool",
        "block5_conv4",
        "block5_conv3",
        "block5_conv2",
        "block5_conv1",
    ]
    assert first_lines(before.figure) == ["FLAIR", "block4_pool", "block4_conv4"]


def test_figures_and_captions_name_group_prediction_probability_and_slice(figures):
    # logits 4, 0, 0: exp(4) / (exp(4) + 2) = 0.965
    for figure in figures.values():
        assert "sub-08, group SPMS · predicted SPMS, p = 0.96" in figure.figure.get_suptitle()
        assert "sub-08, group SPMS · predicted SPMS, p = 0.96" in figure.words
        assert "per volume" in figure.words
        assert any(
            "slice 4 of 9\nindex 5, z = +30 mm\nSPMS, p = 0.96" in text for text in texts(figure.figure)
        )
        assert any(
            text.startswith("heat: share of the map's maximum in the scan") for text in texts(figure.figure)
        )


def test_a_blank_map_is_anatomy_alone_with_its_cause(figures):
    figure = figures["last-block"].figure
    blank = [axes for axes in panels(figure) if any("zero gradient" in t.get_text() for t in axes.texts)]
    assert len(blank) == 1
    shown = blank[0].images[0].get_array()
    np.testing.assert_array_equal(shown[..., 0], shown[..., 2])
    marked = [text for text in texts(figures["every-layer"].figure) if text.endswith("blank")]
    assert marked == ["block5_conv1\n4 x 4, blank"]


def test_lesions_are_outlined_where_they_are_known_and_only_there(figures, plain_study):
    drawn = panels(figures["last-block"].figure)
    # one lesion in the second slice, one in the third, none in the first; the same in all columns
    assert [outlined(axes) for axes in drawn] == [0] * 5 + [1] * 5 + [1] * 5
    assert "outline of the true lesions" in figures["last-block"].words
    unknown = slices_at_last_block(read_study(plain_study), Request())
    assert not any(outlined(axes) for axes in panels(unknown.figure))
    assert "true lesions of this scan are not known" in unknown.words


def test_an_outline_lies_on_the_lesion(content):
    scan = open_scan_of(content, "sub-08")
    picture = scan.lesion_picture(LESION_SLICE)
    rows, columns = np.nonzero(picture > 0.5)
    # voxels x 8 to 10, y 12 to 15 of 6 mm; the frame is centred on the brain, voxels (11.5, 14.5);
    # pictures show the patient's right (large x) at the left and anterior (large y) on top
    pixel = 208 / PIXELS
    assert columns.mean() == pytest.approx((PIXELS - 1) / 2 + (11.5 - 9) * 6 / pixel, abs=0.6)
    assert rows.mean() == pytest.approx((PIXELS - 1) / 2 + (14.5 - 13.5) * 6 / pixel, abs=0.6)


def test_a_map_lies_on_the_sequence_that_its_branch_sees(content):
    scan = open_scan_of(content, "sub-08")
    one, other = scan.sequences[:2]
    assert scan.under(f"{other}.block1_conv1", one) == other
    assert scan.under(f"{other}.block1_conv1+{other}.block2_conv1", one) == other
    for of_all in ("block1_conv1", f"{one}.block1_conv1+{other}.block1_conv1"):
        assert [scan.under(of_all, name) for name in scan.sequences] == list(scan.sequences)


def test_heat_is_the_rectified_map_over_the_one_maximum_of_the_scan(content):
    scan = open_scan_of(content, "sub-08")
    raw = content.maps["sub-08"].raw("block1_conv1")
    assert raw.shape[1:] == (SIZE, SIZE)
    heat = scan.heat("block1_conv1", KEPT)
    assert heat.min() == 0
    assert heat.max() == 1
    # pixels of 4 x 4: at the centres of raw pixels, upsampling by 4 reads 3/8 and 5/8 between neighbours
    neighbours = np.clip(raw[0, 10:12, 20:22], 0, None)
    weights = np.outer([7 / 8, 1 / 8], [7 / 8, 1 / 8])
    ratio = heat[0, 10 * 4 + 2, 20 * 4 + 2] / (weights * neighbours).sum()
    others = np.clip(raw[7, 30:32, 40:42], 0, None)
    assert heat[7, 30 * 4 + 2, 40 * 4 + 2] == pytest.approx(ratio * (weights * others).sum(), rel=1e-4)


def test_anatomy_without_heat_stays_as_it_is_and_shows_through_in_proportion():
    grey = np.array([0.0, 0.5, 1.0])
    np.testing.assert_array_equal(blend(grey, np.zeros(3)), np.repeat(grey[:, None], 3, axis=1))
    for heat, through in ((0.1, 1 - OPACITY / 5), (0.25, 1 - OPACITY / 2), (0.5, 0.2), (1.0, 0.2)):
        dark, bright = blend(np.array([0.0, 1.0]), np.full(2, heat))
        np.testing.assert_allclose(bright - dark, through)


@pytest.mark.parametrize("layers", [("conv1", "conv2", "conv3", "conv4", "conv5", "conv6", "conv7"), FEW])
def test_a_network_with_few_or_unnamed_blocks_has_room_for_heading_and_bar(tmp_path, layers):
    figure = slice_at_every_layer(read_study(write_study(tmp_path, layers=layers)), Request()).figure
    assert layers_drawn(figure) == ("FLAIR", *layers)
    figure.draw_without_rendering()
    (bar,) = (axes for axes in figure.axes if axes.get_xlabel().startswith("heat"))
    for text in (*figure.texts, bar.xaxis.label):
        box = text.get_window_extent()
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_a_scan_explained_by_a_network_of_the_users_own_is_drawn_by_its_card_alone(content, tmp_path):
    card = content.card.model_copy(update={"architecture": str(tmp_path / "networks.py:mine")})
    write_json(tmp_path / "card.json", card.model_dump(mode="json"))
    maps = shutil.copytree(content.maps["sub-08"].path.parents[1], tmp_path / "maps" / "sub-08").parent
    pictures = write_strips(tmp_path, content.folders.prepared, maps, ["sub-08"])
    assert [picture.name.split("_")[1] for picture in pictures] == [f"label-{name}" for name in card.classes]
    assert all(picture.is_file() for picture in pictures)


def test_heat_is_laid_over_the_sequence_that_was_explained(content):
    assert content.sequence == "FLAIR"
    chosen = {**content.configuration, "explain": {"sequence": "T2w"}}
    assert replace(content, configuration=chosen).sequence == "T2w"


def test_a_study_without_truth_and_left_out_scans_says_so(plain_study, tmp_path):
    folders = StudyFolders(shutil.copytree(plain_study.root, tmp_path / "study"))
    folders.provenance.unlink()
    (folders.models / "vgg16_seed-3" / "history.json").unlink()
    (folders.evaluation / "vgg16_seed-3" / "reliability.tsv").unlink()
    page = write_report(folders).read_text(encoding="utf-8")
    assert "Nothing was left out." in page
    assert "Not recorded." in page
    assert "true lesions of this scan are not known" in page
    gone = ("classes", "reliability", "learning-curves")
    drawn = {path.stem.split("-", 2)[2] for path in folders.figures.glob("*.png")}
    assert drawn == {entry.name for entry in STUDY_FIGURES} - set(gone)
    assert "Networks and baselines" not in page


@pytest.mark.parametrize(
    "missing",
    [
        "study.json",
        "prepared",
        "models/runs.json",
        "models/vgg16_seed-3/card.json",
        "models/vgg16_seed-3/split.tsv",
        "evaluation/vgg16_seed-3/metrics.json",
        "evaluation/vgg16_seed-3/predictions_subjects.tsv",
        "maps",
    ],
)
def test_an_unfinished_study_is_refused_with_the_missing_part_and_its_command(plain_study, tmp_path, missing):
    folders = StudyFolders(shutil.copytree(plain_study.root, tmp_path / "study"))
    path = folders.root / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match="stratacam run") as fault:
        read_study(folders)
    assert str(path) in str(fault.value)


def test_the_table_of_results_holds_every_interval(content):
    rows = metrics_table(content).rows
    found = {row[:2]: row[2:] for row in rows}
    right = ("1.00", "0.33", "0.61 to 1.00", "0.0014")
    assert found["subjects, mean probability", "accuracy"] == right
    assert found["subjects, majority of slices", "accuracy"] == right
    assert found["slices", "accuracy"][-2:] == ("-", "-")


def test_a_p_value_is_never_written_as_less_than_it_is():
    assert [small(value) for value in (0.00004, 0.00137, 0.0123, 0.0491, 0.5, 1.0)] == [
        "< 0.001", "0.0014", "0.013", "0.050", "0.50", "1.00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("plane", "letters", "place"),
    [
        ("axial", ["R", "L"], "z = +30 mm"),
        ("coronal", ["R", "L"], "y = +30 mm"),
        ("sagittal", ["A", "P"], "x = +30 mm"),
    ],
)
def test_a_slice_is_drawn_and_labelled_in_its_plane(tmp_path, plane, letters, place):
    shape, affine = (14, 16, 18), np.diag([6.0, 6.0, 6.0, 1.0])
    scan = PreparedScan(tmp_path, "01", None, ("T1w",))
    mask = np.ones(shape, dtype=bool)
    spot = np.zeros(shape, dtype=np.float32)
    spot[9, 11, 13] = 1  # right, anterior and superior of the middle, (6.5, 7.5, 8.5)
    write_nifti(scan.image("T1w"), spot, affine)
    write_nifti(scan.brain_mask, mask, affine)
    areas = slice_areas(mask, affine, plane)
    write_slices_table(scan.slices_table, areas, np.arange(len(areas)), affine, shape, plane=plane)
    card = ModelCard(
        architecture="vgg16",
        classes=("a", "b"),
        input={"size": 64, "width_mm": 120.0, "part": (0, 1)},
        training={},
    )
    shown = open_scan(scan, None, card)
    index = {"axial": 13, "coronal": 11, "sagittal": 9}[plane]
    rows, columns = np.nonzero(shown.picture("T1w", index) > 0.5)
    pixel = 120 / PIXELS
    up, left = {
        "axial": (11 - 7.5, 9 - 6.5),
        "coronal": (13 - 8.5, 9 - 6.5),
        "sagittal": (13 - 8.5, 11 - 7.5),
    }[plane]
    assert rows.mean() == pytest.approx((PIXELS - 1) / 2 - up * 6 / pixel, abs=0.6)
    assert columns.mean() == pytest.approx((PIXELS - 1) / 2 - left * 6 / pixel, abs=0.6)
    axes = matplotlib.figure.Figure().add_subplot()
    draw_slice(axes, shown, "T1w", index)
    assert [text.get_text() for text in axes.texts] == letters
    assert axes.texts[0].get_position()[0] < axes.texts[1].get_position()[0]
    assert place in place_of(shown, 5)
