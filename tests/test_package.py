"""What is published: a wheel that holds the package alone, and a source distribution that builds the same wheel."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "stratacam"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split())
PAGE = {f"stratacam/viewer/static/{name}" for name in ("index.html", "viewer.js", "viewer.css")}
NOT_OF_THE_PACKAGE = ("__pycache__", "viewer/page/", "viewer/static/")


def build(target, source, out):
    """Build without Node: the viewer's page is in the wheel only if `source` has it built."""
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", out],
        cwd=source, env=os.environ | {"HATCH_BUILD_NO_HOOKS": "true"}, check=True, capture_output=True,
    )  # fmt: skip
    (built,) = out.iterdir()
    return built


def unpacked(sdist, folder):
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return tree


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_the_package_and_nothing_else(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    assert held - PAGE == {name for name in files if not any(part in name for part in NOT_OF_THE_PACKAGE)}


def test_source_distribution_builds_the_same_wheel_at_any_time(wheel, sdist, tmp_path):
    tree = unpacked(sdist, tmp_path / "tree")
    static = PACKAGE / "viewer" / "static"
    assert not (tree / static.relative_to(ROOT)).exists()  # built with the wheel, from its sources
    if static.exists():
        shutil.copytree(static, tree / static.relative_to(ROOT))
    for path in tree.rglob("*"):
        os.utime(path, (1e9, 1e9))
    (tmp_path / "out").mkdir()
    assert build("wheel", tree, tmp_path / "out").read_bytes() == wheel.read_bytes()


def test_source_distribution_is_the_same_from_a_copy_of_any_age_and_mode(sdist, tmp_path):
    tree = unpacked(sdist, tmp_path / "tree")
    (tree / "PKG-INFO").unlink()  # of the build, not of the sources
    for path in tree.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o700 if path.is_dir() or path.stat().st_mode & 0o100 else 0o600)
    (tmp_path / "out").mkdir()
    assert build("sdist", tree, tmp_path / "out").read_bytes() == sdist.read_bytes()


def test_source_distribution_has_what_its_build_and_its_tests_need(sdist):
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    page = "src/stratacam/viewer/page"
    assert held >= {"hatch_build.py", "constraints.txt", "LICENSE", "NOTICE", f"{page}/package-lock.json"}
    assert "tests/test_package.py" in held
    assert not [
        name for name in held if re.search(r"(^|/)(\.git|\.venv|node_modules|__pycache__|demo)/", name)
    ]


def test_wheel_says_what_it_needs(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = message_from_bytes(archive.read(name))
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert names(metadata.get_all("Requires-Dist")) == names(dependencies())


def dependencies():
    extras = PROJECT["optional-dependencies"]
    return [*PROJECT["dependencies"], *(text for extra in extras.values() for text in extra)]


def names(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_every_dependency_is_pinned_to_a_version_that_it_may_have():
    versions = {canonicalize_name(name): version for name, version in PINNED.items()}
    for text in dependencies():
        requirement = Requirement(text)
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), text


def run(*command, cwd):
    """Run in an environment that knows nothing of this checkout but the versions that it pins."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    environment["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


STUDY = """\
out = "study"
[cohort]
input = "cohort"
[prepare]
template = false
[pictures]
size = 32
every = 4
[network]
architecture = "small_cnn"
weights = "none"
[split]
folds = 1
[training]
epochs = 1
copies = 1
[explain]
every = 4
"""


@pytest.mark.long
def test_wheel_with_its_page_is_the_same_twice_and_works_in_a_clean_environment(sdist, tmp_path):
    pip = [sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "--no-cache-dir", "-w"]
    wheels = []
    for copy in ("first", "second"):
        tree = unpacked(sdist, tmp_path / copy)
        run(*pip, tmp_path / f"wheel-{copy}", ".", cwd=tree)
        wheels += (tmp_path / f"wheel-{copy}").iterdir()
    first, second = wheels
    assert first.read_bytes() == second.read_bytes()
    assert set(zipfile.ZipFile(first).namelist()) >= PAGE

    venv.create(tmp_path / "venv", with_pip=True)
    installed = tmp_path / "venv" / "bin"
    run(installed / "pip", "install", "-q", first, cwd=tmp_path)
    run(installed / "pip", "check", cwd=tmp_path)
    work = tmp_path / "work"
    work.mkdir()

    def stratacam(arguments):
        return run(installed / "stratacam", *arguments.split(), cwd=work)

    assert PROJECT["version"] in stratacam("--version")
    stratacam("phantom cohort --controls=3 --rrms=3 --spms=0 --voxel=4")
    stratacam("check cohort")
    (work / "study.toml").write_text(STUDY)
    stratacam("run study.toml")
    assert (work / "study" / "report.html").stat().st_size > 100_000
    explained = min(path.name for path in work.glob("study/maps/sub-*"))
    stratacam(f"view study scan.html --export={explained}")
    assert "<script" in (work / "scan.html").read_text(encoding="utf-8")
