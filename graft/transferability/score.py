"""What a transferability score is: frozen features and labels in, one number out, higher for better transfer.

A score is cheap, because nothing is trained but at most a small linear model. It prunes; it never decides.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from graft.transferability.sample import Sample


@dataclass(frozen=True)
class UndefinedScore:
    """Why a score has no value on some rows; a study says so and goes on."""

    reason: str

    def __str__(self) -> str:
        return f"undefined: {self.reason}"


Value = float | UndefinedScore


@dataclass(frozen=True)
class Score:
    """A named score with the source it is taken from. A new one is a file beside this and a line in `SCORES`."""

    name: str
    title: str
    citation: str
    values: str
    """Between what its values lie."""
    needs: Literal["features", "probabilities"]
    """What it reads beside the labels."""
    undefined: str
    """When it has no value, beside what makes every score undefined."""
    measure: Callable[[Sample], Value]
    """The score of rows that are finite, not constant, and of at least two classes, one of them with two rows."""

    def __call__(self, sample: Sample) -> Value:
        """Return a finite number, higher for better transfer, or the reason why there is none; never NaN."""
        fault = sample.label_fault or (
            sample.probability_fault if self.needs == "probabilities" else sample.feature_fault
        )
        if fault:
            return UndefinedScore(fault)
        try:
            value = self.measure(sample)
        except np.linalg.LinAlgError as error:
            return UndefinedScore(f"its linear algebra did not come to an end ({error})")
        if isinstance(value, UndefinedScore) or math.isfinite(value):
            return value
        return UndefinedScore(f"it came out as {value}")
