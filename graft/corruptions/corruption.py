"""What every corruption is: a function of an input, a severity and random draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np

    from graft.problems.examples import Examples

SEVERITIES = (1, 2, 3, 4, 5)  # as in Hendrycks and Dietterich 2019; 0 is the input itself

Input = TypeVar("Input")


class Corruption(Protocol[Input]):
    """One kind of damage. A new one is a function and a line in the literal of its file."""

    def __call__(self, given: Input, severity: int, random: np.random.Generator, /) -> Input:
        """Return the input damaged to a severity from 1 to 5, of the same type and mode.

        Images keep their size, and clips their rate.

        The same draws come at every severity, so that a higher one does more of the same: the noise is louder, and
        a word that was dropped stays dropped.
        """


@dataclass(frozen=True)
class Family:
    """The corruptions of one kind of input, and how the cells of a table hold such inputs."""

    column: str
    """The canonical column of the inputs."""
    members: Mapping[str, Corruption[Any]]
    """The corruptions by name."""
    read: Callable[[Any], Any]
    """From a cell to the input."""
    reduce: Callable[[Any, int], Any]
    """From an input to one that is no finer than a number of pixels, or samples a second; texts stay as they are."""
    identify: Callable[[Any], str]
    """From an input to what tells it from others: the draws depend on it."""
    write: Callable[[Any], Any]
    """From an input to a cell."""
    resolution: Callable[[Examples, Any], int | None] = lambda examples, processor: None
    """From examples and their processor to how fine the network sees inputs, for `reduce`; None: as they are."""
