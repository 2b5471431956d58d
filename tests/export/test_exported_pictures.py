"""Pictures and films through the slices: what is drawn, where, and what stands beside it."""

import errno
import importlib
import itertools
import os
import re
import shutil
import subprocess
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from imported_study import change_attributes, stored_geometry, write_imported
from PIL import Image, ImageDraw
from rich.console import Console
from tests.scans.dicom.dicom_files import SAGITTAL, write_series

from stratacam.errors import InputError
from stratacam.export import Wanted, drawing, export_study
from stratacam.export.choose import choose_maps
from stratacam.export.drawing import draw, legend_of
from stratacam.export.laid import lay, plane_grid
from stratacam.scans.planes import AXES, SIDES
from stratacam.scans.resampling import Grid

FRAME = {"FrameOfReferenceUID": "1.2.3.4.5"}


def export(study, out, *formats, **wanted):
    return export_study(study.folders, out, Wanted(**wanted), formats, console=Console(quiet=True)).files


@pytest.fixture
def written_words(monkeypatch):
    """All texts that are drawn."""
    said = []
    real = ImageDraw.ImageDraw.text

    def text(pen, place, words, *arguments, **settings):
        said.append(words)
        return real(pen, place, words, *arguments, **settings)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return said


def test_a_picture_says_what_it_is_how_it_is_scaled_and_that_it_is_for_research(oblique_study, written_words):
    (chosen,), *_ = choose_maps(oblique_study.folders, Wanted())
    laid = lay(chosen.scan, chosen.maps, chosen.layer, "T1w")
    draw(laid, laid.shown[2], legend_of(chosen, laid, signed=False), name="sub-01 T1w")
    words = " ".join(written_words)
    raw = chosen.maps.raw(chosen.layer)
    for expected in (
        "RESEARCH USE ONLY - NOT FOR DIAGNOSIS",
        "class SPMS, gradcam, block5_conv3",
        "Predicted SPMS (control 0.10, RRMS 0.20, SPMS 0.70)",
        "scan held out of training",
        "Evidence: not measured",
        "Heat, by its maximum in this scan. Unit: logit.",
        f"Raw map in this scan: \N{MINUS SIGN}{-raw.min():.3g} to {raw.max():.3g}.",
        f"1 = {laid.scale:.3g}",
        "2 cm",
        "sub-01 T1w",
    ):
        assert expected in words
    assert {"R", "L", "A", "P"} <= set(written_words)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_plane_shows_the_scan_as_a_radiologist_sees_it_without_interpolation(plane):
    rng = np.random.default_rng(0)
    values = rng.random((5, 6, 7)).astype(np.float32)
    image = nibabel.Nifti1Image(values, np.diag([1.0, 2.0, 3.0, 1.0]))
    stored = image.as_reoriented(nibabel.orientations.axcodes2ornt("PIL"))  # any other order of the axes
    grid = plane_grid(Grid(stored.shape, stored.affine), plane)
    voxels = np.indices(grid.shape).reshape(3, -1)
    where = np.linalg.inv(stored.affine) @ grid.affine @ np.vstack([voxels, np.ones(voxels.shape[1])])
    np.testing.assert_allclose(where, np.rint(where), atol=1e-9)
    seen = np.asarray(stored.dataobj)[tuple(np.rint(where[:3]).astype(int))].reshape(grid.shape)
    expected = np.transpose(values, AXES[plane])[:, ::-1, ::-1]  # rows and columns run against the axes
    np.testing.assert_array_equal(seen.transpose(2, 1, 0), expected)


@pytest.fixture
def copied(own_copy):
    """A copy of the study whose T1w as delivered may be changed: the map, and the path of the T1w."""
    folders, delivered = own_copy
    (chosen,), *_ = choose_maps(folders, Wanted())
    return chosen, delivered


def test_a_scan_that_is_stored_in_another_order_is_drawn_as_it_lies(copied):
    chosen, delivered = copied
    before = lay(chosen.scan, chosen.maps, chosen.layer, "T1w")
    image = nibabel.load(delivered)
    turned = image.as_reoriented(nibabel.orientations.axcodes2ornt("LPI"))
    assert turned.shape == image.shape
    nibabel.save(nibabel.Nifti1Image(np.asarray(turned.dataobj), turned.affine), delivered)
    after = lay(chosen.scan, chosen.maps, chosen.layer, "T1w")
    np.testing.assert_allclose(after.anatomy, before.anatomy, atol=1e-3)


