"""What one expectation is."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """One expectation: values of a column of `rows`, or a fact, lie within bounds."""

    name: str
    title: str
    """What is expected, as a sentence."""
    table: Literal["rows", "facts"]
    column: str
    severity: Severity
    low: float | None = None
    high: float | None = None
    above: bool = False
    """Values must be greater than `low`, not only as great."""

    @property
    def threshold(self) -> str:
        """Return the bounds as a person would write them."""
        low = [f"{'>' if self.above else '≥'} {self.low:g}"] if self.low is not None else []
        return ", ".join([*low, *([f"≤ {self.high:g}"] if self.high is not None else [])])
