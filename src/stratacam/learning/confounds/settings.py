"""The settings of the audit of confounds."""

from typing import Self

from pydantic import BaseModel, Field, model_validator


class ConfoundSettings(BaseModel, frozen=True, extra="forbid"):
    """What the group, and the outputs of the network within the groups, should not follow from."""

    columns: tuple[str, ...] = Field(
        default=(),
        description="further columns of participants.tsv or the table that may be confounds, such as education; age, "
        "sex, and columns of sites and scanners are audited without being named",
    )
    harmonise: str | None = Field(
        default=None,
        description="column of participants.tsv or the table, such as site, whose effect on simple measures is taken "
        "off by ComBat, learned in the training subjects of each fold; baselines only, absent: none",
    )
    keep_groups: bool = Field(
        default=False,
        description="whether ComBat leaves differences of the groups within sites out of its estimate of sites; what "
        "sites share with groups is otherwise taken off too",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.keep_groups and self.harmonise is None:
            raise ValueError(
                "keep_groups is about harmonise; name the column of sites there, or leave it out"
            )
        return self
