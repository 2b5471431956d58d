"""The SLURM that tests start on this machine does what a cluster's does."""

import subprocess

import pytest

from slurm import missing, one_machine_slurm

ARRAY = """\
#!/bin/sh
#SBATCH --array=1-3
#SBATCH --output=%a.out
echo "$SLURM_ARRAY_TASK_ID"
[ "$SLURM_ARRAY_TASK_ID" != 2 ]
"""
GREEDY = """\
#!/bin/sh
#SBATCH --mem=50
#SBATCH --output=greedy.out
python3 -c 'import time; block = bytes(200_000_000).replace(b"\\0", b"1"); time.sleep(30)'
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    absent = missing()
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    with one_machine_slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


def submit(script, environment, folder):
    """Exit code of the job, once it has ended."""
    (folder / "job.sh").write_text(script)
    command = ["sbatch", "--wait", "--quiet", "job.sh"]
    return subprocess.run(command, cwd=folder, env=environment, check=False, timeout=60).returncode  # noqa: S603


def test_every_task_of_an_array_runs_and_one_failure_fails_the_job(slurm, tmp_path):
    assert submit(ARRAY, slurm, tmp_path) == 1
    assert {path.name: path.read_text() for path in tmp_path.glob("?.out")} == {
        f"{n}.out": f"{n}\n" for n in (1, 2, 3)
    }


def test_job_that_takes_more_memory_than_it_asked_for_is_killed(slurm, tmp_path):
    assert submit(GREEDY, slurm, tmp_path) != 0
    assert "memory limit" in (tmp_path / "greedy.out").read_text()
