import numpy as np
import pyarrow as pa
import pytest

from bench import study
from bench.grid import FrozenTrainer, Searched, run_grid
from bench.pairs import PAIRS, Ready
from bench.results import Against, Guard, Measured, Spread
from graft.backbones import build
from graft.catalog import Data, Study
from graft.problems import PROBLEMS
from graft.settings import settings
from graft.study import Bench
from tests.conftest import RESNET

GRID = Searched(("full", 0.1), {("full", 0.1): [0.8, 0.9], ("top-1", 0.1): [0.8, 0.7]})


def test_regret_is_read_from_the_means_of_the_grid():
    ours = Searched(("top-1", 0.1), {("top-1", 0.1): [0.99]})
    assert study.regret(ours, GRID) == pytest.approx(0.1)
    assert study.regret(GRID, GRID) == 0
    rounds = [{study.OURS: (one, 1.0), study.GRID: (GRID, 8.0)} for one in (ours, GRID)]
    assert study.guard_regret(rounds).value == pytest.approx(0.05)
    assert study.explain(rounds) == {
        "chosen": "top-1 at 0.1 by the study, full at 0.1 by the grid", "trials": "1 of 4",
        "by processor time": "8 times",
    }  # fmt: skip


def measured(title, lost, **ratios):
    spreads = {name: Spread.of([ratio]) for name, ratio in ratios.items()}
    against = [
        Against(peer=name, seconds=(1.0,), ratio=spread, reading=spread, aim=None, reached=None)
        for name, spread in spreads.items()
    ]
    return Measured(
        title=title, data="", work=1, unit="", ours="", seconds=(1.0,), scale=study.Comparison.scale, against=against,
        guard=Guard(name="", found="", holds=True, value=lost), notes={}, once=True,
    )  # fmt: skip


@pytest.mark.parametrize(("lost", "holds"), [(0.009, True), (0.011, False)])
def test_regret_may_be_half_a_point_on_average_over_the_pairs(lost, holds):
    pairs = [measured("a", 0.0, **{study.GRID: 8.0}), measured("b", lost, **{study.GRID: 8.0})]
    assert study.conclude(pairs, quick=False).guards[0].holds is holds


def test_parts_multiply_to_the_whole():
    ratios = {"no cache": 2.0, "no halving": 1.5, study.BARE: 3.0, study.GRID: 12.0}
    pairs = [measured("a", 0.0, **ratios), measured("b", 0.0, **ratios), measured("c", 0.0, **{study.GRID: 5.0})]
    [table] = study.conclude(pairs, quick=False).tables
    assert table.rows == (
        ("a", "2×", "1.5×", "3×", "4×", "12×"),
        ("b", "2×", "1.5×", "3×", "4×", "12×"),
        ("geometric mean", "2×", "1.5×", "3×", "4×", "12×"),
    )


@pytest.fixture
def found(images, image_processor, tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_DEVICE", "cpu")
    monkeypatch.setenv("GRAFT_WORK", str(tmp_path))
    settings.cache_clear()
    problem, labels = PROBLEMS["image-classification"], ("a", "b", "c")
    bench = Bench(
        problem=problem, processor=image_processor, source=build(problem, RESNET, labels, 0), labels=labels,
        examples=images, folder=tmp_path / "bench",
        study=Study(strategies=("linear-probe", "lp-ft"), budget_steps=2, seeds=2, folds=2, batch_size=6),
    )  # fmt: skip
    train = pa.table({"label": pa.array(np.asarray(images.labels))})
    return Ready(PAIRS[0], tmp_path, bench, train, Data(path="in-memory"), images, images, "store")


def test_ours_and_the_grid_try_the_same_and_leave_nothing_behind(found, tmp_path):
    grid = run_grid(found)
    ours, seconds = study.Contest(found).study(cached=True, halving=1)
    assert set(grid.metrics) == set(ours.metrics) == {("linear-probe", 1e-3), ("lp-ft", 1e-3), ("scratch", 1e-3)}
    assert {len(metrics) for metrics in grid.metrics.values()} == {4}
    assert sorted(len(metrics) for metrics in ours.metrics.values()) == [
        2,
        4,
        4,
    ]  # a lone control stops at the first rung
    assert seconds > 0
    assert not list((tmp_path / "activations").glob("*"))


def test_the_peer_leaves_frozen_statistics_alone(found, monkeypatch):
    kept = []
    monkeypatch.setattr(FrozenTrainer, "compute_loss", _watch(FrozenTrainer.compute_loss, kept))
    from bench import grid

    [probe, *_] = [one for one in found.plan()[0] if one.strategy == "linear-probe"]
    model = grid._train(found, probe, 0, found.bench.examples)
    before = found.bench.source.state_dict()
    means = {name: value for name, value in model.state_dict().items() if name.endswith("running_mean")}
    assert kept == [False, False]
    assert all(bool((before[name] == value).all()) for name, value in means.items())


def _watch(compute, kept):
    def watched(self, model, *others, **named):
        loss = compute(self, model, *others, **named)
        kept.append(next(module for module in model.modules() if "BatchNorm" in type(module).__name__).training)
        return loss

    return watched
