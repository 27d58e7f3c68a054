"""What is measured and decided once models are trained: nothing of it trains one again."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from graft.catalog.data import Shift
from graft.catalog.section import Section, given_path
from graft.errors import CatalogError

Verdict = Literal["helps", "neutral", "hurts", "cannot-tell"]


class Evaluation(Section):
    """What is measured on test beside the verdict; a change trains nothing again."""

    robustness_rows: int = Field(500, ge=0)
    """Test rows on which corruptions are measured, at the most; 0 leaves corruptions out."""
    shifts: dict[str, Shift] = Field(default_factory=dict)
    """Shift sets by name: the same labels under other circumstances."""
    positive: str | None = None
    """Label of two that is to be found, such as an illness: sensitivity and specificity are measured at a threshold."""
    min_sensitivity: float | None = Field(None, gt=0, le=1)
    """Sensitivity that the threshold must have on rows held out of training. None: Youden's J chooses it."""

    @model_validator(mode="after")
    def _sensitive_to_something(self) -> Self:
        if self.min_sensitivity is not None and self.positive is None:
            raise ValueError("min_sensitivity needs `positive`, the label that is to be found")
        return self

    def positive_among(self, labels: Sequence[str]) -> int | None:
        """Return the place of `positive` among a target's labels; raises CatalogError where it has none there."""
        if self.positive is None:
            return None
        found = f"the labels are {', '.join(labels)}"
        if len(labels) != 2:
            raise CatalogError(
                f"evaluation.positive: a threshold parts two labels, and there are {len(labels)}; {found}"
            )
        if self.positive not in labels:
            raise CatalogError(f"evaluation.positive: no label '{self.positive}'; {found}")
        return labels.index(self.positive)


class Gates(Section):
    """The conditions under which a candidate becomes champion; a gate that cannot be evaluated has failed."""

    verdicts: tuple[Verdict, ...] = ("helps",)
    """Verdicts that may be promoted."""
    min_gain: float = 0.0
    """Least gain over the scratch control."""
    max_forgetting: float | None = Field(None, ge=0)
    """Most that the source's own metric may lose; none: not asked."""
    max_ece: float | None = Field(None, ge=0, le=1)
    """Largest expected calibration error after temperature scaling; none: not asked."""
    min_sensitivity: float | None = Field(None, ge=0, le=1)
    """Least sensitivity on test at the threshold (see `evaluation.positive`); none: not asked."""
    non_inferiority_margin: float = Field(0.01, ge=0)
    """The interval of the difference to the champion must lie above minus this, and its mean above zero."""
    approval: bool = False
    """Whether a person must promote what passes all of these; until then it awaits approval."""


class Watch(Section):
    """How recent inputs are held against those that the champion was made with; a change trains nothing again."""

    data: str | None = None
    """Recent inputs without labels, as for `data.path`. None: `graft watch --data` and the flow's parameter name it."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is which, where type and name do not tell."""
    max_auc: float = Field(0.7, ge=0.5, le=1)
    """Drift above this AUC of a classifier that tells recent inputs from those of then; 0.5 is guessing."""
    max_psi: float = Field(0.2, gt=0)
    """Drift above this population stability index of a column, or of the predicted labels."""

    _path = field_validator("data")(given_path)


class Retraining(Section):
    """When a retraining is worth its cost; a change trains nothing again."""

    choice: Literal["auto", "train", "ask"] = "auto"
    """`auto` goes by the estimate, `train` trains whatever is stale, `ask` waits for a person in the dashboard."""
    min_gain: float | None = None
    """`auto` skips a training that should gain less of the headline metric. None: `study.margin`."""
    ask_hours: float = Field(12.0, gt=0)
    """How long `ask` waits; after it the target is skipped until the next retraining."""
