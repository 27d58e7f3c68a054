"""The tables of the answers: each study, the words, the intervals, the choices and the gate."""

from collections.abc import Iterable, Sequence
from statistics import mean

from bench import tally
from bench.answers import Answer
from bench.results import Table
from bench.worse import Gated
from graft.catalog import Study

WIDER = (0.03, 0.05)  # margins that the same intervals are asked with, too


def tables(answers: Sequence[Answer], study: Study) -> tuple[Table, ...]:
    """Return every table."""
    gated = [one for answer in answers for one in answer.gated]
    words = [_words(answers, margin) for margin in (study.margin, *WIDER)]
    return (_studies(answers), *words, _quality(answers, (study.margin, *WIDER)), _choices(answers), _gate(gated))


def _studies(answers: Sequence[Answer]) -> Table:
    return Table(
        title="Every study",
        note="Gain and truth in points of accuracy over the control, of the chosen strategy; the truth with its "
        "standard error. *Agrees* says whether the verdict is that of the truth; in brackets where the truth itself is "
        "less than 95 % sure. Forgetting is what the source lost of its own metric (of a language model: nats). "
        "Seconds are of the processor.",
        columns=(
            *("pair", "source", "draw", "verdict", "strategy"),
            *("gain (95 % interval)", "truth", "agrees", "forgetting", "seconds"),
        ),
        rows=tuple(_study(one) for one in answers),
    )


def _study(one: Answer) -> tuple[str, ...]:
    truth = tally.true_word(one, one.margin)
    agrees = "cannot tell" if one.verdict == "cannot-tell" else "yes" if one.verdict == truth else "**no**"
    told = f"{agrees}: truly {truth}"
    return (
        one.pair,
        one.nature,
        str(one.draw),
        one.verdict,
        one.chosen,
        f"{points(one.gain)} ({points(one.low)} to {points(one.high)})",
        f"{points(one.true_gain)} ± {100 * one.true_error:.1f}",
        told if tally.is_sure(one, one.margin) else f"({told})",
        f"{one.forgetting:+.2f} nats" if one.forgetting_metric == "loss" else points(one.forgetting),
        f"{one.seconds:.0f}",
    )


def _words(answers: Sequence[Answer], margin: float) -> Table:
    counts = tally.confusion(answers, margin)
    verdicts = [*tally.TRUE_WORDS, "cannot-tell"]
    rows = []
    for truth in tally.TRUE_WORDS:
        said = [str(counts[truth, verdict]) for verdict in tally.WORDS]
        right, of = tally.precision(counts, truth)
        found, there = tally.recall(counts, truth)
        rows.append((f"truly {truth}", *said, share(right, of), share(found, there)))
    unsure = sum(not tally.is_sure(one, margin) for one in answers)
    return Table(
        title=f"Verdicts at a margin of {100 * margin:g} point{'s' if margin > 0.01 else ''}",
        note=f"Studies by what is true and what was said. The truth is sure of its word in {len(answers) - unsure} of "
        f"{len(answers)}.",
        columns=("truth", *(f"said {verdict}" for verdict in verdicts), "precision of the word", "recall"),
        rows=tuple(rows),
    )


def _quality(answers: Sequence[Answer], margins: Iterable[float]) -> Table:
    inside = tally.covered(answers)
    ideal = tally.expected_coverage(answers)
    half = mean((one.high - one.low) / 2 for one in answers)
    error = mean(one.true_error for one in answers)
    rows = [
        ("intervals that hold the true gain", f"{share(inside, len(answers))}"),
        ("the same of perfect 95 % intervals, the truth having an error too", f"{100 * ideal:.0f} %"),
        ("half an interval on average", f"{100 * half:.1f} points"),
        ("standard error of the truth on average", f"{100 * error:.1f} points"),
    ]
    for margin in margins:
        told = [one for one in answers if _word(one, margin) != "cannot-tell"]
        right = sum(_word(one, margin) == tally.true_word(one, margin) for one in told)
        what = f"verdicts that are right, of those given at a margin of {100 * margin:g}"
        rows.append((what, share(right, len(told))))
    return Table(title="Intervals", note="Nominal coverage is 95 %.", columns=("what", "found"), rows=tuple(rows))


def _word(one: Answer, margin: float) -> str:
    return tally.decide(one.low, one.high, margin)


def _choices(answers: Sequence[Answer]) -> Table:
    rows = []
    for name, policy in tally.POLICIES.items():
        lost = [tally.regret(one, policy(one)) for one in answers]
        best = sum(one == 0 for one in lost)
        rows.append((name, f"{100 * mean(lost):.2f}", f"{100 * max(lost):.2f}", f"{best} of {len(lost)}"))
    return Table(
        title="Choices",
        note="Regret is the true accuracy of the best strategy minus that of the chosen one, in points. The best is "
        "the best of noisy means, so every regret is somewhat too large, by the same for all. The rules choose from "
        "the very trials of the studies, halving included.",
        columns=("who chooses", "mean regret", "largest", "chose the best"),
        rows=tuple(rows),
    )


def _gate(gated: Sequence[Gated]) -> Table:
    rows = []
    for low, high, tests, shares in tally.gate_rates(gated):
        if tests:
            cells = tuple(f"{100 * one:.1f} %" for one in shares)
            rows.append((f"{100 * low:g} to {100 * high:g} points", f"{tests:,}", *cells))
    return Table(
        title="The gate",
        note="Shares of tests in which a model passed. A worse one should not; the last two columns are the price, a "
        "better one that meets the worse one as champion.",
        columns=(
            *("difference", "tests", "worse passes: ours", "worse passes: usual rule"),
            *("better passes: ours", "better passes: usual rule"),
        ),
        rows=tuple(rows),
    )


def points(value: float) -> str:
    """Return a signed difference of accuracies in points."""
    return f"{100 * value:+.1f}".replace("-", "−")


def share(part: int, whole: int) -> str:
    """Return a count of a count, with its percentage."""
    return f"{part} of {whole} ({100 * part / whole:.0f} %)" if whole else "none"
