"""Numbers of the report as text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

NOT_KNOWN = "-"


def decimal(value: float | None) -> str:
    """Two decimals, without the sign of a number that is 0 to these; a dash where there is no number.

    Example:
        >>> decimal(0.123), decimal(-0.001), decimal(None), decimal(float("nan"))
        ('0.12', '0.00', '-', '-')
    """
    if value is None or math.isnan(value):
        return NOT_KNOWN
    return f"{round(value, 2) + 0.0:.2f}"


def interval(limits: Sequence[float] | None) -> str:
    """Write "0.36 to 1.00"; a dash where there is none."""
    if limits is None or any(map(math.isnan, limits)):
        return NOT_KNOWN
    return f"{decimal(limits[0])} to {decimal(limits[1])}"


def estimate(found: Mapping[str, Any] | None) -> str:
    """Write "0.67 (0.36 to 0.90)"; a dash for nothing.

    Example:
        >>> estimate({"value": 0.5, "interval": [0.25, 0.75]}), estimate(None)
        ('0.50 (0.25 to 0.75)', '-')
    """
    if found is None:
        return NOT_KNOWN
    limits = found["interval"]
    known = interval(limits) != NOT_KNOWN
    return decimal(found["value"]) + (f" ({interval(limits)})" if known else "")


def estimate_of(value: float | None, low: float | None, high: float | None) -> str:
    """Write "0.67 (0.36 to 0.90)"; without brackets where there is no interval, a dash where there is no number.

    Example:
        >>> estimate_of(0.5, 0.25, 0.75), estimate_of(0.5, None, None), estimate_of(None, None, None)
        ('0.50 (0.25 to 0.75)', '0.50', '-')
    """
    if value is None or math.isnan(value):
        return NOT_KNOWN
    if low is None or high is None or math.isnan(low):
        return decimal(value)
    return f"{decimal(value)} ({decimal(low)} to {decimal(high)})"


def small(p_value: float | None) -> str:
    """Two significant digits and two decimals at least, rounded up: no p-value is written as less than it is.

    Example:
        >>> small(0.0123), small(0.5), small(1.0), small(0.00004), small(None)
        ('0.013', '0.50', '1.00', '< 0.001', '-')
    """
    if p_value is None or math.isnan(p_value):
        return NOT_KNOWN
    if p_value < 0.001:
        return "< 0.001"
    digits = 1 - math.floor(math.log10(p_value))
    rounded = math.ceil(p_value * 10**digits - 1e-9) / 10**digits
    return f"{rounded:.{max(2, 1 - math.floor(math.log10(rounded)))}f}"


def counted(number: int, name: str) -> str:
    """Write "1 subject" or "12 subjects"; people are many persons.

    Example:
        >>> counted(1, "subject"), counted(3, "slice"), counted(1, "person"), counted(2, "person")
        ('1 subject', '3 slices', '1 person', '2 people')
    """
    plural = "people" if name == "person" else f"{name}s"
    return f"{number} {name if number == 1 else plural}"


def sentence_case(text: str) -> str:
    """With a capital in front, and the rest as it is.

    Example:
        >>> sentence_case("multi-scale Grad-CAM")
        'Multi-scale Grad-CAM'
    """
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str], *, last: str = "and") -> str:
    """Write "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
