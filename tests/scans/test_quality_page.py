import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from quality_scan import UNITS, a_record, planes_and_views, prepared_scan

from stratacam.errors import InputError
from stratacam.scans.quality import charts, pictures, write_page
from stratacam.scans.quality.measures import DASH
from stratacam.scans.quality.wording import without_folders


class _Page(HTMLParser):
    """The text, tags and attributes of a page; fails on tags that are closed in the wrong order."""

    ALONE = frozenset({"meta", "image", "input", "br", "stop"})

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self._open = [], "", []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.ALONE:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.ALONE:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += f" {data} "

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def _write(folder, record, axis=2):
    scan, planes, views = prepared_scan(folder, axis=axis)
    return _Page(write_page(scan, views, record, planes=planes))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return _write(tmp_path_factory.mktemp("quality"), a_record())


def _decoded(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))


def test_the_page_lies_in_the_subjects_figures_and_leads_back_to_the_index(tmp_path):
    scan, planes, views = prepared_scan(tmp_path, session="2")
    path = write_page(scan, views, a_record(), planes=planes)
    assert path == scan.quality_page == tmp_path / "sub-01/figures/sub-01_ses-2_desc-quality.html"
    assert path.stat().st_size < 2_000_000
    (back,) = [link["href"] for link in _Page(path).attributes("a")]
    assert (path.parent / back).resolve() == (tmp_path / "index.html").resolve()


def test_the_page_needs_no_other_file(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href"):
            target = attributes.get(name) or ""
            assert tag == "a" or not target or target.startswith(("data:image/png;base64,", "#"))
    assert all("src" not in attributes for attributes in page.attributes("script"))
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    used = {(one.get("href") or one["xlink:href"])[1:] for one in page.attributes("use")}
    assert used <= ids


def test_a_sequence_can_be_flipped_between_before_after_and_the_t1w(page):
    (figure,) = [a for a in page.attributes("section") if a.get("class") == "flip"]
    assert figure["data-show"] == "after"
    states = [
        a["class"].split()[-1] for a in page.attributes("figure") if a.get("class", "").startswith("state")
    ]
    buttons = [a["data-state"] for a in page.attributes("button") if "data-state" in a]
    assert states == buttons == ["before", "after", "t1w"]
    lines = [a for a in page.attributes("use") if a.get("href", "").startswith("#edges-")]
    assert len(lines) == 3 * 5  # the T1w's edges over every picture of every state


def test_the_pictures_are_the_planes(page):
    planes, (t1w, flair), _ = planes_and_views()
    shown = [_decoded(a["href"]) for a in page.attributes("image")]
    expected = [*t1w.after, *flair.before, *flair.after]
    for picture, plane in zip(shown, expected, strict=False):
        np.testing.assert_array_equal(np.asarray(picture), plane)
    assert len(shown) == len(expected) + 2 * len(planes.planes)  # and the bias fields


def test_what_the_record_holds_is_told(page):
    text = " ".join(page.text.split())
    for part in (
        "No flags.",
        "1078 ml",
        "deepbet",
        "0.512 → 0.761",
        "0.11 → 0.33 nats",
        "0.93",
        "12.0 mm",
        "4.2°",
        "centres of mass",
        "10.5 %",
    ):
        assert part in text
    for part in ("full_scale.FLAIR 2.0", "1200 becomes 1"):
        assert part in text


def test_no_folder_of_this_machine_is_named(page, tmp_path):
    flag = "/secret/ward 7/sub-01/anat/sub-01_T1w.nii.gz: sform and qform disagree"
    flagged = _write(tmp_path, a_record(Flags=[flag], BrainMask="/secret/ward 7/brain_mask.nii.gz"))
    for one in (page, flagged):
        everything = one.text + repr(one.tags)
        assert "secret" not in everything
        assert "ward" not in everything
        assert str(tmp_path) not in everything
    assert "sub-01_T1w.nii.gz: sform and qform disagree" in flagged.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"C:\Users\me\scan.nii: bad", "scan.nii: bad"),
        ("see '/a b/c/d.nii', /x/y.nii", "see 'd.nii', y.nii"),
        ("file:///a/b/c.nii, (/d/e)", "c.nii, (e)"),
        ("T1w/T2w at 3 mm/s, 1 / 2, a/b </i>", "T1w/T2w at 3 mm/s, 1 / 2, a/b </i>"),
        ("bids:raw:sub-01/anat/a.nii", "bids:raw:sub-01/anat/a.nii"),
    ],
)
def test_only_absolute_paths_are_cut(text, shown):
    assert without_folders(text) == shown


def test_flags_stand_at_the_top_and_markup_in_them_is_text(tmp_path):
    page = _write(tmp_path, a_record(Flags=["FLAIR: <b>moved</b> by 61 mm", "the brain has 640 ml"]))
    text = " ".join(page.text.split())
    assert (
        text.index("2 flags")
        < text.index("<b>moved</b> by 61 mm")
        < text.index("640 ml")
        < text.index("Registration")
    )
    assert "No flags" not in text


def test_a_registration_that_was_given_up_is_told(tmp_path):
    record = a_record()
    record["Registration"]["FLAIR"]["FellBack"] = True
    text = _write(tmp_path, record).text
    assert "registration given up, position by the headers kept" in text
    assert "After: by the headers, bias corrected" in text
    assert "After: registered" not in text
    assert "Turned (found, not used)" in text