def test_a_scan_that_was_moved_since_is_refused(copied):
    chosen, delivered = copied
    image = nibabel.load(delivered)
    image.affine[0, 3] += 3
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine), delivered)
    with pytest.raises(InputError, match="lies 3 mm from where it lay when the maps were made"):
        lay(chosen.scan, chosen.maps, chosen.layer, "T1w")


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_sides_are_those_of_the_plane(oblique_study, plane):
    (chosen,), *_ = choose_maps(oblique_study.folders, Wanted())
    delivered = chosen.maps.geometry.delivered["T1w"]
    laid = lay(chosen.scan, chosen.maps, chosen.layer, "T1w", plane_grid(delivered, plane))
    left, right, top, bottom = laid.sides
    assert (left, right) == SIDES[plane]
    assert (top, bottom) == (("A", "P") if plane == "axial" else ("S", "I"))


def blob(points):
    return 5 * np.exp(-((points - [9.0, -6.0, 3.0]) ** 2).sum(axis=-1) / 300) - 1


def test_heat_and_signed_maps_have_the_values_of_the_layer(tmp_path):
    write_series(tmp_path / "dicom", spacing=(2.0, 2.0), step=2.0, shape=(40, 40), slices=20, **FRAME)
    study = write_imported(tmp_path, values=blob)
    (chosen,), *_ = choose_maps(study.folders, Wanted())
    heat = lay(chosen.scan, chosen.maps, chosen.layer, "T1w")
    signed = lay(chosen.scan, chosen.maps, chosen.layer, "T1w", signed=True)
    assert heat.heat.min() == 0
    assert heat.heat.max() == 1
    assert heat.scale == pytest.approx(4, abs=0.3)
    assert signed.heat.min() == pytest.approx(-1 / signed.scale, abs=0.05)
    np.testing.assert_allclose(signed.heat * signed.scale, signed.raw, atol=1e-5)
    index, row, column = np.unravel_index(heat.heat.argmax(), heat.heat.shape)
    place = heat.grid.affine @ [column, row, index, 1]
    assert np.abs(place[:3] - [9, -6, 3]).max() < 3


def test_a_signed_map_has_its_colours_also_in_slices_without_negative_values(oblique_study):
    (chosen,), *_ = choose_maps(oblique_study.folders, Wanted())
    laid = lay(chosen.scan, chosen.maps, chosen.layer, "T1w", signed=True)
    above = replace(laid, heat=np.full_like(laid.heat, 0.8))
    legend = legend_of(chosen, laid, signed=True)
    pixels = draw(above, laid.shown[3], legend, name="one").pixels[200:400, 200:400].astype(int)
    assert (pixels[..., 0] > pixels[..., 2]).all()  # red, where plasma would be yellow: as red as green
    assert (pixels[..., 0] - pixels[..., 1]).min() > 40


def test_a_scan_that_shows_nothing_of_what_was_explained_is_left_out(oblique_study, tmp_path):
    root = tmp_path / "study"
    shutil.copytree(oblique_study.folders.root, root)
    folders = type(oblique_study.folders)(root)
    store = next(folders.maps.rglob("*.zarr"))
    geometry = stored_geometry(store)
    for axis in range(3):
        geometry["prepared"]["affine"][axis][3] += 500.0
    change_attributes(store, geometry=geometry)
    for name in ("png", "gif", "mp4"):
        with pytest.raises(InputError, match="shows nothing of the slices that were explained"):
            export_study(folders, tmp_path / "out", Wanted(), [name], console=Console(quiet=True))
        assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))


