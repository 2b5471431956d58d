"""One scan as delivered to one prepared scan: masked, registered, bias-corrected, normalised, on one grid."""

from stratacam.scans.prepare.scan import prepare
from stratacam.scans.prepare.settings import PrepareSettings

__all__ = ["PrepareSettings", "prepare"]
