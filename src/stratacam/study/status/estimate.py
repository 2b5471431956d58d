"""How long a step will take."""

import statistics
from collections.abc import Sequence


def time_left(durations: Sequence[float], running: Sequence[float], waiting: int) -> float | None:
    """Seconds until a step ends: what a task takes, times what waits, shared by those that run.

    A task takes the median of those that are done, or the median of how long those that run have been at it where that
    is longer. What one that runs lacks of that is left of it; the step does not end before its last task.

    Args:
        durations: seconds of tasks that are done.
        running: seconds for which each has been running.
        waiting: number of tasks that have not begun.

    Returns:
        None where nothing can be said: none is done, or tasks wait and none runs.

    Example:
        >>> time_left([10, 20, 30], running=[5, 25], waiting=4)
        47.5
        >>> time_left([], running=[5], waiting=4)
    """
    if not durations or (waiting and not running):
        return None
    one = statistics.median(durations)
    if running:
        one = max(one, statistics.median(running))
    rests = [max(0.0, one - seconds) for seconds in running]
    if not rests:
        return 0.0
    return max(*rests, (sum(rests) + waiting * one) / len(rests), 0.0)
