import json
import re

import numpy as np
import pytest
from quality_scan import a_record

from stratacam.errors import InputError
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.quality import charts, outliers, write_index
from stratacam.scans.quality.measures import DASH, MINIMUM_SCANS, read_measures


def _cohort(folder, count=12, **of_scan):
    """Records of `count` scans, with pages; `of_scan` holds changes of the record by subject."""
    rng = np.random.default_rng(0)
    for number in range(1, count + 1):
        subject = f"{number:02d}"
        scan = PreparedScan(folder, subject, None, ("T1w", "FLAIR"))
        scan.anat.mkdir(parents=True)
        record = a_record(BrainVolume=float(rng.uniform(1200, 1400)))
        record["Registration"]["FLAIR"]["Translation"] = float(rng.uniform(1, 2))
        scan.record.write_text(json.dumps(record | of_scan.get(f"sub{subject}", {})))
        scan.quality_page.parent.mkdir(parents=True, exist_ok=True)
        scan.quality_page.write_text("page")
    return folder


def _rows(path):
    html = path.read_text(encoding="utf-8")
    found = re.findall(r'<tr id="(.*?)">(.*?)(?=<tr id|</tbody>)', html, re.DOTALL)
    return {
        name: [re.sub("<.*?>", "", cell).strip() for cell in re.split("<td[^>]*>", row)[1:]]
        for name, row in found
    }


def test_every_scan_has_a_row_that_leads_to_its_page(tmp_path):
    path = write_index(_cohort(tmp_path), {"sub-01": "RRMS", "sub-02": "control"})
    rows = _rows(path)
    assert len(rows) == 12
    assert [rows[name][1] for name in ("sub-01", "sub-02", "sub-03")] == ["RRMS", "control", DASH]
    html = path.read_text(encoding="utf-8")
    for name in rows:
        link = f"{name}/figures/{name}_desc-quality.html"
        assert f'<a href="{link}">{name}</a>' in html
        assert (tmp_path / link).is_file()


def test_a_scan_without_a_page_is_listed_without_a_link(tmp_path):
    _cohort(tmp_path)
    PreparedScan(tmp_path, "02", None, ()).quality_page.unlink()
    html = write_index(tmp_path, None).read_text(encoding="utf-8")
    assert "sub-02_desc-quality" not in html
    assert '<tr id="sub-02"><td>sub-02' in html


def test_a_session_has_the_group_of_the_scan_or_else_of_the_subject(tmp_path):
    for session in ("1", "2"):
        scan = PreparedScan(tmp_path, "01", session, ("T1w", "FLAIR"))
        scan.anat.mkdir(parents=True)
        scan.record.write_text(json.dumps(a_record()))
    rows = _rows(write_index(tmp_path, {"sub-01": "RRMS", "sub-01_ses-2": "SPMS"}))
    assert rows["sub-01_ses-1"][1] == "RRMS"
    assert rows["sub-01_ses-2"][1] == "SPMS"


def test_an_outlier_is_named_in_the_plot_and_red_in_the_table(tmp_path):
    path = write_index(_cohort(tmp_path, sub07={"BrainVolume": 640.0}))
    html = path.read_text(encoding="utf-8")
    assert re.search(r"sub-07</a> 640 ml", html)
    assert '<td class="n bad">640' in html
    assert html.count("fill: var(--red)") == 1
    assert "<title>sub-07: 640 ml</title>" in html


def test_flags_are_told_with_their_scan_and_no_folder(tmp_path):
    flag = "/secret/scans/sub-03_T1w.nii.gz: <i>half</i> the head"
    html = write_index(_cohort(tmp_path, sub03={"Flags": [flag]})).read_text(encoding="utf-8")
    assert "1 flagged" in html
    assert "sub-03_T1w.nii.gz: &lt;i&gt;half&lt;/i&gt; the head" in html
    assert "secret" not in html


def test_absent_keys_are_dashes(tmp_path):
    bare = dict.fromkeys(("BrainVolume", "Flags", "Registration", "BiasRange"))
    path = write_index(_cohort(tmp_path, sub05=bare), {"sub-05": "RRMS"})
    assert _rows(path)["sub-05"] == ["sub-05", "RRMS", DASH, DASH, "30", "0.931", *[DASH] * 6]
    assert "1 whose record does not say" in path.read_text(encoding="utf-8")


def test_a_folder_without_prepared_scans_has_no_index(tmp_path):
    with pytest.raises(InputError, match="holds no prepared scans"):
        write_index(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        write_index(tmp_path / "nowhere")


def test_a_damaged_record_is_named(tmp_path):
    _cohort(tmp_path)
    PreparedScan(tmp_path, "04", None, ()).record.write_text("{")
    with pytest.raises(InputError, match=r"sub-04_space-T1w_desc-prepared_record.json: cannot be read"):
        write_index(tmp_path)
    assert not (tmp_path / "index.html").exists()


def test_the_plots_of_a_large_cohort_link_the_outliers_only(tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "MAXIMUM_LINKED", 10)
    html = write_index(_cohort(tmp_path, sub07={"BrainVolume": 640.0})).read_text(encoding="utf-8")
    assert re.findall(r"<title>(sub-.*?):", html) == ["sub-07"]
    assert "data:image/png" in html  # the others are one picture


def test_measures_come_from_the_record():
    record = a_record()
    record["Registration"]["FLAIR"]["Translation"] = 7.0
    found = {measure.label: value for measure, value in read_measures(record).items()}
    assert found["Brain volume, ml"] == 1078.4
    assert found["FLAIR moved, mm"] == 7.0
    assert found["FLAIR turned, °"] == 4.25
    assert found["FLAIR mutual information"] == 0.761
    assert found["T1w bias, %"] == pytest.approx(100 * (np.exp(0.1) - 1))
    assert found["FLAIR shared, nats"] == 0.33
    assert found["Template fit"] == 0.931


@pytest.mark.parametrize("damaged", [float("nan"), float("inf"), "12", True, [1, None], {}])
def test_what_is_no_number_is_no_measure(damaged):
    record = a_record(BrainVolume=damaged)
    record["Registration"]["FLAIR"]["Translation"] = damaged
    found = {measure.label: value for measure, value in read_measures(record).items()}
    assert found["Brain volume, ml"] is None
    assert found["FLAIR moved, mm"] is None


def test_outliers_lie_beyond_three_and_a_half_robust_deviations():
    values = np.arange(1.0, 12.0)  # median 6, median absolute deviation 3: 3.5 * 1.4826 * 3 = 15.57
    assert not outliers([*values, 6.0, 21.5]).any()
    assert np.flatnonzero(outliers([*values, 6.0, 21.6])).tolist() == [12]
    assert np.flatnonzero(outliers([*values, -9.6, np.nan, 6.0])).tolist() == [11]


def test_where_most_values_are_equal_the_mean_deviation_counts():
    values = [45.0] * 18 + [44.0, 20.0]  # mean absolute deviation 1.3: 3.5 * 1.2533 * 1.3 = 5.7
    assert np.flatnonzero(outliers(values)).tolist() == [19]
    assert not outliers([45.0] * 20).any()


def test_of_few_values_none_is_strange():
    assert not outliers([1.0] * (MINIMUM_SCANS - 2) + [100.0]).any()
