"""The settings of the audit of confounds."""

from pydantic import BaseModel, Field


class ConfoundSettings(BaseModel, frozen=True, extra="forbid"):
    """What the group, and the outputs of the network within the groups, should not follow from."""

    columns: tuple[str, ...] = Field(
        default=(),
        description="further columns of participants.tsv or the table that may be confounds, such as education; age, "
        "sex, and columns of sites and scanners are audited without being named",
    )
