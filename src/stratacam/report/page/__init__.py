"""The report: one HTML page that holds everything it shows."""

from stratacam.report.page.write import write_report

__all__ = ["write_report"]
