"""Data flows one way: which package may import which, no circles, and modules that can be read in one sitting."""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent / "src"
ORDER = (
    "cam",
    "networks",
    "scans",
    "learning",
    "maps",
    "evidence",
    "study",
    "report",
    "results",
    "viewer",
    "export",
    "cli",
    "__main__",
)
"""A package imports only packages that stand before it."""
FOUNDATION = {"errors", "fence", "files", "source_code", "source_files", "source_statements", "interruption"}
"""Single modules that any package but `cam` may import; they import only one another."""
UNKNOWN_TO = {
    "networks": {"cam"},
    "scans": {"cam", "networks"},
    "maps": {"learning"},
}
"""Packages that stand before one and yet are none of its business."""
LIBRARIES = {
    "cam": {"matplotlib", "numpy", "torch"},  # matplotlib when a picture is asked for
    "networks": {"h5py", "numpy", "onnx", "pydantic", "safetensors", "torch"},
}
"""Libraries that packages which know nothing of MRI may import."""
MAXIMUM_LINES = 300


def read_modules(sources):
    """Module to path, for every module under a folder."""
    found = {}
    for path in sorted(sources.rglob("*.py")):
        parts = path.relative_to(sources).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_by(path, modules):
    """Every module that a file imports, wherever in the file; a name of a package is followed to its module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in modules else node.module


def read_graph(sources):
    """Module to the modules that it imports, its own and others'."""
    modules = read_modules(sources)
    return {name: set(imported_by(path, modules)) - {name} for name, path in modules.items()}


def contracted(graph, depth):
    """The same graph with all modules of a package, `depth` names deep, as one."""
    found = {}
    for name, imports in graph.items():
        short = ".".join(name.split(".")[:depth])
        found.setdefault(short, set()).update(
            ".".join(one.split(".")[:depth]) for one in imports if one in graph
        )
    return {name: imports - {name} for name, imports in found.items()}


def circle_in(graph):
    """The modules of one circle; empty if there is none."""
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        return error.args[1]
    return []


GRAPH = read_graph(SOURCES)
TOP = {
    name.removeprefix("stratacam."): {one.removeprefix("stratacam.") for one in imports}
    for name, imports in contracted(GRAPH, 2).items()
}


def test_training_knows_nothing_of_maps_but_what_guides_it():
    importing = {
        name
        for name, imports in GRAPH.items()
        if name.startswith("stratacam.learning") and any(one.startswith("stratacam.cam") for one in imports)
    }
    assert importing == {"stratacam.learning.relevance"}


def test_every_package_has_its_place_in_the_order():
    assert {*TOP} - {"stratacam"} <= {*ORDER, *FOUNDATION}
    assert {"cam", "networks", "scans", "learning", "maps", "evidence", "study", "report", "cli"} <= {*TOP}


@pytest.mark.parametrize("name", sorted({*TOP} - {"stratacam"}))
def test_a_package_imports_only_what_stands_above_it(name):
    if name in FOUNDATION:
        assert TOP[name] <= FOUNDATION
        return
    above = {*ORDER[: ORDER.index(name)]} - UNKNOWN_TO.get(name, set())
    assert TOP[name] - FOUNDATION <= above


@pytest.mark.parametrize("depth", range(2, 6))
def test_there_is_no_circle_among_packages_or_modules(depth):
    assert circle_in(contracted(GRAPH, depth)) == []


@pytest.mark.parametrize("package", LIBRARIES)
def test_packages_that_know_nothing_of_mri_import_no_library_for_it(package):
    imported = {
        one.partition(".")[0]
        for name, imports in GRAPH.items()
        if f"{name}.".startswith(f"stratacam.{package}.")
        for one in imports
    }
    assert imported - {*sys.stdlib_module_names, "stratacam"} <= LIBRARIES[package]
    assert "torch" in imported


def test_the_engine_imports_nothing_else_of_the_package():
    assert TOP["cam"] == set()


@pytest.mark.parametrize("imported", ["stratacam", "stratacam.cam", "stratacam.networks"])
def test_importing_the_package_imports_no_library_for_mri_or_figures(imported):
    code = f"import sys, {imported}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    assert not {"nibabel", "SimpleITK", "matplotlib", "nilearn", "pydicom"} & set(done.stdout.split())


HEAVY = {"SimpleITK", "fastapi", "matplotlib", "nibabel", "numpy", "pandas", "scipy", "sklearn", "torch"}
"""Libraries that take a tenth of a second or more to import, each or with what they import."""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--help", "Usage"),
        ("run --help", "Usage"),
        ("run --colour red study.toml", "No such option"),
        ("run study.toml", "study.toml: no such file; expected the study's TOML file: correct the path"),
        ("check scans", "scans: no such folder or file; expected a BIDS folder"),
        ("view study", "study: no such folder; expected the folder of a study"),
        ("view .", ".: holds no study (study.json is missing)"),
        ("explain model prepared out", "model: no such folder; expected the folder of a trained model"),
        (
            "benchmark-truth . out --lesions gone",
            "--lesions: gone: no such folder; expected a folder of lesion",
        ),
        ("export . out --format png --to-dicomweb http://a", "--to-dicomweb: found no --format dicom"),
    ],
)
def test_help_and_a_wrong_argument_import_no_library_that_takes_long(tmp_path, arguments, said):
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from stratacam.cli import main; main()"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, *arguments.split()],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert said in done.stdout + done.stderr
    assert "stratacam.cli.options" in done.stdout.split()
    assert HEAVY & set(done.stdout.split()) == set()


@pytest.mark.parametrize("imported", ["stratacam.study.run", "stratacam.viewer"])
def test_a_study_and_the_viewer_start_without_what_few_functions_need(imported):
    code = f"import sys, {imported}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    assert {"sklearn", "pandas", "nilearn"} & set(done.stdout.split()) == set()


def test_run_time_dependencies_are_what_is_imported():
    project = tomllib.loads((SOURCES.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    of_extras = [line for extra, lines in extras.items() if extra != "dev" for line in lines]
    needed, optional = (
        {re.split("[<>=]", line)[0].lower() for line in lines}
        for lines in (project["dependencies"], of_extras)
    )
    imported = {one.partition(".")[0] for imports in GRAPH.values() for one in imports}
    for path in SOURCES.rglob("*.py"):
        imported |= set(re.findall(r'import_module\("(\w+)"\)', path.read_text(encoding="utf-8")))
    homes = packages_distributions()
    used = {name.lower().replace("_", "-") for module in imported for name in homes.get(module, ())}
    assert needed - used == set()
    assert used - needed - optional <= {"stratacam"}


def test_every_module_is_read_in_one_sitting():
    lines = {
        name: len(path.read_text(encoding="utf-8").splitlines())
        for name, path in read_modules(SOURCES).items()
    }
    assert {name: count for name, count in lines.items() if count > MAXIMUM_LINES} == {}


@pytest.fixture
def circular(tmp_path):
    """Two packages with a module each: one imports the other's under TYPE_CHECKING, which a function imports back."""
    for name, text in {
        "a/one.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import two\n",
        "b/two.py": "def late():\n    import a.other\n",
        "a/other.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_circle_is_seen_though_types_and_functions_alone_import(circular):
    graph = read_graph(circular)
    assert circle_in(graph) == []
    assert {*circle_in(contracted(graph, 1))} == {"a", "b"}
    (circular / "a/other.py").write_text("import a.one\n")
    assert len(circle_in(read_graph(circular))) == 4
