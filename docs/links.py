"""Links of the built site: whatever a page names in `href` or `src`, raw HTML too, has to be there.

MkDocs follows links of Markdown only. A hook of the site; what it finds counts as a warning, which fails `--strict`.
"""

import logging
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig

LOG = logging.getLogger("mkdocs.hooks.links")
WITHOUT = "404.html"
"""The page of a web server's errors, whose links begin at the server's root."""


class ReadPage(HTMLParser):
    """What a page names in `href` and `src`, and the places in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the attributes of an element."""
        given = dict(attrs)
        self.places |= {value for name in ("id", "name") if (value := given.get(name))}
        self.links += [value for name in ("href", "src") if (value := given.get(name))]


def broken_links(site: Path) -> list[tuple[str, str]]:
    """Page and link, for every link of a site that leads nowhere, or to no place of the page that it leads to."""
    site = site.resolve()
    pages = {path: ReadPage(path) for path in sorted(site.rglob("*.html")) if path.name != WITHOUT}
    return [
        (path.relative_to(site).as_posix(), link)
        for path, page in pages.items()
        for link in page.links
        if _is_broken(link, path, site, pages)
    ]


def _is_broken(link: str, path: Path, site: Path, pages: dict[Path, ReadPage]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return False
    there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if there.is_dir():
        there /= "index.html"
    if not there.is_file() or not there.is_relative_to(site):
        return True
    return bool(parts.fragment) and there in pages and unquote(parts.fragment) not in pages[there].places


def on_post_build(config: MkDocsConfig, **_: object) -> None:
    """Warn of every broken link."""
    for page, link in broken_links(Path(config.site_dir)):
        LOG.warning(
            "%s: links to %s, which is not there; expected a file or place of the site: correct it.",
            page,
            link,
        )
