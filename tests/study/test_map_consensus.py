"""Which networks make the consensus of a scan, and how its reliability is summed up."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stratacam.learning import Split
from stratacam.scans.prepared import PreparedScan
from stratacam.study.map_reliability import write_reliability
from stratacam.study.planning import Planned
from stratacam.study.runs import Run
from stratacam.study.steps.explain import runs_for

SUBJECTS = tuple(f"sub-{number}" for number in range(6))


def planned(network="vgg16", seeds=(0, 1), folds=2):
    """Every subject is held out by one fold of each seed."""
    plans = []
    for seed in seeds:
        for fold in range(1, folds + 1):
            test = tuple(one for number, one in enumerate(SUBJECTS) if (number + seed) % folds == fold - 1)
            train = tuple(one for one in SUBJECTS if one not in test)
            plans.append(Planned(Run(network, seed, fold), None, None, Split(train, (), test), None))
    return plans


def scan(subject):
    return PreparedScan(Path("prepared"), subject, None, ("T1w",))


def test_the_consensus_is_of_the_fold_of_each_seed_that_held_the_subject_out():
    plans = [*planned(), *planned("resnet18")]
    for number in range(6):
        runs = runs_for(scan(str(number)), plans, "vgg16")
        assert [run.network for run in runs] == ["vgg16", "vgg16"]
        assert [run.seed for run in runs] == [0, 1]
        assert all(f"sub-{number}" in plan.split.test for run in runs for plan in plans if plan.run == run)


def test_a_subject_whom_no_network_saw_has_the_consensus_of_all_folds_and_seeds():
    assert len(runs_for(scan("new"), planned(), "vgg16")) == 4


def test_a_subject_whom_no_network_held_out_has_the_first_of_each_seed():
    plans = [
        Planned(Run("vgg16", seed, fold), None, None, Split(SUBJECTS[:5], (), SUBJECTS[5:]), None)
        for seed in (0, 1)
        for fold in (1, 2)
    ]
    assert runs_for(scan("0"), plans, "vgg16") == (Run("vgg16", 0, 1), Run("vgg16", 1, 1))


@dataclass(frozen=True)
class Stored:
    """What is read of stored maps."""

    name: str
    reliabilities: dict
    members: tuple = ({}, {}, {})
    method: str = "layercam"
    layers: tuple = field(default=("fine", "deep"))

    def reliability(self, layer):
        return self.reliabilities[layer]


def test_reliability_is_the_mean_over_subjects_with_an_interval_and_the_networks_needed(tmp_path):
    file = tmp_path / "reliability.tsv"
    stored = [
        Stored("sub-1_ses-1", {"fine": 0.7, "deep": 0.9}),
        Stored("sub-1_ses-2", {"fine": 0.9, "deep": 0.9}),
        Stored("sub-2", {"fine": 0.7, "deep": None}),
    ]
    write_reliability(file, stored)
    header, fine, deep = (line.split("\t") for line in file.read_text().splitlines())
    row = dict(zip(header, fine, strict=True))
    assert row["layer"] == "fine"
    assert (row["networks"], row["subjects"], float(row["reliability"])) == ("3", "2", pytest.approx(0.75))
    assert float(row["low"]) < 0.75 < float(row["high"])
    assert row["networks_for_0.9"] == "9"  # one network has 0.5, nine have 0.9
    assert dict(zip(header, deep, strict=True))["networks_for_0.9"] == "3"
    write_reliability(file, [])
    assert not file.exists()


def test_reliabilities_of_different_numbers_of_networks_are_brought_to_one(tmp_path):
    file = tmp_path / "reliability.tsv"
    stored = [
        Stored("sub-1", {"fine": 0.75, "deep": 0.5}),
        Stored("sub-2", {"fine": 6 / 7, "deep": 0.5}, members=({},) * 6),  # one network has 0.5 in both
    ]
    write_reliability(file, stored)
    header, fine, _ = (line.split("\t") for line in file.read_text().splitlines())
    row = dict(zip(header, fine, strict=True))
    assert float(row["reliability"]) == pytest.approx(0.75, abs=1e-4)
