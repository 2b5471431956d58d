"""The chapter "Which layer to believe": what `stratacam evidence` found, in words, tables and figures."""

from stratacam.report.evidence.chapter import Chapter, chapters

__all__ = ["Chapter", "chapters"]
