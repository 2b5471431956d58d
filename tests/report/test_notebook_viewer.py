"""The viewer in a notebook: what it shows is what the study stored, drawn as the web viewer draws it."""

import gzip
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
from matplotlib import colormaps

import stratacam as sc
from stratacam.cam.drawing import blend
from stratacam.errors import InputError
from stratacam.results import viewer

niivue = pytest.importorskip("ipyniivue", reason="needs ipyniivue: the extra `notebook`")

PAGE = Path(viewer.__file__).parents[1] / "viewer" / "page" / "src"
LAYER = "block4_pool"


@pytest.fixture(scope="module")
def opened(published):
    return sc.open_study(published.root)


@pytest.fixture
def shown(opened):
    return opened.viewer(opened.explained[0], LAYER)


def values(volume):
    """What a volume of the widget holds."""
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(volume.data)).get_fdata()


def test_the_scan_lies_under_the_map_on_one_grid(opened, shown):
    scan = opened.explained[0]
    image, cover, drawn = shown.volumes
    assert Path(image.path).name == f"{scan}_space-T1w_desc-prepared_FLAIR.nii.gz"
    assert (image.colormap, image.cal_min, image.cal_max) == ("gray", 0, 0.75)
    assert values(cover).shape == values(drawn).shape == opened.image(scan, "FLAIR").shape
    maps = opened.maps(scan)
    expected = maps.geometry.to_volume(maps.heat(LAYER))
    assert expected.max() > 0.5
    np.testing.assert_allclose(values(drawn), expected, atol=1 / 250)


def test_threshold_and_opacity_are_those_of_the_web_viewer(shown):
    drawn = shown.volumes[-1]
    state = (PAGE / "state.ts").read_text(encoding="utf-8")
    assert drawn.cal_min == float(re.search(r" threshold: ([\d.]+)", state)[1])
    assert drawn.cal_max == 1
    assert drawn.colormap_type is niivue.ColormapType.ZERO_TO_MAX_TRANSPARENT_BELOW_MIN
    heat, cover = values(drawn), values(shown.volumes[drawn.modulation_image])
    over_black = blend(np.zeros(heat.shape), heat)
    whole = colormaps["plasma"](heat)[..., :3]
    drawn_at_all = heat >= 0.11
    assert drawn_at_all.any()
    np.testing.assert_allclose((cover[..., None] * whole)[drawn_at_all], over_black[drawn_at_all], atol=0.01)
    assert not cover[heat < 0.09].any()
    assert drawn.modulate_alpha == 1
    assert shown.volumes[1].opacity == 0
    assert f" opacity: {cover.max():.1f}" in state


def test_colours_come_when_a_page_is_there(shown, monkeypatch):
    sent = []
    monkeypatch.setattr(shown, "send", sent.append)
    assert shown.volumes[-1].colormap == "plasma"
    shown._canvas_attached = True
    ((name, table),) = [one["data"] for one in sent if one["type"] == "add_colormap"]
    assert shown.volumes[-1].colormap == name
    expected = colormaps["plasma"](np.arange(256))[:, :3] * 255
    np.testing.assert_allclose(np.stack([table[letter] for letter in "RGB"], axis=1), expected, atol=0.5)


def test_it_opens_at_the_hottest_place(shown):
    heat = values(shown.volumes[-1])
    shape = np.array(heat.shape)
    place = np.floor(np.array(shown.scene.crosshair_pos) * shape).astype(int)
    assert heat[tuple(place)] == heat.max()


def test_the_hottest_place_is_towards_right_anterior_superior_whatever_the_axes():
    heat = np.zeros((4, 5, 10), dtype=np.float32)
    heat[0, 1, 2] = 1
    to_left_superior_anterior = np.array([[-1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    assert viewer._hottest(heat, to_left_superior_anterior) == pytest.approx([1 - 0.5 / 4, 2.5 / 10, 1.5 / 5])
    assert viewer._hottest(heat * 0, np.eye(4)) == [0.5, 0.5, 0.5]


def test_a_scan_as_it_was_delivered_has_the_map_on_its_grid(opened):
    scan = opened.explained[0]
    shown = opened.viewer(scan, LAYER, sequence="T1w", delivered=True, threshold=0.3)
    delivered = opened.image(scan, "T1w", delivered=True)
    assert Path(shown.volumes[0].path) == Path(delivered.get_filename())
    assert values(shown.volumes[-1]).shape == delivered.shape
    assert shown.volumes[-1].cal_min == 0.3
    assert shown.volumes[0].cal_max is None


def test_a_layer_that_is_not_there_is_refused(opened):
    with pytest.raises(InputError, match="holds no maps of 'block9'"):
        opened.viewer(opened.explained[0], "block9")


def test_without_ipyniivue_it_says_what_to_install(opened, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ipyniivue", None)
    with pytest.raises(InputError, match=r"ipyniivue is not installed; .*stratacam\[notebook\]"):
        opened.viewer(opened.explained[0], LAYER)
