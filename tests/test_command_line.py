"""The command line: its version, tables in a terminal of 80 columns, lines with their time, options in messages."""

import io
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import stratacam
from stratacam import cli
from stratacam.errors import InputError
from stratacam.maps import find_maps
from stratacam.networks import ModelCard, build, save_model
from stratacam.scans.cohort.sources import find_cohort_scans, read_cohort_groups
from stratacam.scans.prepared import find_prepared
from stratacam.scans.volume import write_nifti
from stratacam.study.configuration import read_configuration
from stratacam.study.progress import step_progress

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def cohort(tmp_path):
    """Six subjects of noise in two sessions, in a group each of two."""
    folder = tmp_path / "cohort"
    for subject in range(1, 7):
        for session in (1, 2):
            name = f"sub-{subject}_ses-{session}"
            for place, sequence in enumerate(("T1w", "T2w", "FLAIR")):
                values = np.random.default_rng([subject, session, place]).normal(500, 50, (8, 9, 10))
                path = folder / f"sub-{subject}/ses-{session}/anat/{name}_{sequence}.nii.gz"
                write_nifti(path, values.astype(np.float32), np.diag([0.9766, 0.9766, 1.2, 1]))
    rows = "".join(f"sub-{subject}\t{'control' if subject < 4 else 'RRMS'}\n" for subject in range(1, 7))
    (folder / "participants.tsv").write_text("participant_id\tgroup\n" + rows)
    return folder


@pytest.fixture
def model(tmp_path):
    settings = {"sequences": ["T1w", "T2w", "FLAIR"], "size": 32, "shape": [32, 32], "width_mm": 200.0}
    card = ModelCard(architecture="small_cnn", classes=("control", "MS"), input=settings, training={})
    save_model(tmp_path / "model", build("small_cnn", 2), card)
    return tmp_path / "model"


def test_the_version_is_told(run):
    assert run("--version") == (0, f"stratacam {version('stratacam')}\n")


def test_completion_is_of_the_command_also_where_the_module_installs_it(tmp_path):
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = (
        "1"  # whichever shell the tests are run from
    )
    done = subprocess.run(
        [sys.executable, "-m", "stratacam", "--install-completion", "bash"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / ".bash_completions").iterdir()
    assert file.name == "stratacam.sh"
    assert re.search(r"^complete .* stratacam$", file.read_text(), re.MULTILINE)
    assert "python" not in file.read_text()


def test_tables_fit_a_terminal_of_80_columns_and_tell_all_but_the_file(run, cohort, model):
    for arguments, row in (
        (
            ("check", cohort, "--workers", 1),
            ("sub-1_ses-1", "control", "FLAIR", "8x9x10", "0.977x0.977x1.2", "RAS"),
        ),
        (("layers", model), ("block1_conv1", "convolution", "32 x 32", "3 x 3", "448")),
    ):
        code, said = run(*arguments)
        assert code == 0
        sentence = re.compile(
            r"20|Sound|Subjects|Groups|Without|.*(subjects are held out|flagged|were looked at)"
        )
        table = [line for line in said.splitlines() if not sentence.match(line)]
        assert max(map(len, table)) <= 80
        words = " ".join(said.split())
        assert all(cell in words for cell in row), said


def test_lines_about_the_work_have_their_time_where_there_is_no_terminal(run, cohort):
    _, said = run("check", cohort, "--workers", 1)
    assert re.search(rf"^{TIME}  check: 12 of 12 in [\d.]+ s", said, re.MULTILINE)
    lines = io.StringIO()
    with step_progress(Console(file=lines), "prepare") as advance:
        advance(4, 4, "sub-04")
    assert re.fullmatch(rf"{TIME}  prepare: 4 of 4 in 0.\d s; sub-04\n", lines.getvalue())


@pytest.mark.parametrize(
    ("option", "value"),
    [("--target", "SPMS"), ("--sequence", "PD"), ("--layer", "block9"), ("--method", "cam")],
)
def test_a_wrong_option_of_explain_is_named_as_the_option_that_it_is(run, model, tmp_path, option, value):
    (tmp_path / "prepared").mkdir()
    code, said = run("explain", model, tmp_path / "prepared", tmp_path / "maps", option, value)
    assert code == cli.UNUSABLE
    assert said.startswith(f"{option}: ")
    assert value in said
    assert "explain." not in said


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("prepare", "scans", "out", "--grid", "50"), "--grid"),
        (("phantom", "out", "--voxel", "9"), "--voxel"),
        (("phantom", "out", "--thick", "0"), "--thick"),
        (("phantom", "out", "--controls", "0", "--rrms", "0", "--spms", "0"), "--controls"),
    ],
)
def test_a_number_out_of_range_is_said_of_its_option_and_nothing_is_written(
    run, tmp_path, monkeypatch, arguments, option
):
    monkeypatch.chdir(tmp_path)
    code, said = run(*arguments)
    assert code == cli.UNUSABLE
    assert option in said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_table_is_not_called_a_missing_folder(run, tmp_path):
    (tmp_path / "study.toml").write_text('out = "out"\n')
    code, said = run("check", tmp_path / "study.toml")
    assert code == cli.UNUSABLE
    assert "study.toml: is a file; expected a BIDS folder, or a table" in said


