import pytest

from graft.ranking.depths import PastTaus, correlate_depths, known_taus, read_depths, summarise_taus
from graft.ranking.history import Past, Unknown

GROUPS = ["stem", "block 1", "block 2", "head"]
ALL_TRAINED = {"strategy": "full", "learning_rate": 1e-3, "mean": 0.99, "trained_groups": GROUPS}


def study(scores, means, **more):
    """Scores by boundary from the stem up, and means of what trains just above; None: not tried."""
    tried = [
        {"strategy": f"top-{place}", "learning_rate": 1e-3, "mean": mean, "trained_groups": GROUPS[place + 1 :]}
        for place, mean in enumerate(means)
        if mean is not None
    ]
    found = [
        {
            "boundary": name,
            "scores": {} if score is None else {"knn": score},
            "undefined": {"knn": "NaN"} if score is None else {},
        }
        for name, score in zip(GROUPS, scores, strict=False)
    ]
    groups = [{"name": name} for name in GROUPS]
    return {"groups": groups, "candidates": [*tried, ALL_TRAINED], "boundary_scores": found, **more}


def tau(*arguments, **more):
    made = study(*arguments, **more)
    return correlate_depths(read_depths(made), made.get("higher_is_better", True))["knn"]


def test_the_same_order_is_one_the_reverse_minus_one_and_a_swap_between():
    assert tau([0.1, 0.2, 0.3], [0.5, 0.6, 0.7]) == pytest.approx(1)
    assert tau([0.3, 0.2, 0.1], [0.5, 0.6, 0.7]) == pytest.approx(-1)
    assert tau([0.2, 0.1, 0.3], [0.5, 0.6, 0.7]) == pytest.approx(1 / 3)
    assert tau([0.1, 0.2, 0.3], [0.7, 0.6, 0.5], higher_is_better=False) == pytest.approx(1)


def test_each_depth_counts_with_the_best_that_starts_there_and_what_trains_everything_with_none():
    made = study([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    made["candidates"].append({**made["candidates"][0], "strategy": "slow", "mean": 0.9})
    assert [depth.best["mean"] for depth in read_depths(made)] == [0.9, 0.6, 0.7]
    assert [depth.best["strategy"] for depth in read_depths(made)] == ["slow", "top-1", "top-2"]


def test_a_head_that_reads_every_depth_is_of_none():
    made = study([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    made["candidates"].append({**made["candidates"][2], "strategy": "head2toe", "mean": 0.9, "reads_all": True})
    assert [depth.best["mean"] for depth in read_depths(made)] == [0.5, 0.6, 0.7]


@pytest.mark.parametrize(
    ("scores", "means", "reason"),
    [
        ([None] * 3, [0.5, 0.6, 0.7], "NaN"),
        ([0.1, 0.2, 0.3], [0.5, None, 0.7], "2 of at least 3 depths were trained from"),
        ([0.1, 0.1, 0.1], [0.5, 0.6, 0.7], "the same at every depth"),
        ([0.1, 0.2, 0.3], [0.5, 0.5, 0.5], "all depths reached the same"),
    ],
)
def test_what_has_no_order_has_a_reason_and_no_tau(scores, means, reason):
    assert tau(scores, means) == Unknown(reason)
    assert known_taus(study(scores, means)) == {}


def test_a_study_from_before_scores_of_depths_were_kept_has_none():
    made = study([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    del made["boundary_scores"]
    assert (read_depths(made), known_taus(made)) == ([], {})


def test_over_past_studies_a_score_has_its_median_tau_once_there_are_five_that_had_one():
    past = [Past("t@1", "t", "s", {}, 0.1, {"knn": tau}) for tau in (-0.5, 0.2, 0.4, 0.6)]
    assert summarise_taus([*past, Past("t@1", "t", "s", {}, 0.1)], "knn") == Unknown("not enough studies yet (4 of 5)")
    assert summarise_taus([*past, Past("t@1", "t", "s", {}, 0.1, {"knn": 1.0})], "knn") == PastTaus(5, 0.4, -0.5, 1.0)
