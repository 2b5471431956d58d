"""Containers install what constraints.txt pins, each file checked by its hash, and hold what a wheel is built from."""

import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONTAINERS = ROOT / "containers"
LOCK = runpy.run_path(str(CONTAINERS / "lock.py"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DEFINITION = (ROOT / "stratacam.def").read_text(encoding="utf-8")
STALE = "the lock is stale: run `make lock`"


def locked(name):
    """The version and the hashes of every package of a file of the lock."""
    packages = re.split(r"^(?=\w)", (CONTAINERS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        re.match(r"[\w.-]+", package)[0]: (
            re.match(r"\S+==(\S+)", package)[1],
            re.findall(r"--hash=sha256:([0-9a-f]{64})\b", package),
        )
        for package in packages
    }


@pytest.fixture(scope="module")
def lock():
    return locked("requirements.txt") | locked("torch.txt")


@pytest.fixture(scope="module")
def pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_every_locked_package_has_the_version_that_is_pinned_and_a_hash(lock, pinned):
    for name, (version, hashes) in lock.items():
        assert pinned.get(canonicalize_name(name), version) == version, STALE
        assert hashes, name


def test_only_what_cards_need_is_locked_without_a_pin(pinned):
    assert {canonicalize_name(name) for name in locked("requirements.txt")} <= set(pinned), STALE
    assert "torch" in locked("torch.txt")


def test_every_dependency_is_locked(lock):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(text for name in extras if name not in LOCK["LEFT_OUT"] for text in extras[name]),
    ]
    assert {canonicalize_name(Requirement(text).name) for text in wanted} <= set(
        map(canonicalize_name, lock)
    ), STALE


def test_both_containers_start_from_the_python_that_the_lock_is_for():
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert bases == set(re.findall(r"^From: (\S+)", DEFINITION, re.MULTILINE))
    (base,) = bases
    assert base.startswith(f"python:{LOCK['PYTHON']}-slim-")


def test_both_containers_are_given_the_same_files():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    given = {line[1:].partition("/")[0] for line in ignored if line.startswith("!")}
    files = re.search(r"^%files\n((?:    .*\n)+)", DEFINITION, re.MULTILINE)[1]
    assert {line.split()[0] for line in files.splitlines()} == given
    assert all((ROOT / name).exists() for name in given)


def test_a_container_does_not_run_as_root():
    user = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1]
    assert user.split(":")[0] not in {"0", "root"}


def test_unknown_device_is_refused():
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", CONTAINERS / "install.sh", "tpu"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("expected cuda or cpu")) == (2, 1)