def test_what_was_not_explained_is_dark_and_said_so(tmp_path, written_words):
    write_series(
        tmp_path / "dicom", axes=SAGITTAL, spacing=(2.0, 2.0), step=2.0, shape=(60, 30), slices=12, **FRAME
    )
    study = write_imported(tmp_path)
    kept = study.geometry.slices
    (chosen,), *_ = choose_maps(study.folders, Wanted())
    grid = Grid(*_longer(chosen.maps.geometry.delivered["T1w"], 6))
    laid = lay(chosen.scan, chosen.maps, chosen.layer, "T1w", plane_grid(grid, "sagittal"))
    assert 0 < laid.explained[6].mean() < 1
    assert len(kept) > 5
    draw(laid, 6, legend_of(chosen, laid, signed=False), name="sub-01 T1w")
    assert any("Dark: not explained." in words for words in written_words)


def _longer(grid, cells):
    """A grid with more cells along every axis on both sides."""
    affine = grid.affine.copy()
    affine[:3, 3] -= grid.affine[:3, :3] @ np.full(3, cells)
    return tuple(length + 2 * cells for length in grid.shape), affine


def test_a_blank_map_stays_blank_and_says_why(oblique_study, written_words, monkeypatch):
    (chosen,), *_ = choose_maps(oblique_study.folders, Wanted())
    maps = chosen.maps
    blank = {layer: [["all negative"] * len(maps.slices)] for layer in maps.layers}
    monkeypatch.setitem(maps.__dict__, "blank_of", blank)
    laid = lay(chosen.scan, maps, chosen.layer, "T1w")
    assert not laid.heat.any()
    drawn = draw(laid, laid.shown[0], legend_of(chosen, laid, signed=False), name="sub-01 T1w")
    assert "blank map: all negative" in written_words
    assert np.ptp(drawn.pixels[100:540, 20:400].astype(int), axis=2).max() == 0
    assert lay(chosen.scan, maps, chosen.layer, "T1w", signed=True).heat.any()


def test_a_long_name_of_a_class_stays_inside_the_picture():
    for text in ("X" * 300, "class " + "X" * 300 + " and\nmore"):
        lines = drawing._wrapped(text, 500)
        assert all(drawing._font(drawing.SMALL).getlength(line) <= 500 for line in lines)
        assert "".join(lines).replace(" ", "") == "".join(text.split())


def test_a_narrow_scan_has_a_shorter_scale_bar(oblique_study, written_words):
    (chosen,), *_ = choose_maps(oblique_study.folders, Wanted())
    laid = lay(chosen.scan, chosen.maps, chosen.layer, "T1w")
    affine = laid.grid.affine @ np.diag([0.4, 0.4, 1, 1])
    narrow = replace(laid, grid=Grid(laid.grid.shape, affine))
    draw(narrow, laid.shown[2], legend_of(chosen, laid, signed=False), name="one")
    assert "0.5 cm" in written_words


def test_only_slices_that_were_explained_have_a_picture_and_the_legend_says_how_many(tmp_path, written_words):
    write_series(
        tmp_path / "dicom",
        spacing=(3.0, 3.0),
        step=3.0,
        shape=(24, 24),
        slices=24,
        origin=(-36, -36, -36),
        **FRAME,
    )
    study = write_imported(tmp_path, every=4)
    done = export(study, tmp_path / "out", "png", "gif")
    explained = len(study.geometry.slices)
    assert explained > 3
    assert explained - 2 <= len(done["png"]) <= explained
    numbers = [int(path.stem.removeprefix("slice-")) for path in done["png"]]
    assert {after - before for before, after in itertools.pairwise(numbers)} == {4}
    assert any("1 slice in 4 was explained" in words for words in written_words)


