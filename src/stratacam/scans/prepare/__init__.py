"""One scan as delivered to one prepared scan: masked, registered, bias-corrected, normalised, on one grid."""

from stratacam.scans.prepare.scan import prepare
from stratacam.scans.prepare.settings import PrepareSettings, completed

__all__ = ["PrepareSettings", "completed", "prepare"]