def test_what_the_record_lacks_is_a_dash(tmp_path):
    text = " ".join(_write(tmp_path, {"Sequences": list(UNITS)}).text.split())
    assert f"Flags: {DASH} (the record does not say)" in text
    assert f"Mutual information {DASH} → {DASH}" in text
    assert f"Brain volume {DASH}" in text


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_of_every_plane_are_shown(tmp_path, axis):
    name = ["sagittal", "coronal", "axial"][axis]
    page = _write(tmp_path, a_record(), axis=axis)
    assert f"Brain area of every {name} slice" in page.text
    dimmed = [a for a in page.attributes("rect") if a.get("class") == "out"]
    assert len(dimmed) == 4  # beyond both ends, on the two planes that cross the slices


def test_without_the_t1w_there_is_no_page(tmp_path):
    scan, planes, views = prepared_scan(tmp_path)
    with pytest.raises(InputError, match="lacks the views of the T1w"):
        write_page(scan, views[1:], a_record(), planes=planes)
    assert not scan.quality_page.exists()


def test_colours_of_a_bias_field_run_from_blue_to_red_through_white():
    field = np.array([[-20.0, 0.0, 20.0, np.nan, 90.0]], np.float16)
    blue, white, red, none, more = np.asarray(_decoded(pictures.coloured(field, 20.0)).convert("RGBA"))[
        0
    ].tolist()
    assert blue[2] > 80 > blue[0]
    assert min(white[:3]) > 240
    assert red[0] > 80 > red[2]
    assert none[3] == 0
    assert more == red
    assert pictures.field_limit([field[:, :2]]) == 20
    assert pictures.colour_stops()[0][1] == "#{:02x}{:02x}{:02x}".format(*blue[:3])


def _points(path):
    return np.array([[float(n) for n in point.split()] for point in re.split("[ML]", path) if point])


def test_the_outline_of_the_mask_runs_between_brain_and_no_brain():
    planes, _, _ = planes_and_views()
    for plane, path, inside in zip(planes.planes, pictures.mask_outlines(planes), planes.mask, strict=True):
        edge = np.zeros_like(inside)
        for axis in (0, 1):
            changes = np.diff(inside.astype(int), axis=axis) != 0
            edge |= np.pad(changes, [(0, 1) if a == axis else (0, 0) for a in (0, 1)])
            edge |= np.pad(changes, [(1, 0) if a == axis else (0, 0) for a in (0, 1)])
        columns, rows = (_points(path) / planes.pixel(plane)[::-1]).T
        near = edge[
            np.minimum(rows.astype(int), len(edge) - 1), np.minimum(columns.astype(int), edge.shape[1] - 1)
        ]
        assert near.all()


def test_the_borders_of_tissues_lie_between_their_intensities():
    planes, (t1w, _), _ = planes_and_views()
    white = 255 * 750 / (1.25 * 750)  # about: white matter is the brightest of the brain
    for plane, picture, (outer, inner) in zip(
        planes.planes, t1w.after, pictures.tissue_edges(planes, t1w.after), strict=True
    ):
        for path, low, high in ((outer, 150 / 750, 500 / 750), (inner, 500 / 750, 1.0)):
            columns, rows = (_points(path) / planes.pixel(plane)[::-1] - 0.5).T
            from_above = picture[np.floor(rows).astype(int), np.floor(columns).astype(int)]
            from_below = picture[np.ceil(rows).astype(int), np.ceil(columns).astype(int)]
            level = np.median((from_above.astype(float) + from_below) / 2) / white
            assert low - 0.1 < level < high + 0.1


def _drawn(chart):
    """Of each filled shape or line of a chart: its colour, and the points of its path."""
    found = re.findall(r'<path d="([^"]*)"[^>]*style="[^"]*var\(--(\w+)\)', str(chart))
    return [(colour, np.array(re.findall(r"[\d.]+", path), float).reshape(-1, 2)) for path, colour in found]


def test_charts_use_the_colours_of_the_page_and_no_others():
    _, views, _ = planes_and_views()
    for chart in (charts.intensities(views[0]), charts.normalised(views[1], 0.5)):
        assert set(re.findall(r"#[0-9a-f]{6}", chart)) <= {"#000000", "#ffffff"}
        assert set(re.findall(r"var\(--(\w+)\)", chart)) <= set(charts.COLOURS.values())


def test_a_chart_is_the_same_each_time_it_is_drawn():
    _, (t1w, _), _ = planes_and_views()
    assert charts.intensities(t1w) == charts.intensities(t1w)


def test_the_histogram_and_the_white_matter_stand_where_the_axis_has_them():
    _, (_, flair), _ = planes_and_views()
    left, right = (0.09 * 520, 0.98 * 520)
    drawn = _drawn(charts.normalised(flair, 0.25))
    (line,) = [points for colour, points in drawn if colour == "good"]
    np.testing.assert_allclose(line[:, 0], left + 0.25 * (right - left), atol=0.01)
    outline = max((points for colour, points in drawn if colour == "blue"), key=len)
    highest = outline[outline[:, 1].argmin(), 0]
    bin_width = (right - left) / len(flair.normalised)
    assert abs(highest - (left + (flair.normalised.argmax() + 0.5) * bin_width)) <= bin_width


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_kept_slices_are_green(tmp_path, axis):
    scan, _, _ = prepared_scan(tmp_path, axis=axis)
    slices = scan.read_slices()
    drawn = _drawn(charts.slice_areas(slices))
    (green,) = [points for colour, points in drawn if colour == "good"]
    width = 0.89 * 520 / len(slices.areas_mm2)
    first, last = ((at - 0.09 * 520) / width for at in (green[:, 0].min(), green[:, 0].max()))
    assert (round(first, 2), round(last, 2)) == (slices.kept[0], slices.kept[-1] + 1)
