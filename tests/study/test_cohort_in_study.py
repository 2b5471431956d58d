"""What a study makes of its cohort: groups that change between sessions, a choice of files, a full disk."""

import errno
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from rich.console import Console

from stratacam import cli
from stratacam.errors import InputError
from stratacam.files import temporary_name
from stratacam.learning import ScanPictures
from stratacam.scans.prepare import PrepareSettings
from stratacam.scans.volume import write_nifti
from stratacam.study import prepared_cohort
from stratacam.study.cohort import make_cohort
from stratacam.study.configuration import check_configuration
from stratacam.study.execution import RunSettings, Workers
from stratacam.study.prepared_cohort import prepare_cohort
from stratacam.study.steps.prepare import find_scans, prepare_scans
from stratacam.study.study import open_study
from stratacam.study.work import Work


def configuration(folder, **cohort):
    content = {"out": str(folder / "out"), "cohort": {"input": str(folder / "cohort"), **cohort}}
    return check_configuration(content, "study.toml")


def quiet():
    return Console(file=io.StringIO())


def pictures(groups):
    """Pictures of scans such as "sub-1_ses-1", given with their groups."""
    return [
        ScanPictures(Path(f"{name}.npy"), name.split("_")[0], name, group) for name, group in groups.items()
    ]


def test_a_group_counts_the_subjects_whose_first_scan_is_in_it(tmp_path):
    first = {f"sub-{number}_ses-1": "RRMS" if number < 4 else "control" for number in range(1, 7)}
    later = {"sub-1_ses-2": "PPMS", "sub-2_ses-2": "control"}
    with open_study(configuration(tmp_path), quiet()) as study:
        cohort = make_cohort(study, pictures(first | later), {})
    assert {scan.scan: scan.group for scan in cohort.pictures} == first | {"sub-2_ses-2": "control"}
    assert cohort.classes == ("RRMS", "control")
    (absence,) = study.work.absences
    assert absence.name == "sub-1_ses-2"
    assert "group PPMS has 0 usable subject(s)" in absence.reason


def test_a_study_finds_the_files_it_chooses_and_the_group_of_every_session(tmp_path):
    for name in ("ses-1/anat/sub-01_ses-1", "ses-2/anat/sub-01_ses-2"):
        for ending in ("T1w", "acq-fast_T1w", "T2w", "FLAIR"):
            path = tmp_path / "cohort" / "sub-01" / f"{name}_{ending}.nii"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    (tmp_path / "cohort/participants.tsv").write_text("participant_id\tgroup\nsub-01\tRRMS\n")
    (tmp_path / "cohort/sub-01/sub-01_sessions.tsv").write_text("session_id\tgroup\nses-2\tSPMS\n")
    settings = configuration(tmp_path, choose={"T1w": {"acq": "fast"}}).cohort
    scans, groups = find_scans(Work(tmp_path / "records", quiet(), Workers(RunSettings(workers=1))), settings)
    assert groups == {"sub-01_ses-1": "RRMS", "sub-01_ses-2": "SPMS"}
    assert [scan.images["T1w"].name for scan in scans] == [
        "sub-01_ses-1_acq-fast_T1w.nii",
        "sub-01_ses-2_acq-fast_T1w.nii",
    ]


def test_a_choice_for_a_sequence_that_is_not_used_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cohort\.choose: T1W is not among the sequences T1w, T2w, FLAIR"):
        configuration(tmp_path, choose={"T1W": {"acq": "fast"}})


@dataclass(frozen=True)
class Ones:
    file: Path

    @property
    def outputs(self):
        return (self.file,)

    def do(self):
        write_nifti(self.file, np.ones((20, 20, 20), np.float32), np.eye(4))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_leaves_one_scan_out_in_a_sentence_and_the_others_go_on(tmp_path):
    files = {name: tmp_path / f"{name}.nii" for name in ("sub-01", "sub-02", "sub-03")}
    temporary_name(files["sub-02"]).symlink_to("/dev/full")
    work = Work(tmp_path / "records", quiet(), Workers(RunSettings(workers=1)))
    assert work.each("prepare", {name: Ones(file) for name, file in files.items()}) == {"sub-01", "sub-03"}
    (absence,) = work.absences
    assert absence.reason.startswith(
        f"{files['sub-02']}: cannot be written (No space left on device); make room"
    )
    assert not files["sub-02"].exists()


def test_shared_scans_that_cannot_be_locked_are_told_in_a_sentence(tmp_path, monkeypatch):
    def refuse(lock, **_):
        raise PermissionError(errno.EACCES, "Permission denied", lock.lock_file)

    monkeypatch.setattr(FileLock, "acquire", refuse)
    work = Work(tmp_path / "records", quiet(), Workers(RunSettings(workers=1)))
    with pytest.raises(InputError, match=r"lock: cannot be written \(Permission denied\)"):
        prepare_scans(work, [], tmp_path / "prepared", PrepareSettings())


STUDY = """\
out = "study"
[cohort]
input = "cohort"
[network]
architecture = "small_cnn"
"""


