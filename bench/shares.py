"""What part of a study fused training could touch, and so the most that it could save."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.pairs import PAIRS, Pair, ready, silent
from bench.results import Table
from bench.table import figures
from graft.catalog import Study
from graft.strategies import find_strategy
from graft.study import train_finals
from graft.study.trial import Outcome

STEPS = 40  # of a trial; all else is as in a default study
ONE, THREE = (1e-3,), (3e-4, 1e-3, 3e-3)
CASES = ((PAIRS[0], ONE), (PAIRS[0], THREE), (PAIRS[3], ONE))
HEAD, BLOCK = "linear-probe", "top-1"
NOTE = f"""\
Whole searches and their final models, with the strategies, seeds and folds of a default study, {STEPS} steps and 20
labels per class. Label curve, test and report are not counted: of all that a run does, the shares are smaller.
*Heads* are the trials of {HEAD} and the phases in which other strategies train the head alone, taken to cost what
those steps cost there. *One block* are the trials of {BLOCK}. *At most* is what would be saved if both cost nothing.
Then what is saved at the speeds measured above, with three trials in a stack at one learning rate and nine at three:
by a stack in place of the loop, and by the bare loop, whose bits are the loop's. The last column is what is left for
fusing itself."""

Speeds = Mapping[str, tuple[float, float]]
"""How many times as fast as the loop a stack and the bare loop are, for `trials part network`."""


@dataclass(frozen=True)
class Shares:
    """Parts of a study's seconds."""

    seconds: float
    heads: float
    """Share of them."""
    block: float

    def saved(self, head: float, block: float) -> float:
        """Return the share that is saved where heads and one block train so many times as fast."""
        return self.heads * (1 - 1 / head) + self.block * (1 - 1 / block)


def measure_shares(speeds: Speeds, cases: Sequence[tuple[Pair, tuple[float, ...]]] = CASES) -> Table:
    """Run studies and return what fusing could save of each."""
    rows = [_row(pair, rates, run_study(pair, rates), speeds) for pair, rates in cases]
    columns = ("pair", "learning rates", "study", "heads", "one block", "at most")
    return Table(
        title="What it could save of a study", note=" ".join(NOTE.split()),
        columns=(*columns, "a stack", "a bare loop", "fusing itself"), rows=tuple(rows),
    )  # fmt: skip


def _row(pair: Pair, rates: Sequence[float], found: Shares, speeds: Speeds) -> tuple[str, ...]:
    network, count = "ResNet" if pair.problem.startswith("image") else "BERT", 3 * len(rates)
    parts = [speeds[f"{count} trials, {part} of a {network}"] for part in ("the head", "the head and the last block")]
    stack, bare = (found.saved(*side) for side in zip(*parts, strict=True))
    shares = (found.heads, found.block, found.heads + found.block, stack, bare, stack - bare)
    return (str(pair), str(len(rates)), f"{figures(found.seconds)} s", *(f"{100 * share:.1f} %" for share in shares))


def run_study(pair: Pair, rates: tuple[float, ...]) -> Shares:
    """Run a search and its final models, and return where the seconds went."""
    with ready(pair, Study(budget_steps=STEPS, learning_rates=rates), draw=0) as found:
        bench, result = found.search()
        for _ in train_finals(bench, result, silent):
            pass
    recording = bench.recording.seconds if bench.recording else 0.0
    return divide(result.outcomes, recording)


def divide(outcomes: Sequence[Outcome], recording: float) -> Shares:
    """Return the shares of a study's trials and final models."""
    seconds, trials = defaultdict[str, float](float), defaultdict[str, int](int)
    for one in outcomes:
        seconds[one.strategy] += one.seconds
        trials[one.strategy] += 1
    total = recording + sum(seconds.values())
    probe = seconds[HEAD] / max(trials[HEAD], 1)
    phases = sum(probe * trials[name] * share for name, share in _head_phases(trials))
    return Shares(total, (seconds[HEAD] + phases) / total, seconds[BLOCK] / total)


def _head_phases(strategies: Sequence[str] | Mapping[str, int]) -> Iterator[tuple[str, float]]:
    """Yield the strategies that train the head alone before other layers, and the share of their steps."""
    for name in strategies:
        phases = find_strategy(name).phases
        if len(phases) > 1:
            yield name, sum(phase.share for phase in phases if phase.blocks == 0)
