"""A finished study to figures and one HTML page; explained scans and planted lesions to pictures."""

from stratacam.report.benchmark_figures import draw_benchmark
from stratacam.report.page import write_report
from stratacam.report.refresh import refresh_report
from stratacam.report.strips import write_strips

__all__ = ["draw_benchmark", "refresh_report", "write_report", "write_strips"]
