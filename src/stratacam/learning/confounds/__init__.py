"""Does the group, or what a network says within a group, follow from what should not matter?

Statistics on arrays alone; `stratacam.study.steps.confounds` reads what they are about.
"""

from stratacam.learning.confounds.audit import Association, audit_groups, audit_outputs
from stratacam.learning.confounds.columns import (
    PERSON,
    SITE,
    acquisition_variables,
    by_group,
    table_variables,
    with_missing,
)
from stratacam.learning.confounds.settings import ConfoundSettings
from stratacam.learning.confounds.variables import Kind, Variable, features, numbers, words

__all__ = [
    "PERSON",
    "SITE",
    "Association",
    "ConfoundSettings",
    "Kind",
    "Variable",
    "acquisition_variables",
    "audit_groups",
    "audit_outputs",
    "by_group",
    "features",
    "numbers",
    "table_variables",
    "with_missing",
    "words",
]
