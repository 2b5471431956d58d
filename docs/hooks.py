"""Hooks of the site: what they do to a page is in no file of `docs`, which GitHub and editors show as it is.

Pages and files of the repository that stand outside `docs` and are linked from it become part of the site.
"""

import html
import json
import re
from pathlib import Path
from posixpath import normpath

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "CITATION.cff": "repository/CITATION.cff.txt",
    "LICENSE": "repository/LICENSE.txt",
    "NOTICE": "repository/NOTICE.txt",
    "benchmarks/README.md": "benchmarks.md",
    "notebooks/demo.ipynb": "notebook-demo.md",
    "notebooks/explain_your_network.ipynb": "notebook-explain-your-network.md",
    "notebooks/read_a_study.ipynb": "notebook-read-a-study.md",
    "src/stratacam/scans/dicom/default_map.toml": "repository/default_map.toml.txt",
    "src/stratacam/scans/signs.toml": "repository/signs.toml.txt",
}
"""Files of the repository, and where they stand in the site; `.txt`, so that a browser shows them."""
LINK = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[)#])")
DIAGRAM = re.compile(r"^```mermaid\n.*?^```\n", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(
    r'<(span|div) class="arithmatex">\\(?:\((?P<text>.+?)\\\)|\[(?P<block>.+?)\\\])</\1>', re.DOTALL
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what stands outside `docs`."""
    for path, place in OUTSIDE.items():
        content = (ROOT / path).read_text(encoding="utf-8")
        if path.endswith(".ipynb"):
            content = page_of(content)
        files.append(File.generated(config, place, content=content))
    return files


def page_of(notebook: str) -> str:
    """A notebook as a page: its words and its code, without running it."""
    parts = []
    for cell in json.loads(notebook)["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join(parts)


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links to where files stand in the site, and drop diagrams that need a script from elsewhere."""
    if page.parent is None:
        page.meta["hide"] = ["navigation"]  # it would list this page alone
    places = {place: path for path, place in OUTSIDE.items()}
    source = Path(places.get(page.file.src_uri, f"docs/{page.file.src_uri}"))

    def led(link: re.Match[str]) -> str:
        target = normpath((source.parent / link[1]).as_posix())
        return OUTSIDE.get(target) or target.removeprefix("docs/")

    return LINK.sub(led, DIAGRAM.sub("", markdown))


def on_page_content(content: str, **_: object) -> str:
    """Formulas as MathML."""

    def drawn(formula: re.Match[str]) -> str:
        text, display = (formula["text"], "inline") if formula["text"] else (formula["block"], "block")
        mathml: str = convert(html.unescape(text).strip(), display=display)
        return mathml

    return FORMULA.sub(drawn, content)
