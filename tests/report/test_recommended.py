"""The map to believe in the report: the first picture, consensus maps, and means over layers."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from small_evidence import CONSENSUS, FAULT, FUSED, MEMBERS, METHODS, PARTS, REASON, SINGLE, add_evidence
from small_study import FEW, KEPT, LESION_SLICE, beside_panels, write_study

from stratacam.errors import InputError
from stratacam.evidence.pick import JudgedMap
from stratacam.evidence.recommendation import criteria
from stratacam.evidence.rows import write_rows
from stratacam.evidence.sequences.by_class import SEQUENCES, SequenceSummary
from stratacam.files import read_json, write_json
from stratacam.maps.fused import fused_title
from stratacam.report.captions import how_drawn
from stratacam.report.content import read_study
from stratacam.report.content.evidence import read_evidence
from stratacam.report.content.recommended import Recommended
from stratacam.report.evidence import evidence_chapters
from stratacam.report.evidence.recommended import recommended_table
from stratacam.report.figure import Request
from stratacam.report.figures.dependence import dependence
from stratacam.report.figures.every_layer import slice_at_every_layer
from stratacam.report.figures.layer_lines import LayerAxis
from stratacam.report.figures.measures_by_layer import measures_by_layer
from stratacam.report.figures.neighbouring_slices import slices_at_last_block
from stratacam.report.figures.recommended import recommended_map
from stratacam.report.names import method_title
from stratacam.report.overlay import PALE, draw_slice
from stratacam.report.shown import open_scan_of
from stratacam.report.tables.map_reliability import map_reliability_table
from stratacam.report.words.recommended import TOO_FEW, UNMEASURED, in_short
from stratacam.study.folders import StudyFolders

pytestmark = pytest.mark.usefixtures("no_pictures")


LONGER = "mean of block1_conv2 to block3_conv3"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A study with evidence of one network and of a consensus, whose map passed; its maps are a consensus too."""
    found = write_study(tmp_path_factory.mktemp("believed"), layers=FEW)
    add_evidence(found, layers=FEW, consensus=True)
    return found


@pytest.fixture(scope="module")
def believed(folders):
    return read_study(folders)


@pytest.fixture(scope="module")
def evidence(believed):
    return {chapter.evidence.folder.name: chapter for chapter in evidence_chapters(believed)[0]}


@pytest.fixture
def without(plain_study, tmp_path):
    """A study in which no map passed, by the verdict on the nearest."""

    def make(verdict):
        found = StudyFolders(shutil.copytree(plain_study.root, tmp_path / "study"))
        add_evidence(found, verdict=verdict, layers=FEW)
        return found

    return make


def panels(figure):
    return [axes for axes in figure.axes if axes.images]


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_the_page_begins_with_the_map_to_believe_in_words_and_on_scans(published, published_page):
    page = published_page.read_text(encoding="utf-8")
    first = page[: page.index("<nav")]
    assert (
        f"<dt>Which map to read?</dt><dd><strong>LayerCAM, {LONGER}, VGG16 (consensus of 3 networks).</strong>"
        in first
    )
    assert "expected correlation with the consensus of 3 other networks" in first
    assert "it alone meets every criterion" in page[page.index('id="maps"') : page.index('id="figure-1"')]
    assert (published.figures / "figure-1-recommended.png").is_file()


