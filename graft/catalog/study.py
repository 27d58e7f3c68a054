"""The search over strategies for one target."""

from typing import Any, Literal

from pydantic import Field, field_validator

from graft.catalog.training import Optimization

Probe = Literal["knn", "ridge_probe", "logistic_probe"]


class Study(Optimization):
    """The search over strategies for one target."""

    strategies: tuple[str, ...] = Field(("linear-probe", "top-1", "top-2", "top-half", "full", "lp-ft"), min_length=1)
    """Strategies to try; the scratch control always runs beside them."""
    metric: str | None = None
    """Headline metric: what selection, verdict, label curve, robustness and gates go by. None: the usual one."""
    seeds: int = Field(3, ge=2)
    """Seeds of each strategy, and models trained for the final comparison."""
    learning_rates: tuple[float, ...] = Field((1e-3,), min_length=1)
    """Peak learning rates to try, for the control as for the strategies."""
    budget_steps: int = Field(100, ge=1)
    """Optimizer steps of one trial."""
    max_trials: int | None = Field(None, ge=1)
    """Trials of the search at the most, the control's among them; final models come on top. None: no limit."""
    max_steps: int | None = Field(None, ge=1)
    """Optimizer steps of the search at the most, counted like `max_trials`. None: no limit."""
    max_seconds: float | None = Field(None, gt=0)
    """Seconds that trials and final models may take; what is compared then depends on the machine. None: no limit."""
    batch_size: int = Field(16, ge=1)
    """Rows per optimizer step."""
    halving: int = Field(2, ge=1)
    """After 2, 4, 8 trials and so on one candidate in this many goes on, and all that could be chosen; 1 drops none."""
    prune: tuple[Probe, ...] = ()
    """Scores that must all put a depth clearly behind a lower one for it to be left out; none: every depth is tried."""
    folds: int = Field(5, ge=2)
    """Folds of the selection where labels are few."""
    few_labels: int = Field(50, ge=0)
    """Below this many labels of the smallest class selection is by k-fold, from it on by a validation part."""
    patience: int = Field(5, ge=1)
    """Validation measurements without a better loss after which a trial ends (validation part only)."""
    max_forgetting: float | None = Field(None, ge=0)
    """Most of its own metric that the source may lose in a candidate's trials; none: forgetting decides nothing."""
    replay: float = Field(0.0, ge=0, lt=1)
    """Share of each step that goes to training rows of the source, while layers below the head train."""
    margin: float = Field(0.01, ge=0)
    """Gain that matters: what the verdict holds its interval against, and the most a cheaper choice may give away."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Coverage of every interval."""
    resamples: int = Field(2000, ge=100)
    """Bootstrap resamples."""
    warm_start: bool = True
    """Whether the search goes on from an earlier one of nearly the same labelled rows, none of them a test row now."""
    report: tuple[Literal["pareto"], ...] = ("pareto",)
    """What the report draws of the search beside its verdict; one word needs no list."""

    @field_validator("strategies", "learning_rates")
    @classmethod
    def _each_is_tried_once(cls, tried: tuple[Any, ...]) -> tuple[Any, ...]:
        if twice := sorted({one for one in tried if tried.count(one) > 1}):
            raise ValueError(f"every one once; twice: {', '.join(map(str, twice))}")
        return tried

    @field_validator("learning_rates")
    @classmethod
    def _rates_descend(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if any(rate <= 0 for rate in rates):
            raise ValueError("every learning rate is above 0")
        return rates

    @field_validator("report", mode="before")
    @classmethod
    def _one_word(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    label_counts: tuple[int, ...] | None = None
    """Labels per class where the label curve is measured, beside the whole budget; none: log-spaced; `[]`: no curve."""

    @field_validator("label_counts")
    @classmethod
    def _counts_can_be_drawn(cls, counts: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if twice := sorted({count for count in counts or () if (counts or ()).count(count) > 1}):
            raise ValueError(f"every count once; twice: {', '.join(map(str, twice))}")
        if any(count < 1 for count in counts or ()):
            raise ValueError("every count is at least 1 label per class")
        return counts
