"""The notebooks run from the first cell to the last."""

import importlib
import json
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
WIDGET = "application/vnd.jupyter.widget-view+json"
TINY = """\
FOLDER = "demo"
PEOPLE = 4
VOXEL = 4
NETWORK = 'architecture = "small_cnn"'
TRAINING = "epochs = 1"
"""


def run(name, folder, settings=""):
    """The outputs of every cell of a notebook that is run in a folder, with other settings."""
    nbformat, nbclient = (
        pytest.importorskip(module, reason="needs nbclient and ipykernel: the extra `dev`")
        for module in ("nbformat", "nbclient")
    )
    pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel: the extra `dev`")
    book = nbformat.read(BOOKS[name], as_version=4)
    (chosen,) = [cell for cell in book.cells if "settings" in cell.metadata.get("tags", ())] or [None]
    if settings:
        chosen.source = settings
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(book, timeout=1200, kernel_name="python3", resources=resources).execute()
    return [cell.outputs for cell in book.cells if cell.cell_type == "code"]


def kinds(outputs):
    """Every type of content that cells show."""
    return {kind for cell in outputs for one in cell for kind in one.get("data", {})}


def words(outputs):
    """All that cells print, and the plain text of what they show."""
    return "\n".join(
        one.get("text") or one.get("data", {}).get("text/plain", "") for cell in outputs for one in cell
    )


def test_there_are_the_three_that_the_documentation_names():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert set(BOOKS) == {"demo", "explain_your_network", "read_a_study"}
    assert all(f"../notebooks/{path.name}" in page for path in BOOKS.values())


@pytest.mark.parametrize("name", BOOKS)
def test_a_notebook_is_committed_without_outputs_and_says_what_each_cell_does(name):
    cells = json.loads(BOOKS[name].read_text(encoding="utf-8"))["cells"]
    for before, cell in pairwise(cells):
        if cell["cell_type"] == "code":
            assert before["cell_type"] == "markdown", "".join(cell["source"])
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_a_network_of_ones_own_is_explained_in_2d_from_a_file_and_in_3d(tmp_path):
    outputs = run("explain_your_network", tmp_path)
    said = words(outputs)
    assert "the same maps: True" in said
    assert {"text/html", "image/png"} <= kinds(outputs)
    assert "<Figure" not in "".join(
        one["data"]["text/plain"]
        for cell in outputs
        for one in cell
        if set(one.get("data", ())) == {"text/plain"}
    )
    right = [int(line.partition("%")[0]) for line in said.splitlines() if "classified right" in line]
    assert len(right) == 2
    assert min(right) >= 80


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A small finished study in place of the demonstration's, with evidence."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "report")
    study, evidence = (importlib.import_module(f"small_{kind}") for kind in ("study", "evidence"))
    folders = study.write_study(tmp_path / "demo", layers=study.FEW)
    evidence.add_evidence(folders, layers=study.FEW, consensus=True)
    return folders.root


def test_a_finished_study_is_read(finished, tmp_path):
    for module in ("ipyniivue", "pandas", "xarray"):
        pytest.importorskip(module, reason="needs the extra `notebook`")
    outputs = run("read_a_study", tmp_path)
    assert {WIDGET, "text/html", "image/png"} <= kinds(outputs)
    assert "every-layer" in words(outputs)
    assert (tmp_path / "map.nii.gz").is_file()
    assert finished.is_dir()


@pytest.mark.long
def test_the_demonstration_goes_from_scans_to_maps(tmp_path):
    pytest.importorskip("pandas", reason="needs the extra `notebook`")
    outputs = run("demo", tmp_path, TINY)
    assert (tmp_path / "demo" / "study" / "report.html").is_file()
    assert {"text/html", "image/png"} <= kinds(outputs)
    assert "Study(" in words(outputs)
