"""What a study makes of its cohort: groups that change between sessions, a choice of files, a full disk."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from stratacam.errors import InputError
from stratacam.files import temporary_name
from stratacam.learning import ScanPictures
from stratacam.scans.volume import write_nifti
from stratacam.study import scan_steps
from stratacam.study.configuration import check_configuration
from stratacam.study.execution import SerialExecutor
from stratacam.study.planning import make_cohort
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
    scans, groups = scan_steps.find(Work(tmp_path / "records", quiet()), settings)
    assert groups == {"sub-01_ses-1": "RRMS", "sub-01_ses-2": "SPMS"}
    assert [scan.images["T1w"].name for scan in scans] == [
        "sub-01_ses-1_acq-fast_T1w.nii",
        "sub-01_ses-2_acq-fast_T1w.nii",
    ]


def test_a_choice_for_a_sequence_that_is_not_used_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cohort\.choose: T1W is not among the sequences T1w, T2w, FLAIR"):
        configuration(tmp_path, choose={"T1W": {"acq": "fast"}})


def write_ones(file):
    write_nifti(file, np.ones((20, 20, 20), np.float32), np.eye(4))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_leaves_one_scan_out_in_a_sentence_and_the_others_go_on(tmp_path):
    files = {name: tmp_path / f"{name}.nii" for name in ("sub-01", "sub-02", "sub-03")}
    temporary_name(files["sub-02"]).symlink_to("/dev/full")
    work = Work(tmp_path / "records", quiet())
    tasks = {name: work.task(write_ones, file, outputs=[file]) for name, file in files.items()}
    assert work.each("prepare", tasks, SerialExecutor()) == {"sub-01", "sub-03"}
    (absence,) = work.absences
    assert absence.reason.startswith(
        f"{files['sub-02']}: cannot be written (No space left on device); make room"
    )
    assert not files["sub-02"].exists()
