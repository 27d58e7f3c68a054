from pathlib import Path

from graft.evaluation.cost import Cost, read_rows, summarise

HEADER = "role,strategy,learning_rate,seed,fold,steps,metric,loss,seconds,trained_parameters,peak_memory_bytes\n"


def test_trials_are_summed_by_role_and_strategy_and_empty_cells_count_as_zero(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    path.write_text(
        HEADER
        + "candidate,full,0.001,0,0,60,0.8,0.5,1.5,1000,2000\n"
        + "candidate,full,0.001,1,0,40,0.9,0.4,2.5,1000,3000\n"
        + "candidate,linear-probe,0.001,0,0,60,0.7,0.6,0.5,10,\n"
        + "final-winner,full,0.001,0,,60,,,2,1000,2500\n"
    )
    assert summarise(read_rows(path)) == [
        Cost("candidate", "full", 2, 100, 4.0, 1000, 3000),
        Cost("candidate", "linear-probe", 1, 60, 0.5, 10, 0),
        Cost("final-winner", "full", 1, 60, 2.0, 1000, 2500),
    ]