def small_cohort(folder, groups):
    """Subjects of small random images, given with their groups."""
    for number in range(1, len(groups) + 1):
        for place, sequence in enumerate(("T1w", "T2w", "FLAIR")):
            values = np.random.default_rng([number, place]).normal(500, 50, (8, 9, 10)).astype(np.float32)
            write_nifti(folder / f"sub-{number}/anat/sub-{number}_{sequence}.nii.gz", values, np.eye(4))
    rows = "".join(f"sub-{number}\t{group}\n" for number, group in enumerate(groups, start=1))
    (folder / "participants.tsv").write_text("participant_id\tgroup\n" + rows)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (
            '[network]\narchitecture = "vgg16"\nweights = "gone.safetensors"\n[run]\nworkers = 1\n',
            "gone.safetensors is not a file",
        ),
        (
            '[network]\narchitecture = "small_cnn"\n[run]\nworkers = 1\ndevice = "cuda:99"\n',
            "run.device: found 'cuda:99', which cannot be used here",
        ),
    ],
)
def test_weights_and_device_that_are_not_there_are_told_before_anything_is_prepared(
    tmp_path, run, setting, reason
):
    small_cohort(tmp_path / "cohort", ["RRMS"] * 3 + ["control"] * 3)
    (tmp_path / "study.toml").write_text('out = "study"\n[cohort]\ninput = "cohort"\n' + setting)
    code, said = run("run", tmp_path / "study.toml")
    assert code == cli.UNUSABLE
    assert reason in said
    assert not (tmp_path / "study/prepared").exists()


@pytest.fixture
def run(monkeypatch, capsys):
    """The command line in this process: gives its exit code and all that it said."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["stratacam", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code or 0, "".join(capsys.readouterr())

    return command


def damage_one(folder):
    cut = folder / "cohort/sub-6/anat/sub-6_FLAIR.nii.gz"
    cut.write_bytes(cut.read_bytes()[:600])


def ask(folder, text):
    study = folder / "study.toml"
    study.write_text(study.read_text() + text)


@pytest.mark.parametrize(
    ("groups", "change", "reason"),
    [
        (["RRMS"] * 6 + ["control"] * 2, None, "found usable subjects of RRMS (6), control (2)"),
        (["RRMS"] * 6, None, "found usable subjects of RRMS (6)"),
        (["RRMS"] * 3 + ["control"] * 3, damage_one, "found usable subjects of RRMS (3), control (2)"),
        (
            ["RRMS"] * 3 + ["control"] * 3,
            lambda folder: ask(folder, "[split]\nfolds = 7\n"),
            "split.folds: found 7",
        ),
        (
            ["RRMS"] * 3 + ["control"] * 3,
            lambda folder: ask(folder, '[explain]\ntarget = "SPMS"\n'),
            "explain.target: 'SPMS' is no class",
        ),
        (
            ["RRMS"] * 3 + ["control"] * 3,
            lambda folder: ask(folder, '[explain]\nsubjects = ["sub-9"]\n'),
            "explain.subjects: sub-9 is not among",
        ),
    ],
    ids=["a group of two", "one group", "two after damage", "folds", "class", "subject"],
)
def test_what_check_calls_unsound_run_refuses_before_anything_is_prepared(
    groups, change, reason, tmp_path, run
):
    small_cohort(tmp_path / "cohort", groups)
    (tmp_path / "study.toml").write_text(STUDY + "[run]\nworkers = 1\n")
    if change:
        change(tmp_path)
    options = ["--config", tmp_path / "study.toml"] if change not in {None, damage_one} else []
    code, said = run("check", tmp_path / "cohort", "--workers", 1, *options)
    assert code == cli.UNUSABLE
    assert reason in said
    assert "Sound" not in said
    code, said = run("run", tmp_path / "study.toml")
    assert code == cli.UNUSABLE
    assert reason in said
    assert not (tmp_path / "study/prepared").exists()


def test_a_third_group_of_two_is_left_out_by_check_and_by_run_alike(tmp_path, monkeypatch, run):
    small_cohort(tmp_path / "cohort", ["RRMS"] * 3 + ["control"] * 3 + ["PPMS"] * 2)
    code, said = run("check", tmp_path / "cohort", "--workers", 1)
    assert code == cli.LEFT_OUT
    prepared = []

    def prepare(_, scans, *__, **___):
        prepared.extend(scan.name for scan in scans)
        raise InputError("far enough")

    monkeypatch.setattr(prepared_cohort, "prepare_scans", prepare)
    configured = configuration(tmp_path)
    configured = configured.model_copy(update={"run": configured.run.model_copy(update={"workers": 1})})
    with open_study(configured, quiet()) as study, pytest.raises(InputError, match="far enough"):
        prepare_cohort(study)
    assert prepared == [f"sub-{number}" for number in range(1, 7)]
    reasons = {absence.name: absence.reason for absence in study.work.absences if absence.step == "split"}
    assert set(reasons) == {"sub-7", "sub-8"}
    assert all(f"{name}: {reason}" in said for name, reason in reasons.items())
