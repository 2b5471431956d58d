"""Seconds for readers."""


def duration(seconds: float) -> str:
    """Seconds, minutes, hours or days, as exactly as is of use.

    Example:
        >>> duration(0.42), duration(20.4), duration(59.6), duration(754), duration(7620), duration(200000)
        ('0.4 s', '20 s', '1 min', '13 min', '2 h 7 min', '2 d 8 h')
    """
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 60 * 24:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    hours = round(seconds / 3600)
    return f"{hours // 24} d" + (f" {hours % 24} h" if hours % 24 else "")


def rate(count: int, seconds: float) -> str:
    """How many in a second, minute or hour, whichever gives a number from 1 on.

    Example:
        >>> rate(30, 10), rate(12, 300), rate(3, 7200)
        ('3.0 per second', '2.4 per minute', '1.5 per hour')
    """
    each = count / max(seconds, 1e-9)
    for unit, length in (("second", 1), ("minute", 60)):
        if each * length >= 1:
            return f"{each * length:.1f} per {unit}"
    return f"{each * 3600:.1f} per hour"
