"""The choice and what it rests on; the registry is real, its versions hold what studies measured."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from graft.catalog import Catalog, Gates
from graft.problems import PROBLEMS
from graft.reading import read, row_hashes
from graft.registry import Candidate, Registry, publish
from graft.retraining import wording
from graft.retraining.estimate import Estimate, Labels, estimate, foretell
from graft.retraining.outcome import make_record
from graft.retraining.records import keep_record
from graft.storage import MemoryStore
from tests.graft.registry.packages import BERT, METRICS, TEXTS, build_package, save_network

CURVE = {"label_doubling": 0.04, "label_doubling_low": 0.01, "label_doubling_high": 0.06}
STUDY = {"metric": "accuracy", "transfer": 0.8, "seconds": 60.0, "flops": 1e12, "money": 0.5, "higher_is_better": True}
STATE = {"data": "1", "source": "1", "parameters": "1", "code": "1", "evaluation": "1"}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    import pyarrow as pa

    return save_network(tmp_path_factory.mktemp("network"), "text-classification", BERT, pa.table({"text": TEXTS}))


@pytest.fixture
def team(tmp_path, network):
    """A registry with one version, of 10 labelled rows, and the dataset of now, which may have more."""

    def make(rows=10, budget=None, recorded=True, metrics=None, **retraining):
        path, kept = tmp_path / "words.csv", [f"{text},{'ab'[place % 2]},train" for place, text in enumerate(TEXTS)]
        tests = [f"test {number},{'ab'[number % 2]},test" for number in range(4)]
        path.write_text("\n".join(["text,label,split", *kept[:rows], *tests, ""]))
        data = {"path": str(path), **({"labels_per_class": budget} if budget else {})}
        source = {"problem": "text-classification", "data": data, "backbone": {"checkpoint": "c"}}
        entry = {"source": "s", "problem": "text-classification", "data": data, "study": {}, "retraining": retraining}
        catalog = Catalog.model_validate({"sources": {"s": source}, "targets": {"words": entry}})
        problem = PROBLEMS["text-classification"]
        then = row_hashes(read(catalog.targets["words"].data, problem).splits["train"], problem)[:10]
        found = {**METRICS, **STUDY, **CURVE, **(metrics or {})}
        package = build_package(tmp_path / "package", network, [True] * 4, train_hashes=then, metrics=found)
        registry = Registry(MemoryStore(), tmp_path / "cache")
        publish(registry, Candidate("words", package, found, Gates(), lambda: pytest.fail("no champion")))
        if recorded:
            keep_record("words", registry.store, {"version": "words@1", "state": STATE, "outcome": {}})
        return catalog, registry

    return make


def look(team, changed="data", by_hand=False):
    return estimate("words", *team, {**STATE, **({changed: "2"} if changed else {})}, by_hand)


def test_the_first_study_is_trained_whatever_it_costs(team, tmp_path):
    catalog, _ = team()
    found = estimate("words", catalog, Registry(MemoryStore(), tmp_path), STATE)
    assert (found.choice, found.reason) == ("train", "it is the first study of this target")
    assert found.gain is None


def test_twice_the_labels_gain_what_the_curve_says(team):
    found = look(team(rows=20))
    assert found.labels == Labels(then=10, now=20, new=10)
    assert (found.gain.value, found.gain.low, found.gain.high) == (0.04, 0.01, 0.06)
    assert found.choice == "train"
    assert (found.seconds, found.flops, found.money) == (60.0, 1e12, 0.5)


def test_a_few_labels_more_are_not_worth_it(team):
    found = look(team(rows=11))
    assert found.gain.value == pytest.approx(0.04 * 0.1375, abs=1e-4)  # log2(11 / 10)
    assert found.choice == "skip"
    assert "below retraining.min_gain" in found.reason


def test_what_is_worth_it_is_the_teams_to_say(team):
    assert look(team(rows=11, min_gain=0.005)).choice == "train"


def test_farther_than_twice_the_labels_the_curve_is_not_believed():
    assert foretell(CURVE, Labels(10, 80, 70), [])[0].value == 0.04


def test_without_a_curve_the_last_retrainings_tell_and_without_them_nothing_does():
    gain, told = foretell({}, Labels(10, 20, 10), [9.0, 0.01, 0.02, 0.03, 0.04, 0.05])
    assert (gain.value, gain.low, gain.high) == (pytest.approx(0.03), 0.01, 0.05)
    assert told == "the last 5 retrainings"
    assert foretell({}, Labels(10, 20, 10), []) == (None, "nothing foretells the gain")


def test_one_retraining_foretells_a_value_and_no_range():
    gain, told = foretell({}, Labels(10, 10, 0), [-0.073])
    said = wording.expected(Estimate("moods", "2026-11-24T02:00:00+00:00", "accuracy", gain=gain, gain_from=told))
    assert (said, told) == ("Expected: gain −7.3 points, cost not known.", "the last retraining alone")


def test_other_rows_in_the_same_budget_gain_nothing(team):
    gain, told = foretell(CURVE, Labels(10, 10, 4), [])
    assert gain.value == 0
    assert "the budget of 10 is the same" in told


def test_labels_that_were_corrected_are_trained_on(team):
    found = look(team(metrics=dict.fromkeys(CURVE)))
    assert found.labels.new == 0
    assert (found.choice, found.reason) == ("train", "nothing foretells the gain")


@pytest.mark.parametrize("part", ["parameters", "code", "source"])
def test_whoever_changes_more_than_the_data_wants_it_trained(team, part):
    found = look(team(rows=11), changed=part)
    assert found.choice == "train"
    assert part in found.reason


def test_a_changed_gate_trains_nothing(team):
    assert look(team(choice="ask"), changed="evaluation").choice == "evaluate"


def test_drift_makes_few_labels_worth_it_but_none_are_not(team):
    catalog, registry = team(rows=11)
    when = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    finding = json.dumps({"drift": True, "when": when, "sentence": "The inputs have drifted."})
    registry.store.put("watches/words/2999.json", finding.encode())
    found = look((catalog, registry))
    assert found.choice == "train"
    assert found.reason == "the inputs have drifted and 1 label(s) are new"
    registry.store.put("watches/words/2999.json", finding.replace(when, "2020-01-01T00:00:00+00:00").encode())
    assert look((catalog, registry)).drift is None  # seen before the last study
    of_this = json.dumps({**json.loads(finding), "champion": "words@1", "when": "2020-01-01T00:00:00+00:00"})
    registry.store.put("watches/words/2999.json", of_this.encode())
    assert look((catalog, registry)).drift  # of the model that it made, by a machine whose clock is behind


def test_somebody_may_be_asked_or_have_said_so_once_for_all(team):
    catalog, registry = team(rows=11, choice="ask")
    assert look((catalog, registry)).choice == "ask"
    found = look((catalog, registry), by_hand=True)
    assert found.choice == "train"
    assert found.reason.startswith("asked for by hand; left to itself: ask")


def test_always_means_always(team):
    assert look(team(rows=11, choice="train")).choice == "train"


def test_the_record_holds_the_estimate_beside_what_happened(team):
    found = look(team(rows=20))
    decision = {"model": "words", "version": 2, "new": True, "promoted": False}
    record = make_record(found, {**STUDY, "transfer": 0.83, "seconds": 90.0}, decision)
    assert record["outcome"]["gain"] == pytest.approx(0.03)
    assert record["estimate"]["gain"]["value"] == 0.04
    said = wording.compared(found, json.loads(json.dumps(record)))
    assert "Expected: gain +4.0 points (+1.0 to +6.0), cost 60" in said
    assert "Happened: gain +3.0 points, cost 90" in said
    page = wording.page(found, record)
    assert "| gain of accuracy | +4.0 points (+1.0 to +6.0) | +3.0 points |" in page
    assert "10 then, 20 now, 10 of them new" in page


def test_a_metric_that_should_fall_gains_by_falling(team):
    found = SimpleNamespace(target="t", when="w", before=0.3, content=dict, state=STATE)
    decision = {"model": "t", "version": 2, "new": True, "promoted": True}
    metrics = {**STUDY, "metric": "word_error_rate", "transfer": 0.2, "higher_is_better": False}
    assert make_record(found, metrics, decision)["outcome"]["gain"] == pytest.approx(0.1)
    again = make_record(found, metrics, {**decision, "new": False})
    assert again["outcome"]["gain"] is None


def test_a_headline_says_choice_reason_gain_and_cost(team):
    said = wording.headline(look(team(rows=20)))
    assert said.startswith("it is trained, for the expected gain is at least retraining.min_gain.")
    assert "Expected: gain +4.0 points" in said
