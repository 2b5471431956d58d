"""The page as it was built from its sources."""

from dataclasses import dataclass
from pathlib import Path

from stratacam.errors import InputError

STATIC = Path(__file__).parent / "static"

FILES = ("index.html", "viewer.js", "viewer.css")


@dataclass(frozen=True)
class BuiltPage:
    """The three files of the page, in memory: no request reaches the file system for them."""

    html: str
    script: str
    style: str


def read_built_page(folder: Path = STATIC) -> BuiltPage:
    """Read the page.

    Raises:
        InputError: it has not been built.
    """
    files = [folder / name for name in FILES]
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise InputError(
            f"{missing[0]}: not found; expected the viewer's page, which a checkout does not hold: build it with "
            "`make viewer`, or install stratacam from a wheel, which has it."
        )
    return BuiltPage(*(path.read_text(encoding="utf-8") for path in files))


def is_built() -> bool:
    """Whether the page is there."""
    return all((STATIC / name).is_file() for name in FILES)
