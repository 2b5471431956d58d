"""Job scripts for SLURM: what they ask for and do; for thousands of people too."""

import subprocess

import pytest

from stratacam.errors import InputError
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.slurm import MAXIMUM_ARRAY, _megabytes, write_slurm


@pytest.fixture
def cohort(tmp_path):
    """Empty scans of 2,500 people: nobody reads them to write scripts."""
    folder = tmp_path / "a cohort"
    lines = ["participant_id\tgroup"]
    for number in range(2500):
        subject = f"sub-{number:04d}"
        (folder / subject / "anat").mkdir(parents=True)
        (folder / subject / "anat" / f"{subject}_T1w.nii.gz").touch()
        lines.append(f"{subject}\t{'RRMS' if number % 2 else 'control'}")
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n")
    return folder


def configured(cohort, **run):
    content = {"input": cohort, "sequences": ("T1w",)}
    return StudyConfiguration(
        out=cohort.parent / "study", cohort=content, repeats=2, split={"folds": 3}, run={"on": "slurm", **run}
    )


def test_everybody_and_every_training_has_a_line_in_arrays_that_slurm_takes(cohort, tmp_path):
    run = configured(
        cohort, workers=1, threads=4, cluster={"memory": "16 GB", "walltime": "04:00:00", "account": "brains"}
    )
    submit = write_slurm(tmp_path / "my study.toml", run, tmp_path / "the jobs")
    people = (submit.parent / "people.txt").read_text().splitlines()
    assert " ".join(people).split() == [f"{number:04d}" for number in range(2500)]
    assert len(people) <= MAXIMUM_ARRAY
    trainings = (submit.parent / "trainings.txt").read_text().split()
    assert len(trainings) == len(set(trainings)) == 6
    script = (submit.parent / "1-prepare.sh").read_text()
    for line in (
        f"--array=1-{len(people)}",
        "--cpus-per-task=4",
        "--mem=15259M",
        "--time=04:00:00",
        "--account=brains",
    ):
        assert f"#SBATCH {line}\n" in script
    assert "#SBATCH --array=1-6\n" in (submit.parent / "4-train.sh").read_text()
    for path in submit.parent.glob("?-*.sh"):
        assert " --here" in path.read_text(), "a job submits no jobs"
    here = run.run.here
    assert (here.on, here.workers, here.threads, here.cluster) == ("processes", 0, 4, {})
    for path in submit.parent.glob("*.sh"):
        subprocess.run(["bash", "-n", path], check=True)  # noqa: S603, S607
    order = [line.split("=")[0] for line in submit.read_text().splitlines() if "sbatch" in line]
    assert order == [
        "prepare",
        "pictures",
        "activations",
        "train",
        "explain",
        "run",
        "truth",
        "evidence",
        "join",
    ]


def test_what_only_workers_of_dask_have_is_refused(cohort, tmp_path):
    run = configured(cohort, workers=1, cluster={"memory": "1GB", "interface": "lo"})
    with pytest.raises(InputError, match=r"run.cluster: found interface, .* job_extra_directives"):
        write_slurm(tmp_path / "study.toml", run, tmp_path / "jobs")


def test_scripts_are_not_written_into_the_cohort(cohort):
    run = configured(cohort, workers=1, cluster={"memory": "1GB"})
    with pytest.raises(InputError, match="inputs are never written to"):
        write_slurm(cohort.parent / "study.toml", run, cohort / "jobs")


@pytest.mark.parametrize(
    ("memory", "megabytes"),
    [("16GiB", 16384), ("16 gb", 15259), ("2000000000", 1908), (2**30, 1024), ("512MiB", 512)],
)
def test_memory_means_to_slurm_what_it_means_to_dask(memory, megabytes):
    assert _megabytes(memory) == megabytes


@pytest.mark.parametrize("cluster", [{"memory": "much"}, {"memory": "1GB", "walltime": 43200}])
def test_what_slurm_would_read_otherwise_is_refused(cohort, tmp_path, cluster):
    run = configured(cohort, workers=1, cluster=cluster)
    with pytest.raises(InputError, match=r"run.cluster: found .*correct it"):
        write_slurm(tmp_path / "study.toml", run, tmp_path / "jobs")


def test_a_single_line_is_one_line(cohort, tmp_path):
    lines = {"job_script_prologue": "module load stratacam", "job_extra_directives": "--qos=high"}
    run = configured(cohort, workers=1, cluster={"memory": "1GB", **lines})
    script = (
        write_slurm(tmp_path / "study.toml", run, tmp_path / "jobs").parent / "1-prepare.sh"
    ).read_text()
    assert "#SBATCH --qos=high\n" in script
    assert "\nmodule load stratacam\n" in script
