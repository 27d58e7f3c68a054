import csv
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from graft.backbones import build
from graft.catalog import Data, Study
from graft.problems import PROBLEMS
from graft.study import Bench, count_steps, plan, search, train_finals
from graft.study.label_curve import Curve, Point, choose_answers, tabulate
from graft.study.tables import write_tables
from graft.study.trial import Outcome
from graft.study.warm_start import begin, open_memory
from tests.conftest import RESNET

PROBLEM = PROBLEMS["image-classification"]
LABELS = ("a", "b", "c")
STUDY = Study(strategies=("linear-probe", "top-1", "full"), seeds=2, budget_steps=6, folds=2, halving=3)
NO_CURVE = Curve((), None)
SOURCE = {"model.safetensors": "1"}


@pytest.fixture
def bench(images, image_processor, tmp_path):
    source = build(PROBLEM, RESNET, ("x", "y"), seed=0)
    return Bench(PROBLEM, image_processor, source, LABELS, images, STUDY, tmp_path / "first")


def planned(bench):
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    return rows, *plan(bench, rows, Data(path="data"))


def look(bench, rows, test=(), drawn=None, **changes):
    """Return the memory of the target as seen from some rows."""
    study = bench.study.model_copy(update=changes)
    _, candidates, _, _ = planned(bench)
    return open_memory(
        bench.folder.parent / "kept",
        replace(bench, study=study),
        candidates,
        SOURCE,
        rows,
        test,
        range(len(test)) if drawn is None else drawn,
    )


def names(count):
    return [f"row-{number} 0" for number in range(count)]


@pytest.fixture
def first(bench):
    """A whole search of twenty rows, which is remembered."""
    rows, candidates, notes, selection = planned(bench)
    result = search(bench, rows, candidates, notes, selection, lambda step, message: None)
    look(bench, names(20)).keep(result, NO_CURVE)
    return result


def test_a_grown_study_tries_one_more_seed_of_those_that_could_be_chosen(bench, first, tmp_path):
    again = replace(bench, folder=tmp_path / "second")
    rows, candidates, notes, selection = planned(again)
    memory = look(bench, names(22))
    start = begin(memory, memory.recall(), candidates)
    steps = []
    report = lambda step, message: steps.append(step)  # noqa: E731
    result = search(again, rows, start.candidates, notes, selection, report, start.known)
    for _ in train_finals(again, result, report):
        pass
    tried = {one.strategy for one in result.outcomes if one.role == "candidate"}
    assert len(tried) == 2
    assert first.winner.candidate.strategy in tried
    assert {one.strategy for one in start.left_out} == {"linear-probe", "top-1", "full"} - tried
    assert all(reason.startswith("in the earlier search: ") for reason in start.left_out.values())
    assert {one.seed for one in result.outcomes if one.fold is not None} == {2}
    before = {one.candidate.strategy: one.trials for one in (*first.standings, *first.control)}
    assert {one.candidate.strategy: one.trials - before[one.candidate.strategy] for one in result.standings} == (
        dict.fromkeys(tried, 2)
    )
    assert result.control[0].trials == before["scratch"]  # the only one: there is nothing to choose
    assert (steps[-1], sorted(steps)) == (count_steps(again, start.candidates, selection, start.known), steps)
    old = [
        one.metric for one in first.outcomes if one.strategy == result.winner.candidate.strategy and one.fold in (0, 1)
    ]
    new = [
        one.metric for one in result.outcomes if one.strategy == result.winner.candidate.strategy and one.fold in (0, 1)
    ]
    assert result.winner.mean == pytest.approx(np.mean([*old, *new]))


def test_who_was_dropped_or_beaten_is_left_out_with_the_reason_of_then(bench, first):
    _, candidates, _, _ = planned(bench)
    memory = look(bench, names(22))
    start = begin(memory, memory.recall(), candidates)
    for standing in first.standings:
        if standing.dropped or not standing.within:
            assert start.left_out[standing.candidate] == f"in the earlier search: {standing.reason}"
    assert first.winner.candidate not in start.left_out
    assert "The search of 22 labelled rows went on from an earlier one of 20, 20 of them the same." in start.notes[0]
    told = [f"{one.strategy} at 0.001 was not tried again; {reason}" for one, reason in start.left_out.items()]
    assert start.notes[1:] == told
    assert told


