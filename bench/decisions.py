"""Is the answer right? Studies of pairs of a source and a target against ten fresh seeds of everything."""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from bench import answers as answering
from bench.answers import Answer, answer
from bench.harness import Comparison
from bench.pairs import LABELS, PAIRS, TEST_ROWS, TRUTH_ROWS
from bench.results import Conclusion, Forest, Guard, Measured, Stem
from bench.rows import ROOT
from bench.sources import KEPT, RECIPES, open_source
from bench.tables import tables
from bench.worse import DRAWS, ROWS
from graft.catalog import Study
from graft.manifest import digest, sha256, write_whole

TITLE = "Decisions"
STUDY = Study(budget_steps=60, folds=3)
SEEDS, LABEL_DRAWS = 10, 2
METHOD = f"""\
{len(PAIRS)} pairs of a source and a target with {LABELS} labels per class; another *draw* is other labels of the same
target. The networks are a ResNet of three stages and a BERT of four layers, each source pretrained once. Some sources
are worth nothing or worse on purpose: wrong labels known by heart, a learning rate of 1, random weights. Shakespeare
is a *masked* language model.

Ours is a study as `adapt` and `evaluate` run it, with {STUDY.budget_steps} steps, {STUDY.folds} folds and
{STUDY.seeds} seeds, that measures on {TEST_ROWS:,} rows at the most. The truth is every candidate and the chosen
control on the whole labelled budget with {SEEDS} fresh seeds, on up to {TRUTH_ROWS:,} other rows; both are drawn from
all rows of the target that are not labelled, so that the one can speak for the other. The truth is of the same labels:
a verdict is about these labels and no others. It has an error of its own, which is stated.

*The gate.* The first model of each study meets itself with noise in its weights, or trained on fewer of the labels, in
{DRAWS} tests of {ROWS} rows, drawn with replacement from the rows on which the difference is known exactly. Every
gate but that of the champion is open. The peer is the usual rule, a metric at least as good."""


def comparisons(quick: bool) -> Iterator[Comparison]:
    """Yield nothing: no time is compared."""
    yield from ()


def conclude(measured: Sequence[Measured], quick: bool) -> Conclusion:
    """Return what the answers were worth."""
    found = ask(quick)
    study = _study(quick)
    forest = Forest(
        title="What studies said and what is true", axis="gain over the scratch control, points of accuracy",
        margin=study.margin, rows=tuple(map(_stem, found)),
    )  # fmt: skip
    wrong = sum(_contradicts(one) for one in found)
    guard = Guard(
        name="studies that said helps where it truly hurts, or hurts where it truly helps",
        found=f"{wrong} of {len(found)}", holds=wrong == 0, value=wrong,
    )  # fmt: skip
    return Conclusion(guards=(guard,), tables=tables(found, study), forest=forest)


def ask(quick: bool) -> list[Answer]:
    """Return the answers, pair by pair; those of an earlier run of the very same code are read, not asked anew."""
    study, seeds = _study(quick), 2 if quick else SEEDS
    numbers = (0, 3) if quick else range(len(PAIRS))
    asked = [(number, draw) for draw in range(1 if quick else LABEL_DRAWS) for number in numbers]
    code = code_digest()
    paths = {one: _path(code, *one, study, seeds) for one in asked}
    open_ = [one for one in asked if not paths[one].exists()]
    with _pool() as pool:
        sources = dict.fromkeys(PAIRS[number].source for number, _ in open_)
        list(pool.map(open_source, sorted(sources, key=list(RECIPES).index)))
        waiting = {pool.submit(answer, number, draw, study, seeds): (number, draw) for number, draw in open_}
        for done in as_completed(waiting):
            found = done.result()
            write_whole(paths[waiting[done]], found.model_dump_json())
            print(f"  {found.pair}, draw {found.draw}: {found.verdict}, {found.chosen}", file=sys.stderr, flush=True)
    return [Answer.model_validate_json(paths[one].read_text()) for one in sorted(asked)]


def code_digest() -> str:
    """Return a digest of all code that has a part in an answer."""
    files = sorted([*(ROOT / "graft").rglob("*.py"), *map(Path, (answering.__file__, *_OURS))])
    return digest({path.relative_to(ROOT).as_posix(): sha256(path) for path in files})


_OURS = [str(Path(__file__).with_name(f"{name}.py")) for name in ("pairs", "sources", "worse")]


def _study(quick: bool) -> Study:
    return Study(budget_steps=6, folds=2, seeds=2, resamples=200) if quick else STUDY


def _path(code: str, number: int, draw: int, study: Study, seeds: int) -> Path:
    key = digest({"code": code, "pair": str(PAIRS[number]), "draw": draw, "study": study.model_dump(), "seeds": seeds})
    return KEPT / "answers" / f"{key[:16]}.json"


def _pool() -> ProcessPoolExecutor:
    """Return a process for each core; they are not forked, because torch may have begun."""
    work = KEPT / "work"
    return ProcessPoolExecutor(
        len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn"),
        initializer=answering.prepare_worker, initargs=(str(work.resolve()),),
    )  # fmt: skip


def _stem(one: Answer) -> Stem:
    return Stem(
        group=one.pair, word=one.verdict, value=one.gain, low=one.low, high=one.high, truth=one.true_gain,
        truth_error=one.true_error,
    )  # fmt: skip


def _contradicts(one: Answer) -> bool:
    return (one.verdict == "helps" and one.true_gain < -one.margin) or (
        one.verdict == "hurts" and one.true_gain > one.margin
    )
