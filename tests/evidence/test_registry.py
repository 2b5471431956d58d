"""A measure is one module and one entry; everything else is made from the registry."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from evidence_cases import blob_slices

import stratacam
from stratacam.evidence import registry
from stratacam.evidence.measure import measure_scan, with_measures_of_subjects
from stratacam.evidence.measures import Column, Criterion, Kind, Measure, Need, Panel
from stratacam.evidence.recommendation import recommend, rule
from stratacam.evidence.references import reference_maps
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.values import by_subject, summarise
from stratacam.networks import build
from stratacam.report.content.evidence import EvidenceContent
from stratacam.report.evidence import tables, words
from stratacam.report.figure import Request, style
from stratacam.report.figures.measures_by_layer import measures_by_layer

SOURCES = Path(stratacam.__file__).parent
DOCUMENTATION = SOURCES.parents[1] / "docs/measures.md"
SETTINGS = EvidenceSettings(
    methods=("gradcam",),
    slices=2,
    sanity_slices=1,
    sanity_draws=2,
    independent=True,
    controls=2,
    deletion=True,
)

TOY = Measure(
    name="toy",
    title="brightest row",
    definition="row of the picture with the most heat, as a share of all rows",
    panel=Panel(level=0.2, note="“Brightest row”: a toy."),
    column=Column(),
    criteria=(
        Criterion(
            "at most",
            0.1,
            "mean",
            rule="its brightest row is on top",
            fault="brightest row below the top",
            unshown="brightest row not shown to be on top",
            unmeasured="brightest row",
        ),
    ),
)


def brightest_row(explained):
    maps, scan = explained.maps, explained.scan
    return [row for layer in maps.layers for row in TOY.rows(maps.method, layer, [0.5] * len(scan))]


@pytest.fixture
def with_toy(monkeypatch):
    toy = Kind("toys", "where the brightest row is", Need.MAPS, (TOY,), of_scan=brightest_row)
    monkeypatch.setattr(registry, "KINDS", (*registry.KINDS, toy))


@pytest.fixture(scope="module")
def network():
    return build("small_cnn", classes=2, weights="none").eval()


@pytest.fixture(scope="module")
def scan():
    scan = blob_slices(count=2, size=32)
    regions = np.tile(np.arange(1, 9).repeat(4)[:, None], (2, 1, 32))
    return type(scan)(**{**vars(scan), "regions": regions})


def measured(network, scan):
    """All measures of four subjects with the same scan, in two groups."""
    target = int(network(torch.from_numpy(scan.images)).softmax(dim=1).mean(dim=0).argmax())
    found = measure_scan(
        network,
        scan,
        SETTINGS,
        target=target,
        true_class=target,
        references=reference_maps(scan, intensity=scan.images[:, 2]),
        others={"seed": [build("small_cnn", classes=2, weights="none").eval()]},
    )
    layers = found.maps["gradcam"].layers
    scans = {f"sub-{number}": found.values for number in range(4)}
    table = by_subject(scans, {name: name for name in scans})
    means = np.random.default_rng(0).random((4, 8))
    groups = ["MS", "MS", "control", "control"]
    return with_measures_of_subjects(table, lambda *_: means, groups, ["gradcam"], layers), layers


@pytest.fixture(scope="module")
def table(network, scan):
    return measured(network, scan)[0]


def evidence_of(table, layers):
    return EvidenceContent(
        folder=Path("vgg16_seed-0"),
        network="vgg16",
        classes=("MS", "control"),
        about={
            "layers": layers, "methods": ["gradcam"], "subjects": 2, "slices": 4, "slices_again": 2, "learnt_from": [],
            "explained": "MS", "truth": {}, "truth_remark": "",
        },
        summaries={one.key: one for one in summarise(table)},
        by_class={},
        claims={"gradcam": []},
        recommendations={"gradcam": recommend(table, ["gradcam"], layers)[0].as_json()},
        losses=(),
        sequences=(),
        strategies={},
        comparison=(),
        groups={},
    )  # fmt: skip


OF_MAPS = [
    measure.name
    for kind in registry.KINDS
    if kind.of_scan or kind.of_methods or kind.of_subjects
    for measure in kind.measures
]


def test_what_is_computed_is_registered_and_what_is_registered_is_computed(table):
    assert {measure for _, _, measure, _ in table.keys} == {*OF_MAPS}


def test_tables_are_in_the_order_of_the_registry(table):
    assert list(dict.fromkeys(measure for _, _, measure, _ in table.keys)) == OF_MAPS


def test_what_is_registered_is_documented():
    page = DOCUMENTATION.read_text(encoding="utf-8")
    for measure in registry.measures():
        assert f"| `{measure.name}` | {measure.definition}" in page


def test_names_of_measures_and_kinds_are_unique():
    for names in ([one.name for one in registry.measures()], [kind.name for kind in registry.KINDS]):
        assert len(set(names)) == len(names)


OTHER_USES = {
    "blank": {"report/figures/every_layer.py"},
    "auroc": {"report/tables/results.py", "cli/study.py"},
}
"""Modules in which the word is another thing than the measure."""


def test_the_name_of_a_measure_is_written_once():
    written = {}
    for path in sorted(SOURCES.rglob("*.py")):
        place = path.relative_to(SOURCES).as_posix()
        if place.startswith(("evidence/", "study/", "report/", "cli")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant):
                    written.setdefault(node.value, set()).add(place)
    for measure in registry.measures():
        places = written.get(measure.name, set()) - OTHER_USES.get(measure.name, set())
        assert len(places) <= 1, f"{measure.name}: {sorted(places)}"


@pytest.mark.usefixtures("with_toy")
def test_a_new_measure_is_a_module_and_an_entry(network, scan):
    table, layers = measured(network, scan)
    assert ("gradcam", layers[0], "toy", "") in table.keys
    assert f"| `toy` | {TOY.definition} |" in registry.documentation_table()
    assert "its brightest row is on top (mean at most 0.1)" in rule().criteria
    evidence = evidence_of(table, layers)
    for layer in evidence.recommendations["gradcam"]["layers"]:
        assert "brightest row: 4 subjects, 10 are needed" in layer["reasons"]
    shown = tables.layers_table(evidence, "gradcam")
    assert [row[shown.columns.index("Brightest row")] for row in shown.rows] == ["0.50"] * len(layers)
    assert ("toy", TOY.definition, "-", "-") in tables.measures_table(evidence).rows
    with style():
        figure = measures_by_layer(evidence, Request())
    assert "Brightest row (n = 4)" in [axes.get_title(loc="left") for axes in figure.figure.axes]
    assert TOY.panel.note in figure.words
    assert ("its brightest row is on top (mean at most 0.1)",) in tables.rule_table(evidence).rows


def test_rows_of_a_measure_that_is_not_registered_are_refused(monkeypatch, network, scan):
    unnamed = Kind("toys", "where the brightest row is", Need.MAPS, (), of_scan=brightest_row)
    monkeypatch.setattr(registry, "KINDS", (unnamed,))
    with pytest.raises(ValueError, match="toys: gave rows of toy; expected rows of its measures"):
        measured(network, scan)


@pytest.mark.usefixtures("with_toy")
def test_a_measure_that_was_not_taken_is_named_by_its_question(table):
    assert "where the brightest row is" in " ".join(words.sentences(evidence_of(table, ("body1",))))


def test_that_faithful_is_not_correct_is_said_once(table):
    said = " ".join(words.sentences(evidence_of(table, ("block1_conv1",))))
    assert said.count("Faithful is not correct") == 1
    assert (
        "No layer's map by Grad-CAM is recommended: of 1 nothing can be said. No layer could pass here: "
        in said
    )
    assert "comes nearest" not in said
