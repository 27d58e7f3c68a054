from pathlib import Path

import pytest

from graft.evaluation.cost import Cost, price, read_rows, summarise

HEADER = "role,strategy,learning_rate,seed,fold,steps,metric,loss,seconds,flops,trained_parameters,peak_memory_bytes\n"
METRICS = {
    "metric": "accuracy",
    "gain": 0.05,
    "gain_low": 0.01,
    "seconds": 7200.0,
    "flops": 1000,
    "money": 4.0,
    "price_per_hour": 2.0,
}


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, str]]:
    path = tmp_path / "trials.csv"
    path.write_text(
        HEADER
        + "recording,prefix-cache,,,,,,,0.25,70,,2000\n"
        + "candidate,full,0.001,0,0,60,0.8,0.5,1.5,300,1000,2000\n"
        + "candidate,full,0.001,1,0,40,0.9,0.4,2.5,200,1000,3000\n"
        + "candidate,linear-probe,0.001,0,0,60,0.7,0.6,0.5,,10,\n"
        + "final-winner,full,0.001,0,,60,,,2,400,1000,2500\n"
        + "final-winner,full,0.001,1,,60,,,4,400,1000,2500\n"
        + "budget,max_trials,,,,,,,,,,\n"
    )
    return read_rows(path)


def test_trials_are_summed_by_role_and_strategy_and_empty_cells_count_as_zero(rows: list[dict[str, str]]) -> None:
    assert summarise(rows) == [
        Cost("recording", "prefix-cache", 0, 0, 0.25, 0, 2000, 70),
        Cost("candidate", "full", 2, 100, 4.0, 1000, 3000, 500),
        Cost("candidate", "linear-probe", 1, 60, 0.5, 10, 0, None),
        Cost("final-winner", "full", 2, 120, 6.0, 1000, 2500, 800),
    ]


def test_money_is_time_at_the_price_of_the_machine(rows: list[dict[str, str]]) -> None:
    assert [cost.money for cost in summarise(rows, 3600.0)] == [0.25, 4.0, 0.5, 6.0]


def test_a_point_of_gain_costs_its_share_of_the_study_and_of_another_model(rows: list[dict[str, str]]) -> None:
    study, model = price(METRICS, rows)
    assert (study.per_point(study.seconds), study.per_point(study.flops)) == pytest.approx((1440.0, 200.0))
    assert study.per_point(study.money) == pytest.approx(0.8)
    assert (model.title, model.seconds, model.flops) == ("one model of full", 3.0, 400)
    assert model.money == pytest.approx(3 / 1800)


@pytest.mark.parametrize("gain", [{"gain": 0.05, "gain_low": -0.01}, {"gain": 0.05, "gain_low": 0.0}, {"gain": -0.01}])
def test_a_gain_that_could_be_none_has_no_price(rows: list[dict[str, str]], gain: dict[str, float]) -> None:
    study, _ = price({**METRICS, **gain}, rows)
    assert study.per_point(study.seconds) is None


def test_rows_of_before_flops_were_counted_have_none(rows: list[dict[str, str]]) -> None:
    older = [{key: value for key, value in row.items() if key != "flops"} for row in rows]
    assert {cost.flops for cost in summarise(older)} == {None}
    study, _ = price({**METRICS, "flops": None}, older)
    assert study.per_point(study.flops) is None


def test_a_nat_of_gain_is_not_a_hundred_points(rows: list[dict[str, str]]) -> None:
    study, _ = price({**METRICS, "metric": "loss"}, rows)
    assert study.points == pytest.approx(0.05)
