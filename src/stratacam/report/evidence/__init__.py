"""The chapter "Which layer to believe": what `stratacam evidence` found, in words, tables and figures."""

from stratacam.report.evidence.chapter import EvidenceChapter, evidence_chapters

__all__ = ["EvidenceChapter", "evidence_chapters"]
