"""What counts as done."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stratacam.scans.prepare import PrepareSettings
from stratacam.study.cache import Cache
from stratacam.study.keys import NOT_IN_KEY
from stratacam.study.stamps import is_as_left, stamp


@dataclass(frozen=True)
class Piece:
    """A task such as the study's steps have."""

    source: Path
    settings: PrepareSettings
    out: Path
    groups: tuple[str, ...] = ("control", "RRMS")
    work: Path = field(default=Path("anywhere"), metadata=NOT_IN_KEY)

    @property
    def outputs(self):
        return (self.out,)

    def do(self):
        self.out.write_text(self.source.read_text())


@pytest.fixture
def files(tmp_path):
    source, result = tmp_path / "source.txt", tmp_path / "result.txt"
    source.write_text("scan")
    result.write_text("prepared")
    return source, result


def entry(cache, files, **changes):
    settings = changes.pop("settings", PrepareSettings())
    return cache.entry(Piece(files[0], settings, files[1], **changes))


def finished(tmp_path, files):
    cache = Cache(tmp_path / "records")
    cache.finish("prepare", "sub-01", entry(cache, files))
    return cache


def test_a_folder_that_a_piece_of_work_writes_into_is_a_place_also_where_others_read_from_it(tmp_path, files):
    """Activations were computed again as soon as something had read their folder."""
    cache = Cache(tmp_path / "records")
    before = entry(cache, files)
    cache.is_made("a key", tmp_path, files[1])
    assert entry(cache, files).parts == before.parts


def test_finished_work_is_done_for_another_process(tmp_path, files):
    finished(tmp_path, files)
    again = Cache(tmp_path / "records")
    assert again.is_done("prepare", "sub-01", entry(again, files))
    assert again.why("prepare", "sub-02", entry(again, files)) == []
    assert not again.is_done("prepare", "sub-02", entry(again, files))


def change_input(files):
    files[0].write_text("other")


def keep_time(files):
    """Change an input as a tool does that keeps sizes and times."""
    before = files[0].stat()
    files[0].write_text("scam")
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))


def change_output(files):
    files[1].write_text("edited by hand")


@pytest.mark.parametrize(
    ("change", "changes", "why"),
    [
        (change_input, {}, "it reads other source"),
        (keep_time, {}, "it reads other source"),
        (change_output, {}, "result.txt was changed or removed"),
        (lambda files: files[1].unlink(), {}, "result.txt was changed or removed"),
        (None, {"settings": PrepareSettings(grid=2.0)}, 'settings.grid was "T1w" and is 2.0'),
        (None, {"groups": ("control", "SPMS")}, 'groups was ["control", "RRMS"] and is ["control", "SPMS"]'),
    ],
)
def test_what_changed_is_not_done_and_the_reason_is_known(tmp_path, files, change, changes, why):
    cache = finished(tmp_path, files)
    if change:
        change(files)
    now = entry(cache, files, **changes)
    assert not cache.is_done("prepare", "sub-01", now)
    assert cache.why("prepare", "sub-01", now) == [why]


@dataclass(frozen=True)
class Compared:
    """Files by name, of which the first is what the others are compared with."""

    files: Mapping[str, Path]
    out: Path

    @property
    def outputs(self):
        return (self.out,)

    def do(self):
        self.out.write_text(next(iter(self.files)))


def test_the_order_of_what_a_task_is_given_decides(tmp_path, files):
    """Where the first network was another one, the table still compared everything with the first one before."""
    cache = Cache(tmp_path / "records")
    by_name = {"small_cnn": files[0], "resnet18": files[1]}
    cache.finish("comparison", "study", cache.entry(Compared(by_name, tmp_path / "table")))
    swapped = cache.entry(Compared(dict(reversed(by_name.items())), tmp_path / "table"))
    assert cache.why("comparison", "study", swapped) == [
        'files was ["small_cnn", "resnet18"] and is ["resnet18", "small_cnn"]'
    ]


def test_a_place_is_no_input_and_a_folder_that_nothing_made_is_refused(tmp_path, files):
    cache = finished(tmp_path, files)
    assert cache.is_done("prepare", "sub-01", entry(cache, files, work=tmp_path / "elsewhere"))
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(TypeError, match="is no file, and no task makes it"):
        entry(cache, (folder, files[1]))
    cache.is_made("a key", folder)
    assert entry(cache, (folder, files[1])).parts["source"] == "a key"


def test_a_copy_of_the_same_input_keeps_its_key(tmp_path, files):
    cache = finished(tmp_path, files)
    os.utime(files[0], (1, 1))
    copy = shutil.copy(files[0], tmp_path / "copy.txt")
    assert cache.is_done("prepare", "sub-01", entry(cache, files))
    assert entry(cache, (Path(copy), files[1])).parts == entry(cache, files).parts


