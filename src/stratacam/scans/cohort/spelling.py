"""Values of a column that differ in their spelling only, which would be classes of their own."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from stratacam.errors import InputError

SEPARATOR = re.compile(r"(?<=[^\W\d])[ -](?=\w)|(?<=\w)[ -](?=[^\W\d])|[\"'`]")
"""Between letters and letters or digits; a sign before a number, or a range of numbers, is none."""


def check_spelling(where: str, values: Iterable[str]) -> None:
    """Raise InputError, which names `where` they stand, if values differ in their spelling only.

    Case, quotes, spaces, underscores, hyphens and the format of numbers do not make another value.

    Example:
        >>> check_spelling("participants.tsv", ["RRMS", "control", "RRMS"])
        >>> check_spelling("participants.tsv", ["RRMS", "rr-ms", "RRMS"])
        Traceback (most recent call last):
        ...
        stratacam.errors.InputError: participants.tsv: has 'RRMS' (2), 'rr-ms' (1) for what seems to be one value; \
expected one spelling: correct the table.
    """
    spellings: dict[str, Counter[str]] = {}
    for value in values:
        spellings.setdefault(in_common(value), Counter())[value] += 1
    several = [
        ", ".join(f"{value!r} ({count})" for value, count in counted.most_common())
        for counted in spellings.values()
        if len(counted) > 1
    ]
    if several:
        raise InputError(
            f"{where}: has {'; '.join(several)} for what seems to be one value; expected one spelling: correct the "
            "table."
        )


def in_common(value: str) -> str:
    """What all spellings of a value have in common."""
    plain = " ".join(unicodedata.normalize("NFKC", value).casefold().replace("_", " ").split())
    try:
        return repr(float(plain.replace(",", ".")))
    except ValueError:
        return SEPARATOR.sub("", plain)
