"""The chapter "Which layer to believe": what `stratacam evidence` found, in words, tables and figures."""

from stratacam.report.evidence.chapter import Chapter, chapters
from stratacam.report.evidence.words import in_short

__all__ = ["Chapter", "chapters", "in_short"]
