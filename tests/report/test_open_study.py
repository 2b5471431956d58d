"""A finished study in Python: tables as data frames, scans and maps as images, and what it shows in a notebook."""

import re

import nibabel
import numpy as np
import pytest
import torch

import stratacam as sc
from stratacam.cam import notebook
from stratacam.errors import InputError
from stratacam.networks import build
from stratacam.results import frames, html

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def opened(published):
    return sc.open_study(published.root)


def test_it_names_what_is_there(opened, published):
    assert opened.folder == published.root
    assert opened.report == published.report
    assert set(opened.explained) <= set(opened.scans)
    assert opened.models
    assert repr(opened).startswith("Study(")
    assert f"{len(opened.explained)} of {len(opened.scans)} scans" in repr(opened)
    assert "left_out" in opened.tables
    assert not any(".stratacam" in name for name in opened.tables)


def test_people_have_a_group_a_part_and_what_was_predicted(opened):
    people = opened.people
    assert list(people.columns) == ["subject", "group", "part", "predicted"]
    held_out = people[people["part"] == "test"]
    assert len(held_out)
    assert set(held_out["predicted"]) <= set(opened.classes)
    wrong = held_out[held_out["predicted"] != held_out["group"]]
    assert list(wrong["subject"]) == ["sub-07"]


def test_a_table_is_found_by_its_place_or_its_end(opened):
    left_out = opened.table("left_out")
    assert left_out.iloc[0].to_dict() == {"name": "sub-99", "step": "prepare", "reason": "no T1w"}
    (place,) = [name for name in opened.tables if name.endswith("_consensus/layers")]
    assert opened.table(place).equals(opened.table(place.split("/", 1)[1]))
    with pytest.raises(InputError, match=r"found no one table 'layers'; it may be .*layers.*: say which"):
        opened.table("layers")
    with pytest.raises(InputError, match=r"found no one table 'left_uot'; did you mean left_out\?"):
        opened.table("left_uot")


def test_cells_are_numbers_where_a_column_has_numbers_alone(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("name\tsubject\tvalue\tnote\tempty\na\t01\t1.5\tx\t\nb\t02\t\t3\t\nc\t03\tnan\t\t\n")
    found = frames.read_frame(path)
    assert list(found["subject"]) == ["01", "02", "03"]
    np.testing.assert_array_equal(found["value"], [1.5, np.nan, np.nan])
    assert list(found["note"]) == ["x", "3", ""]
    assert list(found["empty"]) == ["", "", ""]


def test_maps_and_images_lie_on_one_another(opened):
    scan = opened.explained[0]
    maps = opened.maps(scan)
    layer, sequence = maps.layers[-1], next(iter(maps.geometry.delivered), None)
    image = opened.map_image(scan, layer)
    prepared = opened.image(scan, "FLAIR")
    assert image.shape == prepared.shape
    np.testing.assert_allclose(image.affine, prepared.affine)
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), maps.volume(layer))
    if sequence:
        delivered = opened.image(scan, sequence, delivered=True)
        assert isinstance(delivered, nibabel.Nifti1Image)
        assert opened.map_image(scan, layer, sequence=sequence).shape == delivered.shape
    assert opened.maps(opened.explained[0], recommended=True).name == scan


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda study: study.maps("sub-99"), "found no explained scan 'sub-99'; .*there are sub-"),
        (lambda study: study.image("sub-99", "T1w"), "found no scan 'sub-99'"),
        (lambda study: study.image(study.scans[0], "T9w"), "found no sequence of .* 'T9w'"),
        (lambda study: study.model("other"), "found no model 'other'"),
        (lambda study: study.evidence[0].measure("nothing"), "holds no measure 'nothing'"),
        (lambda study: sc.open_study(study.folder / "maps"), "holds no study"),
    ],
)
def test_what_is_not_there_is_refused_in_words(opened, ask, message):
    with pytest.raises(InputError, match=message):
        ask(opened)


