"""How long a step will take."""

import statistics
from collections.abc import Sequence


def time_left(durations: Sequence[float], running: Sequence[float], waiting: int) -> float | None:
    """Seconds until a step ends: the median of the tasks that are done, times what waits, shared by those that run.

    Of a task that runs, what it lacks of the median is left; the step does not end before its last task.

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
    median = statistics.median(durations)
    rests = [max(0.0, median - seconds) for seconds in running]
    if not rests:
        return 0.0
    return max(*rests, (sum(rests) + waiting * median) / len(rests), 0.0)
