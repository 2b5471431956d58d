"""Baselines of a study whose measures are harmonised by site: the settings, and what is written."""

from pathlib import Path

import numpy as np
import pytest

from stratacam.errors import InputError
from stratacam.files import read_json, write_json
from stratacam.learning import ScanPictures, Split
from stratacam.learning.baselines.simple import Harmonise
from stratacam.scans.cohort.bids import Scan
from stratacam.study.cohort import read_harmonise
from stratacam.study.configuration import check_configuration
from stratacam.study.steps.baselines import Baselines

NAMES = tuple(f"sub-{number:02}" for number in range(24))
GROUPS = ("control", "MS")
COLUMNS = ("T1w_p50", "T1w_p95", "brain_ml", "ventricle_ml")


def configured(folder, **confounds):
    content = {"out": str(folder / "out"), "cohort": {"input": str(folder)}, "confounds": confounds}
    return check_configuration(content, "study.toml")


def test_column_of_sites_must_be_there_spelled_in_one_way_and_of_two_sites(tmp_path):
    scans = [Scan(name.removeprefix("sub-"), None, {}) for name in NAMES[:4]]

    def cohort(*sites):
        rows = [f"{scan.name}\t{site}" for scan, site in zip(scans, sites, strict=True)]
        (tmp_path / "participants.tsv").write_text("\n".join(["participant_id\tsite", *rows]) + "\n")

    cohort("A", "B", "n/a", "A")
    assert read_harmonise(configured(tmp_path), scans) is None
    found = read_harmonise(configured(tmp_path, harmonise="site", keep_groups=True), scans)
    assert found == Harmonise("site", {"sub-00": "A", "sub-01": "B", "sub-03": "A"}, keep_groups=True)
    with pytest.raises(InputError, match="has no column 'scanner'"):
        read_harmonise(configured(tmp_path, harmonise="scanner"), scans)
    cohort("A", "a", "B", "B")
    with pytest.raises(InputError, match=r"confounds\.harmonise: column site"):
        read_harmonise(configured(tmp_path, harmonise="site"), scans)
    cohort("A", "A", "A", "A")
    with pytest.raises(InputError, match="holds A for 4 scans; expected two sites at least"):
        read_harmonise(configured(tmp_path, harmonise="site"), scans)


def test_settings_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(InputError, match="keep_groups is about harmonise"):
        configured(tmp_path, keep_groups=True)
    content = {
        "out": "out",
        "cohort": {"input": "scans"},
        "confounds": {"harmonise": "site"},
        "split": {"group_by": "site"},
    }
    with pytest.raises(InputError, match="of which nothing can be learned; leave one of the two out"):
        check_configuration(content, "study.toml")


def test_baselines_say_what_was_harmonised_and_which_scans_could_not_be(tmp_path):
    random = np.random.default_rng(0)
    site = {name: "AB"[number // 2 % 2] for number, name in enumerate(NAMES)}
    site[NAMES[-1]] = "C"
    measures = {}
    for name in NAMES:
        measures[name] = tmp_path / f"{name}.json"
        write_json(measures[name], {column: random.normal() + 3 * (site[name] == "B") for column in COLUMNS})
    labels = {name: GROUPS[number % 2] for number, name in enumerate(NAMES)}
    task = Baselines(
        pictures=tuple(ScanPictures(Path(), name, name, labels[name]) for name in NAMES),
        classes=GROUPS,
        labels=labels,
        splits=(Split(train=NAMES[:14], validation=NAMES[14:18], test=NAMES[18:]),),
        people={},
        measures=measures,
        features=None,
        seed=0,
        out=tmp_path / "evaluation",
        harmonise=Harmonise("site", site),
    )
    task.do()
    said = read_json(tmp_path / "evaluation/baselines.json")
    assert said["titles"]["volume"].endswith("brain and ventricle-like volume, harmonised by site (ComBat)")
    assert said["not_harmonised"] == {NAMES[-1]: "0 scans of site C to learn from"}