def test_evidence_is_a_table_of_measures_and_one_of_verdicts(opened):
    single, consensus = opened.evidence
    assert "consensus" in consensus.title
    assert "consensus" not in single.title
    measures = single.measures
    assert list(measures.columns) == list(measures.columns.unique())
    assert {"method", "layer", "measure", "value", "low", "high", "subjects"} <= set(measures.columns)
    along = single.measure("blank")
    assert list(along["layer"]) == [layer for layer in single.layers if layer in set(along["layer"])]
    verdicts = consensus.verdicts
    assert set(verdicts["layer"]) <= set(consensus.layers)
    assert set(verdicts["method"]) == set(consensus.methods)


def test_a_notebook_shows_the_answers_of_the_report(opened):
    shown = opened._repr_html_()
    for question in ("What was asked?", "Does it work?", "Which map to read?"):
        assert question in shown
    assert str(opened.report) in shown
    verdicts = opened.evidence[0]._repr_html_()
    assert "which map to believe" in verdicts
    assert "<script" not in shown + verdicts


def test_commands_in_answers_are_shown_as_code_and_other_signs_as_they_are():
    shown = html.table([("Which?", "run `stratacam evidence` if a < b")])
    assert "run <code>stratacam evidence</code> if a &lt; b" in shown


def test_without_pandas_it_says_what_to_install(opened, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(InputError, match="pandas is not installed"):
        _ = opened.people


def test_maps_have_named_dimensions(opened):
    pytest.importorskip("xarray")
    maps = opened.maps(opened.explained[0])
    layer = maps.layers[0]
    found = maps.to_xarray(layer)
    assert found.dims == ("slice", "row", "column")
    np.testing.assert_array_equal(found.values, maps.raw(layer))
    np.testing.assert_array_equal(found["slice"], maps.slices)
    height = maps.geometry.size_mm[0]
    assert float(found["row"][0]) == pytest.approx(height / found.sizes["row"] / 2)
    assert float(found["row"][-1]) == pytest.approx(height - height / found.sizes["row"] / 2)
    assert found.attrs["scan"] == maps.name


def test_without_xarray_it_says_what_to_install(opened, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    maps = opened.maps(opened.explained[0])
    with pytest.raises(InputError, match="xarray is not installed"):
        maps.to_xarray(maps.layers[0])


@pytest.mark.parametrize("shape", [(32, 32), (32,), (8, 16, 16)])
def test_an_explanation_shows_its_maps_and_names_every_layer(shape):
    torch.manual_seed(0)
    layer, pool = {
        1: (torch.nn.Conv1d, torch.nn.AdaptiveAvgPool1d),
        2: (torch.nn.Conv2d, torch.nn.AdaptiveAvgPool2d),
        3: (torch.nn.Conv3d, torch.nn.AdaptiveAvgPool3d),
    }[len(shape)]
    model = torch.nn.Sequential(
        layer(1, 4, 3, padding=1), torch.nn.ReLU(), pool(1), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    )
    shown = sc.explain(model, torch.rand(2, 1, *shape), classes=1)._repr_html_()
    assert "2 image(s)" in shown
    assert ("data:image/png;base64" in shown) == (len(shape) > 1)
    assert " x ".join(map(str, shape)) in shown


def test_of_many_layers_some_are_drawn_and_all_listed(monkeypatch):
    monkeypatch.setattr(notebook, "PICTURES", 5)
    explanation = sc.explain(build("small_cnn", 2, weights="none"), torch.rand(1, 3, 64, 64))
    assert len(explanation) > 5
    shown = explanation._repr_html_()
    assert "maps of 5 layers" in shown
    assert len(re.findall("<tr><td>", shown)) == len(explanation) + len(explanation.left_out)


def test_of_volumes_the_plane_with_the_most_heat_is_drawn():
    heat = torch.zeros(4, 3, 3)
    heat[3, 1, 1] = 1
    assert torch.equal(notebook._plane(heat), heat[3])
    assert torch.equal(notebook._plane(heat[0]), heat[0])


def test_a_montage_is_a_picture_in_a_notebook():
    images = torch.rand(1, 3, 32, 32)
    figure = sc.montage(
        images[0], sc.explain(build("small_cnn", 2, weights="none"), images, layers="block2_*")
    )
    assert figure._repr_png_().startswith(b"\x89PNG")
