"""The viewer of a notebook in a headless Chromium: its own script draws, in a page that stands for the notebook."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image
from tests.viewer.browsing import FLAGS, find_chromium

import stratacam as sc

PAGE = """<!doctype html><meta charset="utf-8"><body style="margin: 0"><div id="cell" style="width: 900px"></div>
<script type="module">
import widget from "/widget.js";
class Model {
  heard = {};
  constructor(state) { this.state = state; this.widget_manager = { get_model: async (id) => models[id] }; }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; this.fire(`change:${name}`); }
  save_changes() {}
  send() {}
  on(event, act) { (this.heard[event] ??= []).push(act); }
  off(event, act) { this.heard[event] = act ? (this.heard[event] ?? []).filter((one) => one !== act) : []; }
  fire(event, ...about) { for (const act of this.heard[event] ?? []) act(...about); }
}
const models = {};
const { states, first } = await (await fetch("/states")).json();
for (const [id, { state, buffers }] of Object.entries(states)) {
  for (const [path, text] of buffers) {
    const place = path.slice(0, -1).reduce((at, key) => at[key], state);
    place[path.at(-1)] = new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
  }
  models[id] = new Model(state);
}
Object.assign(window, { models, model: models[first] });
await widget.initialize({ model });
await widget.render({ model, el: document.getElementById("cell") });
document.documentElement.dataset.done = "";
</script>"""


@pytest.fixture(scope="module")
def page():
    """A page of a browser that can draw with WebGL on a machine without a card."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium")
    drawing = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
    flags = [flag for flag in FLAGS if flag != "--disable-gpu"]
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*flags, *drawing])
        yield browser.new_page(viewport={"width": 900, "height": 400})
        browser.close()


def states_of(widget):
    """What a notebook's page is told of a widget and its volumes, with buffers apart."""
    from ipywidgets.widgets.widget import _remove_buffers  # noqa: PLC0415 - of an extra

    told = {}
    for one in (widget, *widget.volumes):
        state, paths, buffers = _remove_buffers(one.get_state())
        kept = {name: value for name, value in state.items() if name not in {"_esm", "layout"}}
        texts = [base64.b64encode(buffer).decode("ascii") for buffer in buffers]
        told[one.model_id] = {"state": kept, "buffers": list(zip(paths, texts, strict=True))}
    return json.dumps({"states": told, "first": widget.model_id})


def picture_of(page):
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


def test_heat_is_drawn_over_the_scan_in_the_colours_of_the_web_viewer(published, page, monkeypatch):
    niivue = pytest.importorskip("ipyniivue", reason="needs ipyniivue: the extra `notebook`")
    study = sc.open_study(published.root)
    widget = study.viewer(study.explained[0], "block4_conv3")
    files = {
        "/": ("text/html", PAGE),
        "/states": ("application/json", states_of(widget)),
        "/widget.js": (
            "text/javascript",
            (Path(niivue.__file__).parent / "static" / "widget.js").read_text(encoding="utf-8"),
        ),
    }
    asked = []

    def answer(route):
        place = route.request.url.removeprefix("http://notebook.test")
        asked.append(place)
        kind, body = files.get(place, ("text/plain", ""))
        route.fulfill(content_type=kind, body=body)

    page.route("**/*", answer)
    page.goto("http://notebook.test/")
    page.wait_for_selector("html[data-done]", state="attached", timeout=60_000)
    sent = []
    monkeypatch.setattr(widget, "send", sent.append)
    widget._canvas_attached = True
    for message in sent:
        page.evaluate("message => model.fire('msg:custom', message, [])", message)
    page.evaluate(
        "([id, colours]) => models[id].set('colormap', colours)",
        [widget.volumes[-1].model_id, widget.volumes[-1].colormap],
    )
    page.wait_for_timeout(500)
    with_heat = picture_of(page)
    page.evaluate("id => models[id].set('cal_max', 1000)", widget.volumes[1].model_id)  # opacity near 0
    page.wait_for_timeout(500)
    without = picture_of(page)
    coloured = [np.ptp(one[:300], axis=2) > 40 for one in (with_heat, without)]  # above the colour bar
    assert coloured[0].sum() > 5000
    assert coloured[1].sum() < coloured[0].sum() / 20
    assert (without[:300].max(axis=2) > 100).sum() > 5000  # the scan stays
    grey = without[:300].mean(axis=2, keepdims=True)
    hottest = 0.8 * np.array(colormaps["plasma"](255)[:3]) * 255 + 0.2 * grey
    assert (np.abs(with_heat[:300] - hottest).max(axis=2) < 12).any()
    assert [place for place in asked if place not in {*files, "/favicon.ico"}] == []
