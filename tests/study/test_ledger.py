"""What counts as done."""

import os
import shutil

import pytest

from stratacam.study.ledger import Ledger


@pytest.fixture
def files(tmp_path):
    source, result = tmp_path / "source.txt", tmp_path / "result.txt"
    source.write_text("scan")
    result.write_text("prepared")
    return source, result


def finished(tmp_path, files, settings=1):
    ledger = Ledger(tmp_path / "records")
    key = ledger.key("prepare", settings, [files[0]])
    ledger.finish("prepare", "sub-01", key, [files[1]])
    return key


def test_finished_work_is_done_for_another_process(tmp_path, files):
    finished(tmp_path, files)
    again = Ledger(tmp_path / "records")
    assert again.is_done("prepare", "sub-01", again.key("prepare", 1, [files[0]]))
    assert not again.is_done("prepare", "sub-02", again.key("prepare", 1, [files[0]]))


@pytest.mark.parametrize("change", ["settings", "input", "output", "output gone"])
def test_what_changed_is_not_done(tmp_path, files, change):
    finished(tmp_path, files)
    if change == "input":
        files[0].write_text("other")
    if change == "output":
        files[1].write_text("edited by hand")
    if change == "output gone":
        files[1].unlink()
    ledger = Ledger(tmp_path / "records")
    key = ledger.key("prepare", 2 if change == "settings" else 1, [files[0]])
    assert not ledger.is_done("prepare", "sub-01", key)


def test_a_copy_of_the_same_input_keeps_its_key_but_new_content_does_not(tmp_path, files):
    key = finished(tmp_path, files)
    os.utime(files[0], (1, 1))
    assert Ledger(tmp_path / "records").key("prepare", 1, [files[0]]) == key
    files[0].write_text("scam")  # same length
    assert Ledger(tmp_path / "records").key("prepare", 1, [files[0]]) != key


def test_a_damaged_record_means_not_done(tmp_path, files):
    key = finished(tmp_path, files)
    (tmp_path / "records" / "prepare" / "sub-01.json").write_text("{")
    assert not Ledger(tmp_path / "records").is_done("prepare", "sub-01", key)


def test_a_folder_that_was_copied_is_done_only_as_far_as_its_own_outputs_go(tmp_path, files):
    key = finished(tmp_path, files)
    shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    copy = Ledger(tmp_path.with_name("copy") / "records")
    assert copy.is_done("prepare", "sub-01", key)  # times of files are copied too
    (tmp_path.with_name("copy") / "result.txt").unlink()
    assert not copy.is_done("prepare", "sub-01", key)
    assert Ledger(tmp_path / "records").is_done("prepare", "sub-01", key)


def test_an_input_that_is_not_there_is_named(tmp_path, files):
    ledger = Ledger(tmp_path / "records")
    files[0].unlink()
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match=r"source\.txt"):
            ledger.key("prepare", 1, [files[0]])
