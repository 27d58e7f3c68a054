"""How often the answers were right: counts over answers whose truth is known."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from statistics import NormalDist, mean
from typing import get_args

from bench.answers import Answer
from bench.rules import RULES, choose
from bench.worse import Gated
from graft.catalog import Verdict as Word
from graft.evaluation.verdict import decide

WORDS: tuple[Word, ...] = get_args(Word)
TRUE_WORDS = WORDS[:-1]  # the truth can always tell
Z = NormalDist().inv_cdf(0.975)
BINS = (0.0025, 0.01, 0.02, 0.04, 0.08)  # of a difference in accuracy, at the gate


def true_word(answer: Answer, margin: float) -> Word:
    """Return what the verdict should be, were it certain."""
    return decide(answer.true_gain, answer.true_gain, margin)


def is_sure(answer: Answer, margin: float) -> bool:
    """Say whether the truth, which has an error too, is sure of that word with 95 % confidence."""
    reach = Z * answer.true_error
    return decide(answer.true_gain - reach, answer.true_gain + reach, margin) == true_word(answer, margin)


def confusion(answers: Sequence[Answer], margin: float) -> Counter[tuple[Word, Word]]:
    """Return the number of answers by (truth, verdict)."""
    return Counter((true_word(one, margin), decide(one.low, one.high, margin)) for one in answers)


def precision(counts: Mapping[tuple[Word, Word], int], word: Word) -> tuple[int, int]:
    """Return how many verdicts of that word were right, of how many."""
    said = sum(counts.get((truth, word), 0) for truth in TRUE_WORDS)
    return counts.get((word, word), 0), said


def recall(counts: Mapping[tuple[Word, Word], int], word: Word) -> tuple[int, int]:
    """Return how many truths of that word were found, of how many."""
    there = sum(counts.get((word, verdict), 0) for verdict in WORDS)
    return counts.get((word, word), 0), there


def covered(answers: Sequence[Answer]) -> int:
    """Return how many intervals hold the true gain."""
    return sum(one.low <= one.true_gain <= one.high for one in answers)


def expected_coverage(answers: Sequence[Answer]) -> float:
    """Return the share that perfect 95 % intervals of these widths would hold, the truth being uncertain itself."""

    def chance(answer: Answer) -> float:
        half = (answer.high - answer.low) / 2
        spread = ((half / Z) ** 2 + answer.true_error**2) ** 0.5
        return 1.0 if spread == 0 else 2 * NormalDist().cdf(half / spread) - 1

    return mean(map(chance, answers))


def _choose_by(rule: str, answer: Answer) -> str:
    return choose(rule, answer.tried)


POLICIES: dict[str, Callable[[Answer], str]] = {
    "the study": lambda one: one.chosen,
    "always fine-tune everything (full)": lambda one: "full",
    "always probe (linear-probe)": lambda one: "linear-probe",
    **{f"rule: {name}": partial(_choose_by, name) for name in RULES},
}


def regret(answer: Answer, strategy: str) -> float:
    """Return how much accuracy the best strategy has over this one; both are true means, the best is picked by its."""
    return max(answer.worth.values()) - answer.worth[strategy]


def gate_rates(gated: Sequence[Gated]) -> list[tuple[float, float, int, list[float]]]:
    """Return by bin of the damage (low, high): tests, and the shares that passed.

    The shares are those of the worse model, ours and the usual rule, then of the better one, likewise.
    """
    rates = []
    for low, high in pairwise(BINS):
        mine = [one for one in gated if low <= one.damage < high]
        tests = sum(one.draws for one in mine)
        passed = [
            (one.worse_passed, one.worse_passed_usual, one.better_passed, one.better_passed_usual) for one in mine
        ]
        rates.append((low, high, tests, [sum(kind) / tests for kind in zip(*passed, strict=True)] if tests else []))
    return rates
