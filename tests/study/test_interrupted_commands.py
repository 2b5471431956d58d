"""Every long command, broken off in the middle of every step, goes on where it was and ends as if nothing had been."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from stopping import PRINT, command, stopped

from stratacam.scans.prepared import find_prepared

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

STUDY = """\
out = "study"
[cohort]
input = "cohort"
groups = ["control", "RRMS"]
sequences = ["T1w", "FLAIR"]
[prepare]
template = false
[pictures]
size = 32
every = 4
[network]
architecture = "small_cnn"
[split]
folds = 3
[training]
epochs = 2
[explain]
every = 4
subjects = "all"
[run]
workers = 2
[evidence]
methods = ["gradcam"]
layers = ["block4_conv2"]
every = 4
slices = 1
sanity_slices = 1
sanity_draws = 1
cascade = false
controls = 1
strangers = 1
donors = 1
filled = ["structures"]
surrogates = 1
untrained = 1
permutations = 0
"""
PHANTOM = ("--controls", 3, "--rrms", 3, "--spms", 0, "--voxel", 4, "--workers", 2)


def break_off(*arguments, called=PRINT, word, number=signal.SIGINT, folder):
    """Break a command off at `word`; return what it complained of."""
    process = stopped(*arguments, called=called, word=word)
    os.killpg(process.pid, number)
    os.killpg(process.pid, signal.SIGCONT)
    said, complained = process.communicate()  # which ends when all its processes have ended
    assert process.returncode == 128 + number, complained
    assert "left out" not in said
    assert not list(folder.rglob("*unfinished*"))
    assert complained.splitlines()[-1].endswith("run the same command again to go on."), complained
    assert "Traceback" not in complained
    return complained


def go_on(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout


def times(folder, pattern):
    return {path: path.stat().st_mtime_ns for path in folder.glob(pattern)}


@pytest.fixture(scope="module")
def folder(copy_cohort, tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    copy_cohort(folder / "cohort", control=3, RRMS=3)
    (folder / "study.toml").write_text(STUDY)
    return folder


@pytest.mark.long
def test_phantom(tmp_path):
    making = "phantom", tmp_path / "cohort", *PHANTOM
    assert "Stopped at phantom, 2 of 6 done." in break_off(*making, word="phantom: 2", folder=tmp_path)
    before = times(tmp_path, "cohort/derivatives/truth/*/*_phantom.json")
    go_on(*making)
    after = times(tmp_path, "cohort/derivatives/truth/*/*_phantom.json")
    assert 2 <= len(before) < len(after) == 6
    assert after.items() >= before.items()


@pytest.mark.long
def test_a_study_in_every_step(folder):
    study = folder / "study"
    running = "run", folder / "study.toml"
    for word, number, where in (
        ("prepare: 3", signal.SIGINT, "prepare, 3 of 6 done"),
        ("train: 2", signal.SIGTERM, "train, 2 of 3 done"),
        ("explain: 3", signal.SIGINT, "explain, 3 of 6 done"),
    ):
        assert f"Stopped at {where}" in break_off(*running, word=word, number=number, folder=study)
    prepared = times(study, "prepared/**/*.nii.gz")
    assert "prepare: unchanged" in go_on(*running)
    assert times(study, "prepared/**/*.nii.gz") == prepared
    measuring = "evidence", folder / "study.toml"
    complained = break_off(*measuring, word="evidence small_cnn_seed-0: 3", folder=study)
    assert "Stopped at evidence small_cnn_seed-0, 3 of 6 done." in complained
    before = times(study, "evidence/**/*_values.tsv")
    assert len(before) < 6
    go_on(*measuring)
    after = times(study, "evidence/**/*_values.tsv")
    assert len(after) == 6
    assert len(after.items() & before.items()) >= 3  # what had ended, but was not yet recorded, is done again


def test_prepare(folder, tmp_path):
    preparing = "prepare", folder / "cohort", tmp_path, "--workers", 2
    complained = break_off(*preparing, word="prepare: 3", number=signal.SIGTERM, folder=tmp_path)
    assert "Stopped at prepare, 3 of 6 done." in complained
    before = times(tmp_path, "**/*_record.json")
    assert 3 <= len(before) < 6
    assert len(find_prepared(tmp_path)) == len(before)


@pytest.mark.long
def test_benchmark_with_truth(folder, tmp_path):
    shutil.copytree(folder / "study/prepared", tmp_path / "prepared")
    judging = (
        "benchmark-truth", tmp_path / "prepared", tmp_path / "out", "--architecture", "small_cnn",
        "--method", "gradcam", "--size", 64, "--every", 3, "--copies", 1, "--epochs", 3, "--area", 16, "--targets", 1,
        "--folds", 2, "--networks", 2,
    )  # fmt: skip
    for word, where in (("plant: 3", "plant, 3 of 6 done"), ("train: 2 of 4", "train, 2 of 4 done")):
        assert f"Stopped at {where}" in break_off(*judging, word=word, folder=tmp_path)
    said = go_on(*judging)
    assert "plant: unchanged (6)" in said
    assert "train: 4 of 4 in " in said
    assert (tmp_path / "out/benchmark.json").is_file()