def test_the_folder_of_a_study_in_place_of_a_model_leads_to_its_models(run, model):
    _, said = run("layers", model.parent)
    assert f"such as {model}." in said


def test_a_path_may_be_given_as_text_wherever_one_is_taken(cohort, model, tmp_path):
    assert stratacam.load_model(str(model))[1].classes == ("control", "MS")
    save_model(str(tmp_path / "again"), build("small_cnn", 2), stratacam.load_model(model)[1])
    scans, _ = find_cohort_scans(str(cohort))
    assert read_cohort_groups(str(cohort), scans)["sub-4_ses-1"] == "RRMS"
    for find in (find_prepared, find_maps):
        with pytest.raises(InputError, match=f"{cohort}: holds no"):
            find(str(cohort))
    (tmp_path / "study.toml").write_text('out = "out"\n[cohort]\ninput = "cohort"\n')
    assert read_configuration(str(tmp_path / "study.toml")).cohort.input == cohort


def test_a_report_of_a_check_goes_to_a_folder_that_exists(run, cohort, tmp_path):
    code, said = run("check", cohort, "--json", tmp_path / "new" / "report.json")
    assert code == cli.UNUSABLE
    assert f"--json: {tmp_path / 'new'} is no folder" in " ".join(said.split())
    assert not (tmp_path / "new").exists()


def test_a_check_says_which_settings_are_without_effect(run, cohort, tmp_path):
    text = f'out = "out"\n[cohort]\ninput = "{cohort.name}"\n[explain]\nmodels = "all"\n'
    (tmp_path / "study.toml").write_text(text)
    _, said = run("check", "--config", tmp_path / "study.toml", "--workers", 1)
    assert 'explain.models: found "all" with repeats = 1' in said


def test_a_path_is_said_whole_whatever_its_letters(run, tmp_path):
    out = tmp_path / "a long name with [brackets] that a terminal of 80 columns has no room for in a line"
    code, said = run("phantom", out, "--controls", 1, "--rrms", 0, "--spms", 0, "--voxel", 5, "--workers", 1)
    assert code == 0
    assert f"Done: {out}\n" in said


def test_a_switch_has_no_type_in_the_help(run):
    _, said = run("prepare", "--help")
    assert "--accept-left-out " in said
    assert "<bool>" not in said
    assert "list[str]" not in said


@pytest.mark.parametrize(("words", "expected"), [("ex", {"explain", "export"}), ("run --fo", {"--force"})])
def test_the_shell_completes_commands_and_options(words, expected):
    asked = {"_STRATACAM_COMPLETE": "complete_bash", "COMP_WORDS": f"stratacam {words}"}
    command = [Path(sys.executable).with_name("stratacam")]
    given = os.environ | asked | {"COMP_CWORD": str(len(words.split()))}
    found = subprocess.run(command, env=given, capture_output=True, text=True, check=True)  # noqa: S603
    assert set(found.stdout.split()) == expected
