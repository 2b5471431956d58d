"""What a finished study left on disk, read for the report."""

from stratacam.report.content.study import StudyContent, own_layers, read_study, subject_label

__all__ = ["StudyContent", "own_layers", "read_study", "subject_label"]