def test_the_first_picture_has_the_map_its_agreement_and_the_usual_map_each_with_its_bar(believed):
    found = recommended_map(believed, Request())
    assert len(panels(found.figure)) == 3 * 4
    assert titles(found.figure) == [
        "FLAIR",
        "LayerCAM\nmean of block1_conv2 to\nblock3_conv3\nconsensus of 3 networks\nrecommended",
        "agreement\nof the networks",
        "Grad-CAM\nblock5_conv1\nconsensus of 3 networks\nnot recommended",
    ]
    bars = [" ".join(axes.get_xlabel().split()) for axes in found.figure.axes if not axes.images]
    heat = "heat: share of the map's maximum in the scan"
    assert bars == [heat, heat, "share of networks that agree"]
    for words in (
        f"recommended map (LayerCAM, {LONGER}, consensus of 3 networks)",
        "the usual map (Grad-CAM, block5_conv1, consensus of 3 networks; not recommended)",
        "the consensus of 3 other networks; for 0.9, ",
        "ROAD above control 0.21 (0.10 to 0.32)",
        "maximum on the truth 0.90 (0.70 to 1.00)",
        "sub-03, sub-07, sub-11",
        "fewer than 50 % of them agree",
    ):
        assert words in found.words


def test_what_stands_in_the_way_is_said_in_few_words():
    few = tuple(
        f"{what}: {count} subjects, 10 are needed" for what, count in (("focus", 6), ("the truth", 2))
    )
    learned = "the network was not shown to do better than chance"
    nearest = JudgedMap(SINGLE, 1, "layercam", "block1_conv2", "cannot say", (), (*few, learned))
    words = in_short(Recommended("vgg16", (nearest,), None, (), nearest, None))
    assert words.endswith(
        f"nothing can be said of it: 2 to 6 subjects were measured, and 10 are needed; {learned}."
    )
    failed = replace(nearest, faults=("a", "b", "c", "d", "e"))
    words = in_short(Recommended("vgg16", (failed,), None, (), failed, None))
    assert words.endswith("it fails: a; b; c; and 2 more, see the chapter of evidence.")


def test_the_words_of_too_few_subjects_are_those_of_the_criteria():
    for _, criterion in criteria():
        (_, words) = criterion.finding(0.5, 0.1, 0.9, subjects=4)
        assert TOO_FEW.fullmatch(words)["subjects"] == "4"


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [("not recommended", f"it fails: {FAULT}"), ("cannot say", f"nothing can be said of it: {REASON}")],
)
def test_where_no_map_passed_the_page_says_so_first_and_marks_the_usual_map(without, verdict, reason):
    study = read_study(without(verdict))
    assert in_short(study.recommended) == (
        f"No map of VGG16 is recommended. The nearest of 24 judged is LayerCAM, {LONGER}, VGG16 (consensus of "
        f"3 networks); {reason}."
    )
    found = recommended_map(study, Request())
    assert found.title == "Grad-CAM at the last convolution, the usual map; no map is recommended"
    assert in_short(study.recommended) in found.how
    assert titles(found.figure) == ["FLAIR", "Grad-CAM\nblock5_conv1\none network\nnot recommended"]


def test_where_evidence_was_not_measured_the_page_says_how_to_measure_it(plain_study):
    study = read_study(plain_study)
    assert in_short(study.recommended) == UNMEASURED
    assert "stratacam evidence" in UNMEASURED
    found = recommended_map(study, Request())
    assert found.title == (
        "Grad-CAM at the last convolution, the usual map; which map to believe was not measured"
    )
    assert titles(found.figure)[1] == "Grad-CAM\nblock5_conv1\none network\nnot measured"


def test_what_was_recommended_of_earlier_models_is_not_shown(without):
    found = without("recommended")
    about = found.evidence / CONSENSUS / "about.json"
    write_json(about, {**read_json(about), "trained": {"vgg16_seed-3": "of another training"}})
    study = read_study(found)
    assert study.recommended is None
    assert not study.recommended_maps


def test_of_one_network_reliability_is_not_known():
    one = JudgedMap(SINGLE, 1, "layercam", "block1_conv2", "recommended", (), ())
    words = in_short(Recommended("vgg16", (one,), one, (), None, None))
    assert words == (
        "The map to believe is LayerCAM, block1_conv2, VGG16: of 1 judged map it alone meets every criterion of the "
        "rule. Its reliability is not known, as it is of one network."
    )


