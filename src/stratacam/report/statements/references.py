"""The works that a methods section may cite: `works.bib`, as text and as BibTeX."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

CITATION = re.compile(r" ?\[@([\w+-]+)\]")
"""How a text names a work: "Grad-CAM [@gradcam]"."""

ENTRY = re.compile(r"@\w+\{([\w+-]+),\n.*?\n\}\n", re.DOTALL)
FIELD = re.compile(r"^  (\w+) = \{+(.*?)\}+,?$", re.MULTILINE)

OF_LISTS = ("claim", "tripod", "cards")
"""Works on reporting, which every report follows."""

NAMED = 3
"""Authors that a list of references names; of more, the first."""


@cache
def works() -> dict[str, str]:
    """Key to entry, of every work."""
    text = files("stratacam.report.statements").joinpath("works.bib").read_text(encoding="utf-8")
    return {found[1]: found[0] for found in ENTRY.finditer(text)}


def cited(texts: Iterable[str]) -> list[str]:
    """Keys of the works that texts cite, in the order of their first citation."""
    return list(dict.fromkeys(key for text in texts for key in CITATION.findall(text)))


def numbered(text: str, keys: list[str]) -> str:
    """A text with numbers for its citations.

    Example:
        >>> numbered("Grad-CAM [@gradcam] after AdamW [@adamw].", ["adamw", "gradcam"])
        'Grad-CAM [2] after AdamW [1].'
    """
    return CITATION.sub(lambda found: f" [{keys.index(found[1]) + 1}]", text)


def bibtex(keys: Iterable[str]) -> str:
    """The content of a BibTeX file."""
    return "\n".join(works()[key] for key in keys)


def reference(key: str) -> str:
    """A work as a line of a list of references.

    Example:
        >>> reference("mover").split(". ")[0]
        'Zou and Donner'
    """
    fields = dict(FIELD.findall(works()[key]))
    surnames = [name.split(",")[0] for name in fields["author"].split(" and ")]
    several = len(surnames) > NAMED or "others" in surnames
    who = f"{surnames[0]} et al." if several else " and ".join(surnames)
    venue = next(fields[name] for name in ("journal", "booktitle", "howpublished") if name in fields)
    volume, pages = fields.get("volume", ""), fields.get("pages", "").replace("--", "-")
    where = " ".join(filter(None, (venue, volume))) + (f", {pages}" if pages else "")
    numbers = [
        f"{name}:{fields[field]}" for name, field in (("doi", "doi"), ("arXiv", "eprint")) if field in fields
    ]
    return " ".join(
        (f"{who.removesuffix('.')}.", f"{fields['title']}.", f"{where} ({fields['year']}).", *numbers)
    )
