"""The table of licences in `docs/licences.md`, from the metadata of what is installed: `make docs`, or run this."""

import re
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import canonicalize_name

from release.dependencies import BASE, ROOT, Dependency, find, parts

PAGE = ROOT / "docs" / "licences.md"
TABLE = re.compile(r"(<!-- licences -->\n).*?(<!-- end -->)", re.DOTALL)
ROW = re.compile(r"^\| ([\w.-]+) \| .* \|$", re.MULTILINE)
EXTRA = re.compile(r"`([\w-]+)`")
HEAD = "| package | licence, as the package states it | needed by |\n|---|---|---|"
EVERYBODY = "every installation"
FOR_CARDS = re.compile(r"triton|cuda-.*|nvidia-.*")
"""What PyTorch for NVIDIA cards needs: the page names these in words, as other machines have none."""


def row(dependency: Dependency, others: Iterable[str] = ()) -> str:
    """One package; `others` are extras that need it and are not installed here."""
    extras = sorted(f"`{part}`" for part in {*dependency.parts, *others})
    needed = EVERYBODY if BASE in dependency.parts else ", ".join(extras)
    return f"| {dependency.name} | {dependency.licence or 'states none'} | {needed} |"


def rows_of(page: str) -> dict[str, str]:
    """The rows that a page has, by canonical name."""
    (table,) = (found[0] for found in TABLE.finditer(page))
    return {canonicalize_name(found[1]): found[0] for found in ROW.finditer(table) if found[1] != "package"}


def filled(page: str) -> str:
    """The page with its table made anew; extras that are not installed here keep their rows."""
    found, missing = find(parts())
    old = rows_of(page)
    absent = {part for part in parts() if find([part])[1]}
    of_absent = {name: absent & set(EXTRA.findall(text)) for name, text in old.items()}
    rows = {
        name: row(one, of_absent.get(name, ()))
        for name, one in found.items()
        if not FOR_CARDS.fullmatch(name)
    }
    kept = {name for name, extras in of_absent.items() if extras} | missing
    rows = {name: old[name] for name in kept if name in old} | rows
    lines = "\n".join(rows[name] for name in sorted(rows))
    return TABLE.sub(lambda block: f"{block[1]}\n{HEAD}\n{lines}\n\n{block[2]}", page)


def main(page: Path = PAGE) -> None:
    """Fill the page."""
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
