"""A finished study to figures and one HTML page; explained scans to pictures."""

from stratacam.report.page import write_report
from stratacam.report.strips import write_strips

__all__ = ["write_report", "write_strips"]