def test_png_gif_and_mp4_go_through_the_same_slices(oblique_study, tmp_path):
    files = export(oblique_study, tmp_path, "png", "gif", "mp4")
    names = [path.name for path in files["png"]]
    assert names == [f"slice-{number:03}.png" for number in range(1, 13)]
    sizes = {Image.open(path).size for path in files["png"]}
    assert len(sizes) == 1
    assert "not for diagnosis" in Image.open(files["png"][0]).text["Description"]
    with Image.open(files["gif"][0]) as film:
        assert film.n_frames == len(names)
        for place in (0, len(names) - 1):
            film.seek(place)
            picture = np.asarray(Image.open(files["png"][place]).convert("RGB"), dtype=int)
            assert np.abs(np.asarray(film.convert("RGB"), dtype=int) - picture).max() <= 16  # of 255
        assert {film.size} == sizes
        assert film.info["loop"] == 0
    ffmpeg = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    command = [ffmpeg, "-i", files["mp4"][0], "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert re.findall(r"frame=\s*(\d+)", done.stderr)[-1] == str(len(names))
    assert "h264" in done.stderr
    width, height = next(iter(sizes))
    assert f"{width + width % 2}x{height + height % 2}" in done.stderr


def test_writing_again_leaves_no_picture_of_an_earlier_export(oblique_study, tmp_path):
    (first, *_) = export(oblique_study, tmp_path, "png")["png"]
    stale = first.with_name("slice-999.png")
    stale.touch()
    export(oblique_study, tmp_path, "png")
    assert first.exists()
    assert not stale.exists()


def test_without_the_encoder_a_film_is_refused_before_anything_is_written(
    oblique_study, tmp_path, monkeypatch
):
    monkeypatch.setattr(importlib, "import_module", _without("imageio_ffmpeg", importlib.import_module))
    with pytest.raises(InputError, match=r"pip install 'stratacam\[video\]'"):
        export(oblique_study, tmp_path / "out", "png", "mp4")
    assert not (tmp_path / "out").exists()


def encoder(folder, monkeypatch, script):
    """Take a script in place of the encoder."""
    real = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    path = folder / "encoder"
    path.write_text(f"#!/bin/sh\n{script.format(real=real)}\n")
    path.chmod(0o700)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(path))


@pytest.mark.parametrize(
    "script", ["ulimit -f 40; trap '' XFSZ; exec {real} \"$@\"", "head -c 100 >/dev/null; exit 1"]
)
def test_a_film_that_the_encoder_could_not_finish_is_not_there(oblique_study, tmp_path, monkeypatch, script):
    encoder(tmp_path, monkeypatch, script)
    with pytest.raises(InputError, match="the encoder failed"):
        export(oblique_study, tmp_path / "out", "mp4")
    assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("code", [0, 1])
def test_a_disk_that_is_full_ends_the_export_with_one_error(oblique_study, tmp_path, monkeypatch, code):
    full = os.strerror(errno.ENOSPC)
    encoder(tmp_path, monkeypatch, f"cat >/dev/null; echo 'Error: {full}' >&2; exit {code}")
    with pytest.raises(InputError, match=f"cannot be written .{full}.; make room") as caught:
        export(oblique_study, tmp_path / "out", "png", "mp4")
    assert "nothing could be exported" not in str(caught.value)
    assert not list((tmp_path / "out").rglob("*.mp4"))


def _without(absent, real):
    def import_module(name):
        if name == absent:
            raise ModuleNotFoundError(name)
        return real(name)

    return import_module


def test_a_nifti_is_the_studys_own(oblique_study, tmp_path):
    files = export(oblique_study, tmp_path, "nifti")["nifti"]
    delivered = next(
        path for path in files if path.name.endswith("res-delivered_desc-block5conv3_gradcam.nii.gz")
    )
    scan = nibabel.load(next(oblique_study.bids.rglob("*_T1w.nii.gz")))
    found = nibabel.load(delivered)
    assert found.shape == scan.shape
    np.testing.assert_allclose(found.affine, scan.affine)
    assert len(files) == 4


def test_heat_on_which_few_networks_agree_is_pale(oblique_study, written_words):
    (chosen,), *_ = choose_maps(oblique_study.folders, Wanted())
    alone = lay(chosen.scan, chosen.maps, chosen.layer, "T1w")
    legend = legend_of(chosen, alone, signed=False)
    strong = draw(alone, alone.shown[3], legend, name="one").pixels[:640]
    for share, pale in ((0.4, True), (0.6, False)):
        laid = replace(alone, agreement=np.full_like(alone.heat, share))
        drawn = draw(laid, laid.shown[3], legend_of(chosen, laid, signed=False), name="one").pixels[:640]
        colour = np.ptp(drawn.astype(int), axis=2).sum() / np.ptp(strong.astype(int), axis=2).sum()
        assert colour == pytest.approx(0.3 if pale else 1, abs=0.05)
    assert "Pale: fewer than 50 % of the networks agree." in written_words
