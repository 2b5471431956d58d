"""Parts of a step: which tasks they are, what they need, and that several may be at work while a whole run may not."""

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from stratacam.errors import InputError
from stratacam.study.execution import RunSettings, Workers
from stratacam.study.lock import at_work, owner_of
from stratacam.study.part import Part, StepDoneError, part_of
from stratacam.study.work import Work


@dataclass(frozen=True)
class Copy:
    """A task such as the study's steps have."""

    source: Path
    out: Path

    @property
    def outputs(self):
        return (self.out,)

    def do(self):
        text = self.source.read_text()
        if text == "broken":
            raise InputError(f"{self.source}: is broken; mend it.")
        self.out.write_text(text)


@pytest.fixture
def do(tmp_path):
    """`do(step, only)` does a step of three scans, one of them broken, and gives who is done and who was left out."""
    for name, text in (("sub-01_ses-a", "one"), ("sub-02", "broken"), ("sub-03", "three")):
        (tmp_path / f"{name}.txt").write_text(text)

    def run(step, only=None):
        console = Console(file=(tmp_path / "said.txt").open("w"))
        work = Work(tmp_path / "records", console, Workers(RunSettings(on="serial")), only)
        tasks = {
            path.stem: Copy(path, tmp_path / step / path.stem) for path in sorted(tmp_path.glob("sub-*.txt"))
        }
        (tmp_path / step).mkdir(exist_ok=True)
        return work.each(step, tasks), {one.name for one in work.absences}

    return run


def test_a_part_does_its_own_people_and_no_other(do):
    assert do("prepare", Part("prepare", people=("sub-01",))) == ({"sub-01_ses-a"}, set())
    assert do("prepare", Part("prepare", people=("sub-03",))) == ({"sub-01_ses-a", "sub-03"}, set())
    assert do("prepare", Part("prepare")) == ({"sub-01_ses-a", "sub-03"}, {"sub-02"})


def test_a_later_step_takes_what_failed_before_as_left_out_and_asks_for_what_was_not_tried(do):
    with pytest.raises(
        InputError, match=r"prepare: sub-01_ses-a is not done, .* do it first with --step prepare"
    ):
        do("prepare", Part("explain"))
    do("prepare")
    assert do("prepare", Part("explain")) == ({"sub-01_ses-a", "sub-03"}, {"sub-02"})


def test_what_failed_and_was_mended_has_to_be_done_before_a_later_step(do, tmp_path):
    do("prepare")
    (tmp_path / "sub-02.txt").write_text("two")
    with pytest.raises(InputError, match="prepare: sub-02 is not done"):
        do("prepare", Part("explain"))


def test_nothing_after_the_step_is_done(do):
    with pytest.raises(StepDoneError):
        do("explain", Part("prepare"))


@pytest.mark.parametrize(
    ("step", "people", "trainings", "words"),
    [
        (None, ["01"], [], r"--participant-label: found without --step"),
        (None, [], ["a"], r"--training: found without --step"),
        ("prepar", [], [], r"--step: found 'prepar'; expected one of prepare, pictures"),
        ("train", ["01"], [], r"--participant-label: found with --step train"),
        ("prepare", [], ["a"], r"--training: found with --step prepare"),
    ],
)
def test_options_that_contradict_each_other_are_refused(step, people, trainings, words):
    with pytest.raises(InputError, match=words):
        part_of(step, people, trainings)


def test_labels_are_those_of_bids_with_and_without_their_prefix():
    assert part_of("prepare", ["01", "sub-02"], []) == Part("prepare", people=("sub-01", "sub-02"))
    assert part_of(None, [], []) is None


HOLD = """
import sys
from pathlib import Path
from stratacam.study.lock import at_work
with at_work(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(tmp_path):
    """`hold("shared")` starts a process that is at work in a folder."""
    processes = []

    def start(kind):
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", textwrap.dedent(HOLD), tmp_path, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_parts_share_a_study_and_a_whole_run_waits_for_none_of_them(tmp_path, hold):
    hold("shared")
    with at_work(tmp_path, shared=True):
        pass
    with pytest.raises(InputError, match="one or more that do a step for some people"), at_work(tmp_path):
        pass


def test_a_whole_run_is_alone_and_is_named_to_whoever_comes(tmp_path, hold):
    process = hold("alone")
    for shared in (False, True):
        with (
            pytest.raises(InputError, match=rf"another run is at work here \(process {process.pid} on "),
            at_work(tmp_path, shared=shared),
        ):
            pass
    assert owner_of(tmp_path)["process"] == process.pid


def test_the_lock_of_a_run_that_was_killed_is_free(tmp_path, hold):
    process = hold("alone")
    process.kill()
    process.communicate()
    assert owner_of(tmp_path) is None
    with at_work(tmp_path):
        pass