def test_who_was_left_out_has_a_row_with_the_reason_among_the_trials(bench, first, tmp_path):
    _, candidates, _, _ = planned(bench)
    memory = look(bench, names(22))
    first.left_out = begin(memory, memory.recall(), candidates).left_out
    write_tables(tmp_path, bench, first, NO_CURVE)
    with (tmp_path / "trials.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["role"] == "left-out"]
    assert {row["strategy"]: row["why"] for row in rows} == {one.strategy: why for one, why in first.left_out.items()}
    assert {row["decision"] for row in rows} == {"candidate left out"}


@pytest.mark.parametrize(
    ("rows", "changes"),
    [
        pytest.param(names(20), {}, id="the same rows"),
        pytest.param(
            [*names(15), *(f"new-{number} 0" for number in range(5))], {}, id="a quarter of the rows replaced"
        ),
        pytest.param([name.replace(" 0", " 1") for name in names(22)], {}, id="other labels"),
        pytest.param(names(26), {}, id="grown by more than a quarter"),
        pytest.param(names(15), {}, id="shrunk by a quarter"),
        pytest.param(names(22), {"budget_steps": 7}, id="another study"),
    ],
)
def test_a_search_of_other_rows_or_another_kind_is_not_gone_on_from(bench, first, rows, changes):
    assert look(bench, names(22)).recall() is not None
    assert look(bench, rows, **changes).recall() is None


def test_what_only_the_evaluation_reads_makes_no_other_search(bench, first):
    assert look(bench, names(22), confidence=0.9, resamples=500).recall() is not None


def test_another_source_makes_another_search(bench, first):
    _, candidates, _, _ = planned(bench)

    def recall(files):
        return open_memory(bench.folder.parent / "kept", bench, candidates, files, names(22), (), ()).recall()

    assert recall({"model.safetensors": "2"}) is None
    assert recall(SOURCE | {"source.json": "of another day"}) is not None


def test_a_damaged_search_is_named_and_passed_over(bench, first, caplog):
    (path,) = (bench.folder.parent / "kept").glob("*/evidence.json")
    path.write_text(path.read_text().replace("row-3 ", "row-4 "))
    assert look(bench, names(22)).recall() is None
    assert "an earlier search is passed over" in caplog.text
    assert str(path) in caplog.text
    assert not path.exists()


def test_no_search_learns_from_a_row_that_it_is_tested_on(bench, first):
    assert look(bench, names(22), ["test-0", "row-21x"]).recall() is not None
    assert look(bench, [*names(22)[1:]], ["test-0"]).recall() is not None
    assert look(bench, [*names(22)[1:]], ["test-0", "row-0"]).recall() is None


def test_the_nearest_search_counts_and_those_of_too_many_other_rows_are_forgotten(bench, first):
    look(bench, names(22)).keep(first, NO_CURVE)
    assert look(bench, names(24)).recall().rows == 22
    assert look(bench, names(21)).recall().rows == 22
    assert len(list((bench.folder.parent / "kept").iterdir())) == 2
    look(bench, names(27)).keep(first, NO_CURVE)
    assert len(list((bench.folder.parent / "kept").iterdir())) == 2
    assert look(bench, names(24)).recall().rows == 27


def outcome(seed):
    return Outcome("curve-winner", "full", 1e-3, seed, None, 6, None, None, 1.0, 9, 9, [], [], [])


def test_the_label_curve_is_kept_where_every_test_row_was_answered(bench, first):
    rng = np.random.default_rng(0)
    points = [
        Point(arm, 3, outcome(seed), rng.random((5, 3), np.float32))
        for arm in ("transfer", "scratch")
        for seed in (0, 1)
    ]
    then = [f"test-{number}" for number in range(5)]
    curve = Curve.of(points, np.array([0, 2, 4, 6, 8]))
    look(
        bench,
        names(21),
        [f"test-{number // 2}" if number % 2 == 0 else f"other-{number}" for number in range(9)],
        [0, 2, 4, 6, 8],
    ).keep(first, curve)
    memory = look(bench, names(22), then)
    earlier = memory.recall()
    now, rows = ["test-3", "test-0"], np.array([5, 7])
    answers = earlier.curve(first, now, rows).answers
    assert answers["row"].to_pylist() == [5, 7] * 4
    logits = np.stack(answers["answers"].to_numpy()).reshape(4, 2, 3)
    assert np.array_equal(logits, np.stack([point.answers[[3, 0]] for point in points]))
    assert answers["arm"].to_pylist()[::2] == ["transfer", "transfer", "scratch", "scratch"]
    assert earlier.curve(first, [*now, "test-9"], np.arange(3)).answers is None
    other = replace(first, standings=[first.standings[1], *first.standings])
    assert earlier.curve(other, now, rows).answers is None


def test_answers_for_the_same_rows_are_the_same_answers():
    table = tabulate(
        [("transfer", 0, 3), ("scratch", 0, 3)], np.arange(3), np.arange(12, dtype=np.float32).reshape(6, 2)
    )
    assert choose_answers(table, ["a", "b", "c"], ["a", "b", "c"], np.arange(3)).equals(table)
