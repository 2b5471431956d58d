"""A finished study to figures and one HTML page."""

from stratacam.report.page import write_report

__all__ = ["write_report"]
