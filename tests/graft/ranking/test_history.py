from datetime import UTC, datetime, timedelta

import pytest

from graft.ranking.history import Past, read_history
from graft.registry import Registry
from graft.registry.events import Registered
from graft.storage import MemoryStore

METRICS = {"target": "t", "source": "s", "metric": "accuracy", "gain": 0.1, "scores": {"logme": 0.2}}


@pytest.fixture
def registry(tmp_path):
    return Registry(MemoryStore(), tmp_path)


def register(registry, model="t", hours=0, **metrics):
    """Register a version whose evaluation gave these metrics; a value of None leaves a key out."""
    told = {key: value for key, value in {**METRICS, **metrics}.items() if value is not None}

    def decide(state):
        number = len(state.versions) + 1
        about = {"who": "w", "when": datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hours), "reason": "r"}
        return Registered(model=model, version=number, digest=f"{model}{number}", package="p", metrics=told, **about)

    registry.append(model, decide)


def test_a_registered_study_is_read_with_its_scores_and_its_gain(registry):
    register(registry)
    assert read_history(registry, "accuracy") == (Past("t@1", "t", "s", {"logme": 0.2}, 0.1),)


def test_a_pair_that_was_studied_again_counts_once_as_it_was_last(registry):
    register(registry, hours=0, gain=0.1)
    register(registry, model="u", target="u", hours=5)
    register(registry, hours=7, gain=0.3)
    register(registry, source="other", hours=9)
    found = [(past.version, past.target, past.source, past.gain) for past in read_history(registry, "accuracy")]
    assert found == [("u@1", "u", "s", 0.1), ("t@2", "t", "s", 0.3), ("t@3", "t", "other", 0.1)]


@pytest.mark.parametrize(
    "metrics",
    [
        {"scores": None},
        {"scores": {}},
        {"scores": "many"},
        {"scores": {"logme": None}},
        {"gain": None},
        {"gain": "big"},
    ],
)
def test_versions_without_scores_or_gain_are_passed_over(registry, metrics):
    register(registry, **metrics)
    assert read_history(registry, "accuracy") == ()


def test_undefined_scores_are_left_out_and_the_others_stay(registry):
    register(registry, scores={"logme": 0.2, "leep": None})
    assert read_history(registry, "accuracy")[0].scores == {"logme": 0.2}


def test_gains_in_another_metric_are_no_evidence(registry):
    register(registry, metric="word_error_rate")
    assert read_history(registry, "accuracy") == ()


def test_an_empty_registry_has_no_history(registry):
    assert read_history(registry, "accuracy") == ()


@pytest.mark.parametrize(("told", "found"), [(None, {}), ("many", {}), ({"knn": 0.5, "leep": None}, {"knn": 0.5})])
def test_a_study_is_read_with_how_well_its_scores_ordered_its_depths(registry, told, found):
    register(registry, score_taus=told)
    assert read_history(registry, "accuracy")[0].taus == found