def test_a_damaged_record_means_not_done(tmp_path, files):
    cache = finished(tmp_path, files)
    (tmp_path / "records" / "prepare" / "sub-01.json").write_text("{")
    assert not cache.is_done("prepare", "sub-01", entry(cache, files))


def test_a_file_in_a_folder_that_work_left_is_watched(tmp_path, files):
    cache, folder = Cache(tmp_path / "records"), tmp_path / "maps"
    (folder / "layers").mkdir(parents=True)
    (folder / "layers" / "chunk").write_text("raw")
    left = cache.entry(Piece(files[0], PrepareSettings(), folder))
    cache.finish("explain", "sub-01", left)
    assert cache.is_done("explain", "sub-01", left)
    (folder / "layers" / "chunk").write_text("cut")
    assert not cache.is_done("explain", "sub-01", left)


def test_a_folder_that_was_copied_is_done_only_as_far_as_its_own_outputs_go(tmp_path, files):
    cache = finished(tmp_path, files)
    copied = tmp_path.with_name("copy")
    shutil.copytree(tmp_path, copied)
    copy, there = Cache(copied / "records"), (copied / "source.txt", copied / "result.txt")
    assert copy.is_done("prepare", "sub-01", entry(copy, there))  # times of files are copied too
    there[1].unlink()
    assert not copy.is_done("prepare", "sub-01", entry(copy, there))
    assert cache.is_done("prepare", "sub-01", entry(cache, files))


def test_a_step_that_is_forced_is_done_once_more_and_its_key_stays(tmp_path, files):
    cache = finished(tmp_path, files)
    cache.finish("prepare scans", "sub-01", entry(cache, files))
    cache.finish("pictures", "sub-01", entry(cache, files))
    cache.forget("prepare")
    for step in ("prepare", "prepare scans"):
        assert cache.is_forgotten(step, "sub-01")
        assert not cache.is_done(step, "sub-01", entry(cache, files))
        assert cache.why(step, "sub-01", entry(cache, files)) == ["--force asks for it"]
        assert cache.key_of(step, "sub-01") == entry(cache, files).key
    assert cache.is_done("pictures", "sub-01", entry(cache, files))
    cache.finish("prepare", "sub-01", entry(cache, files))
    assert cache.is_done("prepare", "sub-01", entry(cache, files))
    assert not cache.is_forgotten("prepare", "sub-01")


def test_a_copy_is_known_by_its_content_and_read_once(tmp_path, files):
    cache = finished(tmp_path, files)
    one = entry(cache, files)
    record = cache.folder / "prepare/sub-01.json"
    before = record.read_text()
    os.utime(files[1], ns=(1, 1))  # as `cp -r` leaves other times
    assert cache.is_done("prepare", "sub-01", one)
    stamped = record.read_text()
    assert stamped != before
    assert cache.is_done("prepare", "sub-01", one)
    assert record.read_text() == stamped


def test_what_was_changed_in_a_copy_is_done_again(tmp_path, files):
    cache = finished(tmp_path, files)
    files[1].write_text("Prepared")
    os.utime(files[1], ns=(1, 1))
    assert not cache.is_done("prepare", "sub-01", entry(cache, files))
    assert cache.why("prepare", "sub-01", entry(cache, files)) == ["result.txt was changed or removed"]


def test_what_was_changed_under_its_old_time_is_done_again(tmp_path, files):
    """`rsync -a` and `cp -a` leave a file that was damaged on the way with the size and time that it had."""
    cache = finished(tmp_path, files)
    before = files[1].stat()
    files[1].write_text("Prepared")
    os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not cache.is_done("prepare", "sub-01", entry(cache, files))


@pytest.mark.parametrize("how", ["older file edited", "renamed and changed", "two of one sum"])
def test_every_file_of_a_folder_counts_by_itself(tmp_path, how):
    folder = tmp_path / "maps"
    folder.mkdir()
    for name, text in (("a", "12"), ("b", "34"), ("newest", "56")):
        (folder / name).write_text(text)
    os.utime(folder / "newest", ns=(4_000_000_000 * 10**9,) * 2)
    left = stamp(folder)
    assert is_as_left(folder, left)
    if how == "older file edited":
        (folder / "a").write_text("21")
    elif how == "renamed and changed":
        (folder / "b").rename(folder / "c")
    else:
        (folder / "a").write_text("1")
        (folder / "b").write_text("345")
    assert not is_as_left(folder, left)