def test_heat_is_pale_where_fewer_than_half_of_the_networks_agree(believed):
    scan = open_scan_of(believed, "sub-03")
    layer, indices = FUSED[-1], np.array([LESION_SLICE])
    heat, agreement = scan.heat(layer, indices)[0], scan.agreement(layer, indices)[0]
    # three networks agree on the left half, one of three shows the right
    assert agreement[100, 20] == pytest.approx(1)
    assert agreement[100, 230] == pytest.approx(1 / 3)
    shown = {}
    for name, given in (
        ("grey", {}),
        ("full", {"heat": heat}),
        ("pale", {"heat": heat, "agreement": agreement}),
    ):
        axes = Figure().add_subplot()
        draw_slice(axes, scan, "FLAIR", LESION_SLICE, **given)
        shown[name] = np.broadcast_to(np.asarray(axes.images[0].get_array()), (256, 256, 3))
    np.testing.assert_allclose(shown["pale"][:, :120], shown["full"][:, :120])
    np.testing.assert_allclose(
        shown["pale"][:, 136:] - shown["grey"][:, 136:], PALE * (shown["full"] - shown["grey"])[:, 136:], atol=1e-6
    )  # fmt: skip


def test_captions_of_a_consensus_say_what_is_pale_and_those_of_one_network_do_not(believed, plain_study):
    words = "Maps are the mean of 3 networks, each in units of its scale; where fewer than 50 % of them agree"
    assert words in slices_at_last_block(believed, Request()).words
    assert words not in how_drawn(open_scan_of(read_study(plain_study), "sub-03"))


def test_means_over_layers_stand_in_a_row_of_their_own_after_the_layers(believed):
    drawn = [axes.get_title() for axes in panels(slice_at_every_layer(believed, Request()).figure)]
    assert [title.split("\n")[0] for title in drawn[1:8]] == [*PARTS, *FEW]
    assert drawn[8].replace("\n", " ").startswith("mean of block1_conv2 and block2_conv2 64 x 64")
    assert beside_panels(slice_at_every_layer(believed, Request()).figure) == [
        "block1",
        "block2",
        "block3",
        "block4",
        "block5",
        "means over layers",
    ]
    columns = titles(slices_at_last_block(believed, Request()).figure)
    assert [column.split("\n")[0] for column in columns] == ["FLAIR", "block5_pool", "block5_conv1"]


def test_reliability_is_a_table_with_the_networks_needed(believed, plain_study):
    table = map_reliability_table(believed)
    rows = {row[:2]: row[2:] for row in table.rows}
    assert set(rows) == {
        *((fused_title(layer), "Grad-CAM") for layer in (*PARTS, *FEW, *FUSED)),
        *((part, "LayerCAM") for part in PARTS), (LONGER, "LayerCAM")
    }  # fmt: skip
    (stored,) = (
        row for row in believed.reliability if (row["method"], row["layer"]) == ("layercam", FUSED[-1])
    )
    networks, reliability, subjects, needed = rows[LONGER, "LayerCAM"]
    assert (networks, subjects, needed) == (str(MEMBERS), "6", stored["networks_for_0.9"])
    assert reliability.startswith(f"{float(stored['reliability']):.2f} (")
    assert map_reliability_table(read_study(plain_study)) is None


def test_chapters_are_of_one_network_and_of_the_consensus_and_name_means_over_layers(evidence):
    assert [chapter.title for chapter in evidence.values()] == [
        "Which layer to believe: VGG16",
        "Which layer to believe: VGG16 (consensus of 3 networks)",
    ]
    consensus = evidence[CONSENSUS]
    assert f"Recommended map by LayerCAM, by the rule: {LONGER}." in consensus.sentences[:2]
    assert any("Maps of 4 layers and 2 means over layers were measured" in one for one in consensus.sentences)
    (table,) = (one for one in consensus.tables if one.title == "Layers, maps by LayerCAM")
    verdicts = {row[0]: row[1] for row in table.rows}
    assert list(verdicts) == [*FEW, "mean of block1_conv2 and block2_conv2", LONGER]
    assert verdicts[LONGER] == "recommended"
    assert not any(
        "+" in cell for one in consensus.tables + consensus.folded for row in one.rows for cell in row
    )


