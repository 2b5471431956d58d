"""What the README says can be done as it says."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from typer.testing import CliRunner

import stratacam
from stratacam.cli import app
from stratacam.study.configuration import read_configuration

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_example_gives_the_layers_and_shapes_it_states():
    (example,) = blocks("python")
    scope = {}
    exec(example, scope)  # noqa: S102 - the README's own example
    result = scope["result"]
    assert str(result.layers) in example
    assert f"({', '.join(map(str, result['block5_conv3'].raw.shape))})" in example


def test_configuration_example_is_complete(tmp_path):
    (example,) = blocks("toml")
    (tmp_path / "study.toml").write_text(example)
    assert read_configuration(tmp_path / "study.toml").cohort.input == tmp_path / "scans"


def test_every_command_it_names_exists():
    named = set(re.findall(r"^stratacam ([\w-]+)", "\n".join(blocks("bash")), re.MULTILINE))
    assert {"check", "run", "evidence"} <= named
    for command in named:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0, command


def test_python_examples_of_docstrings_run():
    names = [module.name for module in pkgutil.walk_packages(stratacam.__path__, "stratacam.")]
    results = [doctest.testmod(importlib.import_module(name)) for name in names]
    assert sum(result.attempted for result in results) > 5
    assert sum(result.failed for result in results) == 0


def test_citation_and_changelog_name_the_version_of_the_package():
    root = Path(__file__).parent.parent
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version}\n" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_public_name_is_there():
    for name in stratacam.__all__:
        assert getattr(stratacam, name) is not None
    assert stratacam.explain.__name__ == "explain"


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, stratacam; print(*sys.modules, sep='\\n')"
    imported = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    assert not {"nibabel", "matplotlib", "SimpleITK", "torch", "numpy"} & set(imported.stdout.split())
