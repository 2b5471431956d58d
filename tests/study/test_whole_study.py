"""The whole study on a small cohort with faults: what is left out, what is done again, what a kill changes."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from stopping import command, stopped

from stratacam import cli
from stratacam.maps import find_maps
from stratacam.scans.prepared import find_prepared
from stratacam.scans.volume import write_nifti

STUDY = """\
name = "small"
out = "study"
seed = 3
[cohort]
input = "cohort"
groups = ["control", "RRMS", "SPMS"]
[prepare]
template = false
[pictures]
size = 32
margin_mm = 3
every = 4
[network]
weights = "none"
[split]
folds = 1
[training]
frozen = ["block1_*", "block2_*", "block3_*"]
epochs = 2
copies = 1
[explain]
every = 4
nifti_layers = ["block5_pool"]
[run]
workers = 2
"""


@pytest.fixture(scope="session")
def cohort(copy_cohort, tmp_path_factory):
    """Nine sound phantoms, and one more for each fault."""
    return copy_cohort(tmp_path_factory.mktemp("whole") / "cohort", control=3, RRMS=3, SPMS=3)


FAULTS = {
    "sub-missing": "FLAIR",
    "sub-truncated": "sub-truncated_T2w.nii.gz: cannot be read as NIfTI",
    "sub-series": "sub-series_FLAIR.nii.gz: has 4 dimensions",
    "sub-zero": "sub-zero_T1w.nii.gz: all voxels are zero",
    "sub-nan": "sub-nan_T1w.nii.gz: 1 of",
    "sub-alone": "group PPMS has 1 usable subject",
    "sub-unknown": "sub-unknown has group 'ALS', which is none of the study's groups",
    "sub-nogroup": "no value for sub-nogroup in column group",
}


def add_faults(cohort):
    """Add a subject for each of FAULTS, made from the first sound one."""
    rows = (cohort / "participants.tsv").read_text().splitlines()
    for name in FAULTS:
        anat = cohort / name / "anat"
        anat.mkdir(parents=True)
        for file in (cohort / "sub-01" / "anat").glob("*.nii.gz"):
            shutil.copy(file, anat / file.name.replace("sub-01", name))
        mask = cohort / "derivatives" / "masks" / name / "anat" / f"{name}_desc-brain_mask.nii.gz"
        mask.parent.mkdir(parents=True)
        shutil.copy(cohort / "derivatives/masks/sub-01/anat/sub-01_desc-brain_mask.nii.gz", mask)
        group = {"sub-alone": "PPMS", "sub-unknown": "ALS", "sub-nogroup": "n/a"}.get(name, "RRMS")
        columns = dict(zip(rows[0].split("\t"), rows[1].split("\t"), strict=True))
        rows.append("\t".join((columns | {"participant_id": name, "group": group}).values()))
    (cohort / "participants.tsv").write_text("\n".join(rows) + "\n")

    for path in (cohort / "sub-alone" / "anat").glob("*.nii.gz"):  # otherwise it would be refused as a copy
        image = nibabel.load(path)
        write_nifti(path, (1.02 * image.get_fdata(dtype=np.float32)).astype(np.float32), image.affine)
    (cohort / "sub-missing/anat/sub-missing_FLAIR.nii.gz").unlink()
    cut = cohort / "sub-truncated/anat/sub-truncated_T2w.nii.gz"
    cut.write_bytes(cut.read_bytes()[:5000])
    for name, sequence, change in (
        ("sub-series", "FLAIR", lambda data: np.stack([data, data], axis=-1)),
        ("sub-zero", "T1w", np.zeros_like),
        (
            "sub-nan",
            "T1w",
            lambda data: np.where(np.arange(data.size).reshape(data.shape) == 7, np.nan, data),
        ),
    ):
        path = cohort / name / "anat" / f"{name}_{sequence}.nii.gz"
        image = nibabel.load(path)
        write_nifti(path, change(image.get_fdata(dtype=np.float32)).astype(np.float32), image.affine)


def stratacam(monkeypatch, *arguments):
    """Run the command line in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["stratacam", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


@pytest.fixture(scope="session")
def faulty(cohort, tmp_path_factory):
    """The study on the cohort with faults, run once: its folder, exit code and what it printed."""
    folder = tmp_path_factory.mktemp("faulty")
    shutil.copytree(cohort, folder / "cohort")
    add_faults(folder / "cohort")
    text = STUDY.replace('"SPMS"]', '"SPMS", "PPMS"]')
    (folder / "study.toml").write_text(text)
    done = subprocess.run(  # noqa: S603
        command("run", folder / "study.toml"),
        capture_output=True,
        text=True,
        check=False,
    )
    return folder, done


def test_sound_subjects_are_done_and_the_exit_code_tells_of_the_others(faulty):
    folder, done = faulty
    assert done.returncode == cli.LEFT_OUT, done.stderr
    assert (
        len(find_prepared(folder / "study" / "prepared")) == 9
    )  # sub-alone, who is a group, is left out before
    metrics = json.loads((folder / "study/evaluation/vgg16_seed-3/metrics.json").read_text())
    assert metrics["subjects_per_class"] == {"control": 1, "RRMS": 1, "SPMS": 1}
    assert [len(maps.layers) for maps in find_maps(folder / "study" / "maps")] == [18, 18, 18]
    assert (folder / "study" / "report.html").stat().st_size > 10_000
    assert "Traceback" not in done.stdout + done.stderr


def test_augmented_copies_are_kept_of_the_scans_that_are_trained_on_alone(faulty):
    study = faulty[0] / "study"
    with (study / "models/vgg16_seed-3/split.tsv").open() as table:
        part_of = {row["subject"]: row["part"] for row in csv.DictReader(table, delimiter="\t")}
    (kept,) = (study / "activations").iterdir()
    versions = {subject: len(np.load(kept / f"{subject}.npy", mmap_mode="r")) for subject in part_of}
    assert set(part_of.values()) == {"train", "validation", "test"}
    assert versions == {subject: 2 if part == "train" else 1 for subject, part in part_of.items()}


def test_every_fault_is_listed_with_its_reason(faulty):
    folder, _ = faulty
    with (folder / "study" / "left_out.tsv").open() as table:
        reasons = {row["name"]: row["reason"] for row in csv.DictReader(table, delimiter="\t")}
    assert set(reasons) == set(FAULTS)
    for name, reason in FAULTS.items():
        assert reason in reasons[name], name


def test_a_second_run_does_nothing_again_and_accepts_what_was_left_out_when_told(faulty, monkeypatch):
    folder, _ = faulty
    before = {path: path.stat().st_mtime_ns for path in (folder / "study").rglob("*") if path.is_file()}
    monkeypatch.setattr(sys, "argv", ["stratacam", "run", str(folder / "study.toml"), "--accept-left-out"])
    cli.app(standalone_mode=False)
    after = {path: path.stat().st_mtime_ns for path in (folder / "study").rglob("*") if path.is_file()}
    changed = {
        path.relative_to(folder / "study").as_posix() for path in after if after[path] != before.get(path)
    }
    tried_again = ("/hashes/", "/log/", "/failed/check/")  # scans that were left out are looked at again
    assert {path for path in changed if not any(part in path for part in tried_again)} <= {
        *("left_out.tsv", "study.json", "provenance.json", "resources.tsv", ".stratacam/lock"),
        *("prepared/.stratacam/lock", "prepared/index.html"),
    }


def results(study: Path) -> dict[str, bytes]:
    """Everything a study's numbers are in."""
    files = [
        study / "models" / "vgg16_seed-3" / "model.safetensors",
        *sorted((study / "evaluation").rglob("*.tsv")),
        *sorted((study / "evaluation").rglob("metrics.json")),
        *sorted((study / "maps").rglob("*.nii.gz")),
        *sorted((study / "prepared").rglob("*.nii.gz")),
    ]
    return {path.relative_to(study).as_posix(): path.read_bytes() for path in files}


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_killed_run_ends_with_the_same_numbers_and_repeats_no_finished_scan(faulty, cohort, tmp_path):
    (tmp_path / "cohort").symlink_to(cohort)
    (tmp_path / "study.toml").write_text(STUDY)
    study = tmp_path / "study"
    running = stopped("run", tmp_path / "study.toml", word="prepare: 3 of 9")
    running.kill()
    running.communicate()  # which ends when its workers have ended
    kept = {
        path: path.stat().st_mtime_ns for path in (study / "prepared/.stratacam/prepare").glob("sub-*.json")
    }
    assert 2 <= len(kept) < 9

    subprocess.run(command("run", tmp_path / "study.toml"), check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    whole, _ = faulty
    unkilled, again = results(whole / "study"), results(study)
    assert {name.partition("/")[0] for name in again} == {"models", "evaluation", "maps", "prepared"}
    assert all(again[name] == unkilled[name] for name in again)
    assert not list(study.rglob("*unfinished*"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder / "cohort"), "cohort"),
        (lambda folder: (folder / "cohort" / "participants.tsv").unlink(), "participants.tsv"),
        (
            lambda folder: (folder / "cohort" / "participants.tsv").write_text(
                "participant_id\tage\nsub-01\t3\n"
            ),
            "group",
        ),
        (lambda folder: [shutil.rmtree(path) for path in (folder / "cohort").glob("sub-*")], "sub-"),
    ],
    ids=["no cohort", "no participants.tsv", "no column", "no subjects"],
)
def test_a_cohort_that_cannot_be_read_is_told_in_a_sentence(damage, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "cohort" / "sub-01" / "anat").mkdir(parents=True)
    for sequence in ("T1w", "T2w", "FLAIR"):
        (tmp_path / "cohort" / "sub-01" / "anat" / f"sub-01_{sequence}.nii.gz").touch()
    (tmp_path / "cohort" / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tRRMS\n")
    (tmp_path / "study.toml").write_text(STUDY)
    damage(tmp_path)
    assert stratacam(monkeypatch, "run", tmp_path / "study.toml") == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_one_image_under_two_subjects_is_refused_before_any_scan_is_prepared(
    cohort, tmp_path, monkeypatch, capsys
):
    shutil.copytree(cohort, tmp_path / "cohort")
    for path in (tmp_path / "cohort").glob("sub-0[2-9]"):
        if path.name not in {"sub-02", "sub-04", "sub-05", "sub-07", "sub-08"}:
            shutil.rmtree(path)
    for image in (tmp_path / "cohort/sub-02/anat").glob("*.nii.gz"):  # other bytes, the same voxels
        source = nibabel.load(str(image).replace("sub-02", "sub-01"))
        write_nifti(image, np.asarray(source.dataobj)[::-1].copy(), source.affine)
    (tmp_path / "study.toml").write_text(STUDY)
    assert stratacam(monkeypatch, "run", tmp_path / "study.toml") == 2
    said = capsys.readouterr().err
    assert "sub-01 T1w and sub-02 T1w are the same image under two subjects" in said
    assert not (tmp_path / "study" / "prepared").exists()
