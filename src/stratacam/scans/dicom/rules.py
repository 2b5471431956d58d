"""The map from DICOM to BIDS: rules on headers, labels of subjects, groups."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydicom.datadict import keyword_dict

from stratacam.errors import InputError
from stratacam.files import read_toml
from stratacam.scans import signs
from stratacam.scans.sequences import SEQUENCES

DEFAULT_MAP = Path(__file__).with_name("default_map.toml")

Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+$", strict=True)]
Group = Annotated[str, StringConstraints(pattern=r"^[^\t\r\n]+$", strict=True)]


def _known_sequence(value: object) -> str:
    if not isinstance(value, str) or value not in SEQUENCES:
        raise ValueError(f"is no sequence; expected one of {', '.join(SEQUENCES)}")
    return value


def _condition(value: object) -> str | tuple[float, float]:
    """Check the condition on one keyword; a number stands for the range that holds only it."""
    if isinstance(value, str):
        try:
            re.compile(value)
        except re.error as fault:
            raise ValueError(f"is not a regular expression ({fault})") from fault
        return value
    numbers = value if isinstance(value, list | tuple) else [value, value]
    if len(numbers) != 2 or any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise ValueError("expected a regular expression, a number, or two numbers [lowest, highest]")
    low, high = map(float, numbers)
    if not low <= high:
        raise ValueError("the first number is to be the smaller one")
    return low, high


Sequence = Annotated[str, PlainValidator(_known_sequence)]
Condition = Annotated[str | tuple[float, float], PlainValidator(_condition)]


class Rule(BaseModel):
    """One `[[rule]]`: the sequence that a series is, if every condition on its header holds.

    Further keys are DICOM keywords. A text is a regular expression searched in the value ("" where the keyword
    is absent; several values joined by a backslash), and the empty text asks for an absent value; a number
    asks for that number; two numbers for one between them, both included.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Condition]

    sequence: Sequence
    derived: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _check(self) -> "Rule":
        if not self.conditions:
            raise ValueError("has no condition; add one such as SeriesDescription = '(?i)mprage'")
        for keyword in self.conditions:
            if keyword not in keyword_dict:
                close = difflib.get_close_matches(keyword, [*keyword_dict, "derived", "sequence"], n=1)
                hint = (
                    f"did you mean {close[0]}? Write that"
                    if close
                    else "look it up in part 6 of the standard"
                )
                raise ValueError(f"{keyword} is not a DICOM keyword; {hint}")
        return self

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """By DICOM keyword, the condition on its value."""
        return self.__pydantic_extra__

    def unmet(self, header: Mapping[str, str]) -> list[str]:
        """The keywords whose condition does not hold for a header (keyword to text, "" where absent).

        Example:
            >>> rule = Rule(sequence="T2w", EchoTime=(60, 700), SeriesDescription="(?i)t2")
            >>> rule.unmet({"EchoTime": "", "SeriesDescription": "AX T2 TSE"})
            ['EchoTime']
        """
        return [keyword for keyword, wanted in self.conditions.items() if not _holds(wanted, header[keyword])]


class ImportMap(BaseModel):
    """A whole map: rules in order, exceptions, labels of subjects, groups of subjects."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: tuple[Rule, ...]
    allow: dict[Sequence, tuple[str, ...]] = {}  # sequence -> signs in spite of which a series is taken
    same_person: tuple[str, ...] = ()  # PatientIDs of one person each, whatever else their headers say
    subjects: dict[str, Label] | None = None  # PatientID -> label
    groups: dict[Label, Group] = {}  # label -> group

    @model_validator(mode="after")
    def _check(self) -> "ImportMap":
        if not self.rule:
            raise ValueError("rule: holds none; leave it out for the built-in rules, or add a [[rule]]")
        for sequence, names in self.allow.items():
            for name in names:
                if name not in signs.NAMES:
                    raise ValueError(
                        f"allow: {sequence} = {name!r} is no sign; allowed are {', '.join(signs.NAMES)}"
                    )
        labels = set((self.subjects or {}).values())
        by_case: dict[str, str] = {}
        for label in sorted(labels):
            other = by_case.setdefault(label.lower(), label)
            if other != label:
                raise ValueError(f"subjects: the labels {other} and {label} differ only in case; change one")
        for label in self.groups:
            if self.subjects is not None and label not in labels:
                raise ValueError(
                    f"groups: {label} is no label of [subjects], which has {', '.join(sorted(labels))}"
                )
        return self

    @property
    def keywords(self) -> frozenset[str]:
        """Every DICOM keyword that a decision asks for."""
        return signs.KEYWORDS.union(*(rule.conditions for rule in self.rule))

    def first_rule(self, header: Mapping[str, str]) -> int | None:
        """The position of the first rule that holds, from 0; None if none does."""
        return next((number for number, rule in enumerate(self.rule) if not rule.unmet(header)), None)

    def why_none(self, header: Mapping[str, str]) -> str:
        """Why no rule holds: the nearest one, and its conditions that fail."""
        number, unmet = min(
            ((number, rule.unmet(header)) for number, rule in enumerate(self.rule)),
            key=lambda one: len(one[1]),
        )
        rule = f"rule {number + 1} ({self.rule[number].sequence})"
        return f"no rule holds; the nearest is {rule}, but for {', '.join(unmet)}"


def read_map(path: Path | None) -> ImportMap:
    """Read and check a map; without a path, the built-in one, which has rules only.

    A map without `[[rule]]` keeps the built-in rules, and one that says nothing of a sequence in `[allow]` what
    is built in for that sequence.

    Raises:
        InputError: the file cannot be read, is not TOML, or has an unknown key or a wrong value.
    """
    built_in = tomllib.loads(DEFAULT_MAP.read_text(encoding="utf-8"))
    built_in["allow"] = {name: [signs.AGENT] for name, one in SEQUENCES.items() if not one.enhances}
    if path is None:
        return ImportMap.model_validate(built_in)
    content = read_toml(path, "name the map's TOML file")
    try:
        allow = content.get("allow", {})
        merged = {**built_in["allow"], **allow} if isinstance(allow, dict) else allow
        return ImportMap.model_validate({**built_in, **content, "allow": merged})
    except ValidationError as fault:
        raise InputError(
            "\n".join(f"{path}: {_describe(dict(error))}." for error in fault.errors())
        ) from fault


def _holds(condition: Condition, value: str) -> bool:
    if condition == "":
        return value == ""
    if isinstance(condition, str):
        return re.search(condition, value) is not None
    try:
        return condition[0] <= float(value) <= condition[1]
    except ValueError:
        return False


def _describe(error: dict[str, Any]) -> str:
    """One fault as a sentence: where, what was found, what is allowed."""
    parts = [part for part in error["loc"] if part != "[key]"]
    where = " ".join(f"{part + 1}" if isinstance(part, int) else part for part in parts[:2])
    where = ".".join([where, *map(str, parts[2:])])
    if error["type"] == "extra_forbidden":
        return f"{where} is not known; allowed are same_person, [[rule]], [allow], [subjects] and [groups]"
    if error["type"] == "missing":
        return f"{where} is missing; add sequence = one of {', '.join(map(repr, SEQUENCES))}"
    if error["type"] == "value_error" and isinstance(error["input"], dict):
        return f"{where}{': ' if where else ''}{error['ctx']['error']}"
    if error["type"] == "value_error":
        return f"{where} = {error['input']!r}: {error['ctx']['error']}"
    return f"{where} = {error['input']!r}: {error['msg']}"
