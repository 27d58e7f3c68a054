"""What a benchmark found, as it is written to `bench/results`."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from graft.manifest import write_whole

RESULTS = Path(__file__).parent / "results"


class Frozen(BaseModel):
    """A part of a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(Frozen):
    """Median, smallest and largest of the repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of at least one value."""
        return cls(median=median(values), low=min(values), high=max(values))


class Scale(Frozen):
    """How a comparison is read."""

    words: str
    unit: Literal["×", "%"]
    higher_is_better: bool

    @property
    def factor(self) -> int:
        """What a value is multiplied by when it is printed with its unit."""
        return 100 if self.unit == "%" else 1

    def reaches(self, value: float, aim: float) -> bool:
        """Say whether a value is as good as the aim."""
        return value >= aim if self.higher_is_better else value <= aim


class Guard(Frozen):
    """The quality without which a ratio means nothing."""

    name: str
    found: str
    holds: bool
    value: float | None = None
    """What was found as a number, where others add to it."""


class Against(Frozen):
    """Ours against one peer."""

    peer: str
    seconds: tuple[float, ...]
    """Of each repeat."""
    ratio: Spread
    """Over the repeats: the peer's seconds divided by ours of the same repeat."""
    reading: Spread
    """The same pairs of times on the comparison's scale."""
    aim: float | None
    reached: bool | None
    """Whether the median reaches the aim; None where there is none."""


class Measured(Frozen):
    """One comparison: the same work on the same input, done by ours and by each peer."""

    title: str
    data: str
    work: float
    """Units of work done in one repeat."""
    unit: str
    ours: str
    seconds: tuple[float, ...]
    scale: Scale
    against: tuple[Against, ...]
    guard: Guard
    notes: dict[str, str]
    once: bool = False
    """Whether it ran once only, being too long to repeat; its spread then says nothing."""


class Table(Frozen):
    """What a benchmark found, in words: a header and its rows."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Stem(Frozen):
    """One interval of a forest: an estimate and the truth, which has an error of its own."""

    group: str
    word: Literal["helps", "neutral", "hurts", "cannot-tell"]
    value: float
    low: float
    high: float
    truth: float
    truth_error: float


class Forest(Frozen):
    """Intervals side by side, each with what is true."""

    title: str
    axis: str
    margin: float
    rows: tuple[Stem, ...]


class Standing(Frozen):
    """What a model, its control and the trivial answer are worth, each a value and the ends of its interval."""

    name: str
    metric: str
    higher_is_better: bool
    transfer: tuple[float, float, float]
    scratch: tuple[float, float, float]
    trivial: tuple[float, float, float]

    @property
    def learned(self) -> bool:
        """Whether the model is better than the trivial answer with the intervals apart."""
        if self.higher_is_better:
            return self.transfer[1] > self.trivial[2]
        return self.transfer[2] < self.trivial[1]

    @property
    def bounded(self) -> bool:
        """Whether the metric is a share, or a rate of errors that is hardly above 1."""
        return max(self.transfer[0], self.scratch[0], self.trivial[0]) <= RATE


RATE = 1.5  # a word error rate may exceed 1


class Standings(Frozen):
    """Models side by side, each with its control and the trivial answer."""

    title: str
    axis: str
    rows: tuple[Standing, ...]


class Conclusion(Frozen):
    """What a benchmark says of all its comparisons together, or without any."""

    guards: tuple[Guard, ...] = ()
    tables: tuple[Table, ...] = ()
    forest: Forest | None = None
    standings: Standings | None = None


class Machine(Frozen):
    """Where a run was made; times of two machines are never compared."""

    cpu: str
    cores: int
    threads: int
    """Of torch, while it measured."""
    gpu: str | None
    device: str
    torch: str
    python: str
    load: float
    """Processes that wanted to run in the minute before the first benchmark."""

    @property
    def shared(self) -> bool:
        """Whether others kept half a core busy, or more."""
        return self.load >= 0.5


class Result(Frozen):
    """One benchmark, run once."""

    benchmark: str
    title: str
    method: str
    date: str
    repeats: int
    machine: Machine
    comparisons: tuple[Measured, ...]
    conclusion: Conclusion = Conclusion()

    @property
    def holds(self) -> bool:
        """Whether every guard holds."""
        guards = [*(measured.guard for measured in self.comparisons), *self.conclusion.guards]
        return all(guard.holds for guard in guards)

    @property
    def name(self) -> str:
        """What its file is called: one for each kind of device, so that a GPU's result replaces no CPU's."""
        return self.benchmark if self.machine.gpu is None else f"{self.benchmark}.gpu"


def write(result: Result, folder: Path = RESULTS) -> Path:
    """Write a result whole and return its path."""
    path = folder / f"{result.name}.json"
    write_whole(path, result.model_dump_json(indent=2) + "\n")
    return path


def read(path: Path) -> Result:
    """Return a result that was written."""
    return Result.model_validate_json(path.read_text())
