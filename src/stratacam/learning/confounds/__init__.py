"""Does the group, or what a network says within a group, follow from what should not matter?

Statistics on arrays alone; `stratacam.study.steps.confounds` reads what they are about.
"""

from stratacam.learning.confounds.audit import Association, audit_groups, audit_outputs
from stratacam.learning.confounds.variables import Kind, Variable, features, numbers, words

__all__ = [
    "Association",
    "Kind",
    "Variable",
    "audit_groups",
    "audit_outputs",
    "features",
    "numbers",
    "words",
]
