"""A finished study for trackers of experiments: one module and one entry of `TRACKERS` for each."""

from stratacam.export.trackers.logged import Logged, LoggedRun, read_logged
from stratacam.export.trackers.registry import TRACKERS, log_to

__all__ = ["TRACKERS", "Logged", "LoggedRun", "log_to", "read_logged"]
