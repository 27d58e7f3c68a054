import pytest

from bench import scores
from bench.loaded import Loaded
from graft.problems import PROBLEMS
from graft.transferability import SCORES, UndefinedScore

DEPTHS = ("stem", "block 1", "block 2", "block 3", "block 4")


def rounds(values, reached):
    """One repeat in which every score has these values from the stem up, and training reaches those."""
    boundaries = {name: dict.fromkeys(SCORES, value) for name, value in zip(DEPTHS, values, strict=True)}
    return [{"scores": boundaries, "training": dict(zip(DEPTHS, reached, strict=True))}]


@pytest.mark.parametrize(
    ("reached", "recall", "holds"),
    [
        ((0.1, 0.2, 0.3, 0.8, 0.9), "100%", True),
        ((0.1, 0.2, 0.8, 0.3, 0.9), "50%", True),
        ((0.9, 0.8, 0.3, 0.2, 0.1), "0%", False),
    ],
)
def test_the_guard_counts_the_best_depths_that_the_scores_put_first(reached, recall, holds):
    guard = scores.top_recall(rounds((0.1, 0.2, 0.3, 0.4, 0.5), reached))
    assert guard.found.startswith(f"{recall}, a blind draw 40%")
    assert guard.holds is holds


def test_the_truth_is_the_mean_over_repeats_and_both_ways_of_training():
    first, second = (
        rounds((1, 2, 3, 4, 5), (0.9, 0.1, 0.1, 0.1, 0.1)),
        rounds((1, 2, 3, 4, 5), (0.1, 0.1, 0.1, 0.1, 0.5)),
    )
    told = scores.rank_correlations([*first, *second])["reached, frozen up to"]
    assert told == "stem 50.0%, block 1 10.0%, block 2 10.0%, block 3 10.0%, block 4 30.0%"


def test_an_undefined_score_has_no_order_and_does_not_count():
    made = rounds((0.1, 0.2, 0.3, 0.4, 0.5), (0.1, 0.2, 0.3, 0.4, 0.5))
    made[0]["scores"]["stem"]["knn"] = UndefinedScore("one class")
    assert (
        "knn without order, ridge_probe +1.00"
        in scores.rank_correlations(made)["rank correlation with what the depths reached"]
    )
    assert scores.top_recall(made).found.startswith("100%")


def test_labelled_rows_and_test_rows_are_of_the_other_classes_and_share_none(images, image_processor, monkeypatch):
    monkeypatch.setattr(scores, "PER_CLASS", 4)
    monkeypatch.setattr(
        scores, "NETWORK", {**scores.NETWORK, "hidden_sizes": [4, 6], "depths": [1, 1], "embedding_size": 4}
    )
    loaded = Loaded(PROBLEMS["image-classification"], image_processor, images, int(images.labels.max()) + 1, "rows")
    transfer = scores.Transfer(loaded, quick=True)
    labelled, others = ({row.tobytes() for row in part.features} for part in (transfer.rows, transfer.test))
    assert (len(labelled), len(others), labelled & others) == (8, 14, set())
    assert sorted(set(transfer.rows.labels)) == list(range(loaded.classes - loaded.classes // 2))
    assert list(transfer.score()) == list(transfer.train()) == ["stem", "block 1", "block 2"]
    assert set(transfer.train(cached=True)) == set(transfer.legs)
