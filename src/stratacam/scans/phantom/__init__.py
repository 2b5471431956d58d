"""A synthetic cohort of brain MRI with known truth."""

from stratacam.scans.phantom.cohort import make_cohort
from stratacam.scans.phantom.settings import PhantomSettings, groups, names
from stratacam.scans.phantom.subject import make_subject

__all__ = ["PhantomSettings", "groups", "make_cohort", "make_subject", "names"]
