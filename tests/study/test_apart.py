"""Inputs are never written to, and a place that cannot be written is told in one sentence, by every command."""

import errno
import sys
from pathlib import Path

import numpy as np
import pytest

from stratacam import cli
from stratacam.errors import InputError
from stratacam.files import check_apart, whole_file
from stratacam.scans.cohort.sources import check_out
from stratacam.scans.volume import write_nifti


def run(monkeypatch, capsys, *arguments):
    """Run the command line in this process; return its exit code and what it says of the fault."""
    monkeypatch.setattr(sys, "argv", ["stratacam", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code, capsys.readouterr().err


def content(folder):
    """Every file below a folder, with its bytes."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def raw(tmp_path):
    """A BIDS folder with one scan and a file that BIDS tools read."""
    folder = tmp_path / "raw"
    noise = np.random.default_rng(0).normal(500, 50, (8, 9, 10)).astype(np.float32)
    write_nifti(folder / "sub-01/anat/sub-01_T1w.nii.gz", noise, np.eye(4))
    (folder / ".bidsignore").write_text("*.log\n")
    return folder


def places(raw):
    """The input itself, in it and around it, as a user may spell them."""
    (raw.parent / "link").symlink_to(raw)
    return [
        raw,
        raw / "prepared",
        raw / "derivatives" / "prepared",
        raw.parent,
        raw / "sub-01" / "..",
        raw.parent / "absent" / ".." / "raw",
        raw.parent / "link",
        raw.parent / "link" / "new" / "prepared",
    ]


COMMANDS = {
    "prepare": lambda raw, out: ["prepare", raw, out],
    "import-dicom": lambda raw, out: ["import-dicom", raw, out],
    "explain prepared": lambda raw, out: ["explain", raw.parent / "model", raw, out],
    "explain model": lambda raw, out: ["explain", raw, raw.parent / "prepared", out],
    "predict": lambda raw, out: ["predict", raw.parent / "model", raw, out],
    "predict model": lambda raw, out: ["predict", raw, raw.parent / "scans", out],
    "benchmark-truth": lambda raw, out: ["benchmark-truth", raw, out],
    "benchmark-truth lesions": lambda raw, out: [
        "benchmark-truth", raw.parent / "prepared", out, "--lesions", raw
    ],
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_results_in_over_or_around_an_input_are_refused_before_anything_is_written(
    command, raw, monkeypatch, capsys
):
    out_places = places(raw)
    for name in ("model", "prepared", "scans"):
        (raw.parent / name).mkdir()
    before = content(raw.parent)
    for out in out_places:
        code, said = run(monkeypatch, capsys, *COMMANDS[command](raw, out))
        assert code == 2
        assert f"{out}: " in said
        assert "the input" in said
        assert content(raw.parent) == before


@pytest.mark.parametrize("command", ["run", "evidence", "leakage"])
def test_a_study_in_over_or_around_its_cohort_is_refused_before_anything_is_written(
    command, raw, monkeypatch, capsys
):
    out_places = places(raw)
    study = raw.parent / "study.toml"
    for out in out_places:
        study.write_text(f'out = "{out}"\n[cohort]\ninput = "{raw}"\n[network]\nweights = "none"\n')
        before = content(raw.parent)
        code, said = run(monkeypatch, capsys, command, study)
        assert code == 2
        assert "inputs are never written to" in said
        assert content(raw.parent) == before


def test_a_report_of_a_check_in_the_input_or_over_its_table_is_refused(raw, monkeypatch, capsys):
    table = raw.parent / "scans.csv"
    table.write_text("subject,sequence,path\n01,T1w,raw/sub-01/anat/sub-01_T1w.nii.gz\n")
    before = content(raw.parent)
    for source, report in ((raw, raw / "report.json"), (table, table), (table, raw / "report.json")):
        code, said = run(monkeypatch, capsys, "check", source, "--json", report)
        assert code == 2
        assert "inputs are never written to" in said
    assert content(raw.parent) == before


def test_folders_of_subjects_may_be_links_and_what_they_lead_to_is_input_too(raw, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "sub-01").symlink_to(raw / "sub-01")
    for out in (raw / "sub-01" / "results", raw, linked / "results"):
        with pytest.raises(InputError, match="inputs are never written to"):
            check_out(out, linked)
    check_out(tmp_path / "results", linked)


def test_results_may_lie_beside_a_table_but_not_in_or_around_the_folders_that_it_names(raw, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    table = home / "scans.csv"
    table.write_text(
        f"subject,sequence,path\n01,T1w,{raw}/sub-01/anat/sub-01_T1w.nii.gz\n02,T1w,a.nii\n03,T1w,c/b.nii\n"
    )
    for name in ("a.nii", "c/b.nii"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).touch()
    check_out(home / "prepared", table)
    for out in (home, raw, raw / "new", home / "c", home / "c" / "new", tmp_path):
        with pytest.raises(InputError, match="inputs are never written to"):
            check_out(out, table)


def test_places_beside_an_input_are_apart_though_their_names_begin_alike(tmp_path):
    (tmp_path / "raw").mkdir()
    check_apart([tmp_path / "raw"], tmp_path / "raw2")
    check_apart([tmp_path / "raw"], tmp_path / "raw" / ".." / "prepared")
    check_apart([tmp_path / "absent"], tmp_path)


def test_a_data_set_of_somebody_else_is_not_written_into(raw, tmp_path, monkeypatch, capsys):
    other = tmp_path / "other"
    (other / "sub-09").mkdir(parents=True)
    before = content(tmp_path)
    code, said = run(monkeypatch, capsys, "prepare", raw, other)
    assert code == 2
    assert "a BIDS data set that stratacam did not make" in said
    (other / "dataset_description.json").write_text('{"Name": "mine"}')
    (tmp_path / "dicom").mkdir()
    code, said = run(monkeypatch, capsys, "import-dicom", tmp_path / "dicom", other)
    assert code == 2
    assert "a BIDS data set that stratacam did not make" in said
    (tmp_path / "dicom").rmdir()
    (other / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "stratacam"}]}')
    check_out(other, raw)
    assert set(content(tmp_path)) == {*before, other / "dataset_description.json"}


def test_a_demonstration_does_not_replace_the_configuration_of_a_study(tmp_path, monkeypatch, capsys):
    (tmp_path / "study.toml").write_text('out = "mine"\n')
    code, said = run(monkeypatch, capsys, "demo", tmp_path)
    assert code == 2
    assert "study.toml: is not of a demonstration" in said
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


UNWRITABLE = {
    "run": lambda home, _: ["run", home / "study.toml"],
    "evidence": lambda home, _: ["evidence", home / "study.toml"],
    "demo": lambda _, out: ["demo", out],
    "phantom": lambda _, out: ["phantom", out, "--controls", "1"],
    "import-dicom": lambda home, out: ["import-dicom", home / "raw", out],
    "check": lambda home, out: ["check", home / "raw", "--json", out / "report.json"],
    "prepare": lambda home, out: ["prepare", home / "raw", out],
    "explain": lambda home, out: ["explain", home / "model", home / "raw", out],
    "predict": lambda home, out: ["predict", home / "model", home / "raw", out],
    "benchmark-truth": lambda home, out: ["benchmark-truth", home / "raw", out],
}


@pytest.mark.parametrize("command", UNWRITABLE)
def test_a_folder_that_cannot_be_written_is_one_sentence(command, raw, monkeypatch, capsys):
    home = raw.parent
    (home / "file").touch()
    (home / "model").mkdir()
    outs = {home / "file" / "results": "is a file, not a folder", home / ("n" * 300): "File name too long"}
    if Path("/proc").is_dir():
        outs[Path("/proc/results")] = "No such file or directory"
    for out, reason in outs.items():
        (home / "study.toml").write_text(
            f'out = "{out}"\n[cohort]\ninput = "raw"\n[network]\nweights = "none"\n'
        )
        code, said = run(monkeypatch, capsys, *UNWRITABLE[command](home, out))
        assert code == 2
        assert said.count("\n") == 1
        assert "cannot be written (" in said
        assert reason in said


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_what_the_system_says_of_a_folder_is_told(number, tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(number, "the reason", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        InputError, match=r"results: cannot be written \(the reason\); make room, give yourself"
    ):
        check_out(tmp_path / "results")


def test_a_file_over_a_folder_and_a_folder_over_a_file_are_one_sentence(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder", tmp_path / "file" / "below.txt"):
        with pytest.raises(InputError, match="cannot be written"), whole_file(path) as temporary:
            temporary.write_text("text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_relative_paths_links_and_circles_of_links_are_told_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("link").symlink_to("file")
    Path("circle").symlink_to("circle")
    for out in ("file", "file/below", "link/below", "circle", "circle/below"):
        with pytest.raises(InputError, match=f"^{out}: cannot be written"):
            check_out(Path(out))
        with pytest.raises(InputError, match="cannot be written"), whole_file(Path(out, "table.tsv")) as new:
            new.touch()
    check_out(Path("new/../other"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circle", "file", "link"]


def test_an_input_that_cannot_be_read_is_not_called_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "out" / "copy.txt"):
        (tmp_path / "absent" / "input.txt").read_text()
