"""What subjects say together: intervals, and verdicts that hold their error rate over layers and methods together.

Subjects are the unit. Below `MINIMUM_SUBJECTS` no verdict is given.
"""

from stratacam.evidence.inference.means import mean_interval
from stratacam.evidence.inference.simultaneous import MINIMUM_SUBJECTS, Simultaneous, simultaneous

__all__ = ["MINIMUM_SUBJECTS", "Simultaneous", "mean_interval", "simultaneous"]
