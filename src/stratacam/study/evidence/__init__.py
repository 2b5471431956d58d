"""Evidence for a trained study: every scan in a task of its own, then tables over subjects."""

from stratacam.study.evidence.run import measure_evidence

__all__ = ["measure_evidence"]