def test_charts_over_depth_keep_layers_in_order_and_means_over_layers_apart(evidence):
    axis = LayerAxis(FEW, FUSED)
    assert axis.places[:4] == [0, 1, 2, 3]
    assert axis.places[4] - axis.places[3] > 1
    figure = measures_by_layer(evidence[CONSENSUS].evidence, Request()).figure
    chart = figure.axes[0]
    line = next(one for one in chart.lines if one.get_label() == method_title(METHODS[0]))
    assert line.get_xdata().tolist() == [0, 1, 2, 3]
    points = [one.get_xdata()[0] for one in chart.lines if len(one.get_xdata()) == 1]
    assert points == axis.places[4:] * len(METHODS)
    names = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert names == [*FEW, "mean of block1_conv2\nand block2_conv2", "mean of block1_conv2\nto block3_conv3"]
    matrix = dependence(evidence[CONSENSUS].evidence, Request())
    assert "Past the line: means over layers" in matrix.words


def test_names_of_lines_cover_no_data(evidence):
    """The legend of "Maximum on the truth" lay over its lines."""
    figure = measures_by_layer(evidence[CONSENSUS].evidence, Request()).figure
    figure.draw_without_rendering()
    (shared,) = figure.legends
    legends = [shared, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    assert len(legends) > 1
    for legend in legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


def test_where_no_group_is_known_the_first_explained_scan_is_shown(plain_study):
    study = replace(read_study(plain_study), group={})
    assert len(panels(recommended_map(study, Request()).figure)) == 2


def test_maps_of_other_scans_are_refused_with_the_remedy(plain_study):
    with pytest.raises(InputError, match="make them again with `stratacam run`"):
        recommended_map(replace(read_study(plain_study), scans={}), Request())


def test_every_explained_slice_of_the_recommended_map_can_be_shown(believed):
    assert set(believed.recommended_maps) == set(believed.maps)
    assert believed.recommended_maps["sub-03"].slices.tolist() == KEPT.tolist()


def test_the_numbers_of_the_recommended_map_are_a_table_that_says_whose_they_are(believed, plain_study):
    table = recommended_table(believed)
    assert [row[:3] for row in table.rows] == [
        ("ROAD above control", "0.21 (0.10 to 0.32)", "12"),
        ("Maximum on the truth", "0.90 (0.70 to 1.00)", "8"),
    ]
    assert "chose it too" in table.note
    assert recommended_table(read_study(plain_study)) is None


def test_a_recommendation_of_an_earlier_version_is_read_without_its_halves(without):
    found = without("recommended")
    stored = read_json(found.recommended)
    del stored["recommended"]["of_halves"]
    write_json(found.recommended, stored)
    assert read_study(found).recommended.of_halves == ()


def test_evidence_by_class_has_the_order_of_the_classes(without):
    found = without("recommended")
    rows = [
        SequenceSummary(name, "T1w", 0.5, 0.4, 0.6, 0.5, 0.4, 0.6, 1, 1)
        for name in ("RRMS", "SPMS", "control")
    ]
    write_rows(found.evidence / SINGLE / SEQUENCES, rows, SequenceSummary)
    classes = ("control", "SPMS", "RRMS")
    evidence = read_evidence(found.evidence / SINGLE, "vgg16", classes)
    assert tuple(one.explained for one in evidence.sequences) == classes


def test_a_map_that_was_not_judged_is_not_called_not_recommended(believed):
    judged = tuple(one for one in believed.recommended.judged if one.method != "gradcam")
    study = replace(believed, recommended=replace(believed.recommended, judged=judged))
    found = recommended_map(study, Request())
    assert titles(found.figure)[-1].endswith("not judged")
    assert "not recommended" not in found.caption
