"""`stratacam view` as a reader calls it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from viewed_study import SUBJECT, recommending

from stratacam import cli
from stratacam.study.study import Outcome
from stratacam.viewer import built

SOURCES = Path(cli.__file__).parents[2]


@pytest.fixture
def with_page(tmp_path, monkeypatch, page):
    """A page that has been built."""
    for name, text in zip(built.FILES, (page.html, page.script, page.style), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(built.read_built_page, "__defaults__", (tmp_path,))


@pytest.fixture
def run(monkeypatch, capsys):
    """The command in this process: gives its exit code and all that it said."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["stratacam", "view", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code or 0, "".join(capsys.readouterr())

    return command


@pytest.mark.usefixtures("with_page")
def test_one_scan_is_written_as_a_file_under_a_label(run, study, tmp_path):
    folders, planted = study
    out = tmp_path / "page.html"
    code, said = run(folders.root, "--export", SUBJECT, out, "--label", "Patient A", "--maps", planted)
    assert (code, said.strip()) == (0, f"Done: {out}")
    text = out.read_text(encoding="utf-8")
    assert '"name": "Patient A"' in text
    assert SUBJECT not in text


@pytest.mark.usefixtures("with_page")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--export", SUBJECT], "--export: expected with it the file to write"),
        (["page.html"], "--export: expected with it the file to write"),
        (["--maps", "nowhere"], "--maps: nowhere: no such folder; expected a folder of further maps"),
        (["--host", "0.0.0.0"], "add --token"),  # noqa: S104
    ],
)
def test_what_cannot_be_done_is_said(run, study, arguments, words):
    code, said = run(study[0].root, *arguments)
    assert code == 2
    assert words in said


def test_without_a_page_the_command_says_how_to_build_it(run, study, monkeypatch, tmp_path):
    monkeypatch.setattr(built.read_built_page, "__defaults__", (tmp_path / "static",))
    code, said = run(study[0].root)
    assert code == 2
    assert "build it with `make viewer`" in said


def test_a_served_study_is_answered_at_the_address_that_is_printed_until_ctrl_c(study):
    """In a process of its own; without a built page it is told where one is."""
    code = (
        "from stratacam.viewer import built; from stratacam.cli import main;"
        "built.read_built_page.__defaults__ = (built.Path(%r),); main()"
    )
    static = study[0].root / "static"
    static.mkdir(exist_ok=True)
    for name in built.FILES:
        (static / name).write_text("page")
    arguments = [sys.executable, "-c", code % str(static), "view", str(study[0].root)]
    environment = {**os.environ, "PYTHONPATH": f"{SOURCES}:{os.environ.get('PYTHONPATH', '')}"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, text=True, env=environment, **pipes) as server:  # noqa: S603
        try:
            address, said = server.stdout.readline().split()[1], server.stdout.readline()
            with httpx.Client(trust_env=False) as client:
                assert client.get(address).text == "page"
                assert client.get(f"{address.rstrip('/')[:-1]}/").status_code == 401
            server.send_signal(signal.SIGINT)
            rest, complaints = server.communicate(timeout=20)
        finally:
            server.kill()
    assert address.startswith("http://127.0.0.1:")
    assert server.returncode == 0
    assert (said, rest, complaints) == ("Stop with Ctrl-C.\n", "", "")


def test_the_first_view_is_the_recommended_map(viewed):
    seen, place = recommending(viewed, chosen=True)
    answer = seen.study()
    assert answer.recommended
    assert answer.in_short.startswith("LayerCAM, fine, VGG16. Of 1 judged map it alone meets every criterion")
    assert (answer.first.store, answer.first.layer) == (place, 1)
    store = seen.scan(0).stores[0]
    assert (store.id, store.recommended, store.layers[1].verdict) == (place, True, "recommended")
    assert store.layers[0].verdict == "not judged"


def test_without_a_recommended_map_the_first_view_says_why_there_is_none(viewed):
    seen, place = recommending(viewed, chosen=False)
    answer = seen.study()
    assert not answer.recommended
    assert answer.in_short.startswith("No map is recommended. ")
    assert "it fails: its maps do not repeat. Remedy: " in answer.in_short
    layer = next(store for store in seen.scan(0).stores if store.id == place).layers[1]
    assert (layer.verdict, list(layer.because)) == ("not recommended", ["its maps do not repeat"])


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ((True, "/usr/bin/stratacam"), "`stratacam"),
        ((False, None), "once `make viewer`, then `.venv/bin/stratacam"),
    ],
)
def test_the_demonstration_ends_by_saying_how_to_look_at_it(monkeypatch, capsys, study, there, words):
    folders, _ = study
    monkeypatch.setattr("stratacam.study.demo.run_demo", lambda *_, **__: Outcome(folders, ()))
    monkeypatch.setattr("stratacam.report.refresh_report", lambda *_: folders.report)
    monkeypatch.setattr(built, "is_built", lambda: there[0])
    monkeypatch.setattr("shutil.which", lambda _: there[1])
    monkeypatch.setattr("sys.argv", [str(Path.cwd() / ".venv/bin/stratacam")])
    cli.study.demo(folders.root)
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last == f"To look at its maps in a browser: {words} view {folders.root}`."
