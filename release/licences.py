"""The table of licences in `docs/licences.md`, from the metadata of what is installed: `make docs`, or run this."""

import re
from pathlib import Path

from packaging.utils import canonicalize_name

from release.dependencies import BASE, ROOT, Dependency, find, parts

PAGE = ROOT / "docs" / "licences.md"
TABLE = re.compile(r"(<!-- licences -->\n).*?(<!-- end -->)", re.DOTALL)
ROW = re.compile(r"^\| ([\w.-]+) \| .* \|$", re.MULTILINE)
HEAD = "| package | licence, as the package states it | needed by |\n|---|---|---|"
EVERYBODY = "every installation"
FOR_CARDS = re.compile(r"triton|cuda-.*|nvidia-.*")
"""What PyTorch for NVIDIA cards needs: the page names these in words, as other machines have none."""


def row(dependency: Dependency) -> str:
    """One package."""
    extras = sorted(f"`{part}`" for part in dependency.parts)
    needed = EVERYBODY if BASE in dependency.parts else ", ".join(extras)
    return f"| {dependency.name} | {dependency.licence or 'states none'} | {needed} |"


def rows_of(page: str) -> dict[str, str]:
    """The rows that a page has, by canonical name."""
    (table,) = (found[0] for found in TABLE.finditer(page))
    return {canonicalize_name(found[1]): found[0] for found in ROW.finditer(table) if found[1] != "package"}


def filled(page: str) -> str:
    """The page with its table made anew; what is needed and not installed here keeps its row."""
    found, missing = find(parts())
    old = rows_of(page)
    rows = {name: row(one) for name, one in found.items() if not FOR_CARDS.fullmatch(name)}
    rows |= {name: old[name] for name in missing if name in old}
    lines = "\n".join(rows[name] for name in sorted(rows))
    return TABLE.sub(lambda block: f"{block[1]}\n{HEAD}\n{lines}\n\n{block[2]}", page)


def main(page: Path = PAGE) -> None:
    """Fill the page."""
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
