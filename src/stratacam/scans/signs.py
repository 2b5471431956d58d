"""Signs in a name or header that an image is no plain scan of the head, whatever its timing. Words: `signs.toml`."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stratacam.scans.sequences import find_sequence

AGENT = "contrast agent"
SECONDARY = "secondary"
ECHOES = "several echoes"
FIELD = "susceptibility or field map"
LOCALISER = "localiser"
PART = "complex part"
SUBTRACTION = "subtraction"
DIR = "double inversion"
ELSEWHERE = "other part of the body"

AGENT_TEXTS = ("SeriesDescription", "ProtocolName", "ImageComments")
TEXTS = (*AGENT_TEXTS, "SequenceName", "PulseSequenceName")
EXAM_PROTOCOL = re.compile("^GE ")  # manufacturers whose ProtocolName names the examination, not the series
AGENT_TAGS = (
    "ContrastBolusAgent", "ContrastBolusAgentSequence", "ContrastBolusAgentAdministered", "ContrastBolusAgentDetected",
    "ContrastBolusRoute", "ContrastBolusAdministrationRouteSequence", "ContrastBolusVolume",
    "ContrastBolusStartTime", "ContrastBolusStopTime", "ContrastBolusTotalDose", "ContrastFlowRate",
    "ContrastFlowDuration", "ContrastBolusIngredient", "ContrastBolusIngredientCodeSequence",
    "ContrastBolusIngredientConcentration",
)  # fmt: skip
NO_AGENT = re.compile(
    r"\W*(|no\b.*|none.*|non|not\b.*|n|nil|null|false|0+(\.0*)?|n/?a|without.*|ohne.*|kein.*|unknown)\W*",
    re.IGNORECASE,
)
CSF_T1_MS = 4200.0
NULLS_WATER = (0.75, 1.25)  # inversion time of a FLAIR, as a part of the one that nulls water


def _words(*patterns: str) -> re.Pattern[str]:
    """Words in text as `plain_text` gives it; a blank stands for one or none."""
    either = "|".join(patterns).replace(" ", " ?")
    return re.compile(f"(?<![a-z])(?:{either})(?![a-z])")


@dataclass(frozen=True)
class Sign:
    """What gives away a kind of image; any of these suffices."""

    words: re.Pattern[str]
    image_types: frozenset[str]
    header: Mapping[str, str]  # keyword -> regular expression for its value


def _read_signs() -> dict[str, Sign]:
    content = tomllib.loads(Path(__file__).with_name("signs.toml").read_text(encoding="utf-8"))
    return {
        name: Sign(_words(*entry.pop("words")), frozenset(entry.pop("image_types", ())), entry)
        for name, entry in content.items()
    }


SIGNS: Mapping[str, Sign] = _read_signs()
NAMES = (*SIGNS, AGENT, ECHOES)
KEYWORDS = frozenset(
    {*TEXTS, *AGENT_TAGS, "Manufacturer", "BodyPartExamined", "ScanningSequence"}
    | {"EchoTime", "RepetitionTime", "InversionTime"}
    | {keyword for sign in SIGNS.values() for keyword in sign.header}
)

_AGENTS = (
    r"gd|gad\w*|gbca|dotarem|magnevist|multihance|prohance|omniscan|clariscan|primovist|eovist|vueway|elucirem|"
    r"ferum\w*|feraheme|dtpa|km|mdc|d?ce|[ck]ontrast\w*|cont|inj\w*|bolus|enhanc\w*"
)
_NOT_AFTER = (
    "op|surg|treat|rt|tx|rx|fossa|proc|rad|chemo|therap|stroke|trauma|resect|natal|partum|ictal|ses|visit"
)
_WITHOUT = (
    r"pre|w o|without|no|non|not|sans|ohne|vor|senza|sin|sem|zonder|voor|uten|utan|uden|before|avant|antes|bez|kein\w*|"
    r"un|nativ\w*"
)
_GLUED = "(?:sag|cor|tra|ax|t1w?i?|mprage|mpr|spgr|bravo|se|tse|fse|vibe|space|flair|3d|2d|with|plus|mit|avec)*"  # t1gd
AGENT_GIVEN = _words(
    rf"{_GLUED}(?:{_AGENTS})",
    rf"{_GLUED}post (?:{_AGENTS}|c|cm)",
    rf"{_GLUED}post(?! (?:{_NOT_AFTER}))",
    r"t1w? c|delayed|nach(?! op)|apr[eè]s|pc|(?:double|single) dose",
)
PLUS_AGENT = re.compile(r"\+ ?(?:c|cm|gd|km)(?![a-z])|(?<![a-z])c ?\+")
WITH_AND_WITHOUT = _words("w(?:ith)? (?:and )?w(?:ith)? o(?:ut)?", "pre (?:and )?post")
AGENT_ABSENT = _words(
    rf"(?:{_WITHOUT})(?: (?:the|any|iv|i v))? (?:{_AGENTS}|c|cm)(?: (?:agent|medi\w+|{_AGENTS}))*"
)


def find_signs(
    header: Mapping[str, str], image_type: tuple[str, ...], sequence: str | None
) -> dict[str, str]:
    """Signs that a DICOM header shows, and by which of its entries.

    Args:
        header: DICOM keyword -> text, for every one of `KEYWORDS`.
        image_type: in upper case.
        sequence: what the series is by its timing, if anything.

    Returns:
        Name of a sign (a key of `SIGNS`, or AGENT) -> the entry that shows it; never its text.

    Example:
        >>> header = dict.fromkeys(KEYWORDS, "") | {"SeriesDescription": "t1_mprage_sag_KM"}
        >>> find_signs(header, ("ORIGINAL", "PRIMARY", "M"), "T1w")
        {'contrast agent': 'SeriesDescription'}
    """
    texts = {keyword: plain_text(header[keyword]) for keyword in TEXTS}
    if EXAM_PROTOCOL.match(header["Manufacturer"].upper()):
        del texts["ProtocolName"]
    found = {}
    for name, sign in SIGNS.items():
        shown = [keyword for keyword, text in texts.items() if sign.words.search(text)]
        shown += ["ImageType"] if sign.image_types.intersection(image_type) else []
        shown += [keyword for keyword, pattern in sign.header.items() if re.search(pattern, header[keyword])]
        if shown:
            found[name] = shown[0]
    if SIGNS[ELSEWHERE].words.search(plain_text(header["BodyPartExamined"])):
        found.setdefault(ELSEWHERE, "BodyPartExamined")
    if sequence and find_sequence(sequence).nulls_fluid and not _nulls_water(header):
        found.setdefault(DIR, "InversionTime")
    named = (keyword for keyword in AGENT_TEXTS if names_agent(texts.get(keyword, "")))
    if agent := agent_tag(header) or next(named, None):
        found[AGENT] = agent
    return found


def plain_text(text: str) -> str:
    """Lower case, blanks for punctuation except * and +, words in camel case apart, "-C" spelled out."""
    apart = re.sub("(?<=[a-z])(?=[A-Z])", " ", text).lower()
    return re.sub(r"[^\w*+]+|_+", " ", re.sub(r"-\s?c(?![a-z])", " no contrast ", apart))


def names_agent(text: str) -> bool:
    """Whether text, as `plain_text` gives it, says that a contrast agent was given before the image."""
    rest = AGENT_ABSENT.sub(" ", text)
    return bool(WITH_AND_WITHOUT.search(text) or AGENT_GIVEN.search(rest) or PLUS_AGENT.search(rest))


def agent_tag(header: Mapping[str, str]) -> str | None:
    """The tag that says that a contrast agent was given before the image, if any does."""
    if header.get("ContrastBolusAgentAdministered") == "NO":
        return None
    return next((tag for tag in AGENT_TAGS if not NO_AGENT.fullmatch(header.get(tag, ""))), None)


def _nulls_water(header: Mapping[str, str]) -> bool:
    """Whether water is near zero at the inversion time; true where the times are missing."""
    try:
        repetition, inversion = float(header["RepetitionTime"]), float(header["InversionTime"])
    except ValueError:
        return True
    if repetition <= 0:
        return True
    nulling = CSF_T1_MS * (math.log(2) - math.log1p(math.exp(-repetition / CSF_T1_MS)))
    return NULLS_WATER[0] <= inversion / nulling <= NULLS_WATER[1]
