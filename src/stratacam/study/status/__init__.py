"""How far a study is, told from its logs and marks by whoever looks at it: no library of networks is needed."""

from stratacam.study.status.look import Look
from stratacam.study.status.state import StudyState

__all__ = ["Look", "StudyState"]
