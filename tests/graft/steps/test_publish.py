"""The publish step: from packages/T and reports/T to a decision that others can read."""

import csv
import json
import shutil

import pyarrow as pa
import pytest

from graft.catalog import Catalog
from graft.errors import CatalogError, CheckpointError, Fenced, RegistryError
from graft.manifest import write_manifest
from graft.registry import open_registry
from graft.registry.package import open_package
from graft.settings import settings
from graft.steps import claim
from graft.steps.publish import run
from tests.graft.registry.packages import BERT, METRICS, TEXTS, build_package, save_network

KEYS = {"model", "version", "new", "promoted", "awaits_approval", "gates", "reason"}
KEYS |= {"champion_before", "champion_after"}
TESTED = ["the cat", "the oak", "the owl", "the rose", "the dog", "the fern"]


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    table = pa.table({"text": TEXTS})
    return save_network(tmp_path_factory.mktemp("network"), "text-classification", BERT, table)


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def evaluate(checkout, network):
    """Return a function that writes what the evaluate step writes."""

    def write(right, hashes=None, **metrics):
        for folder in (checkout / "packages/words", checkout / "reports/words"):
            shutil.rmtree(folder, ignore_errors=True)
        found = {**METRICS, **metrics, "row_count": len(right)}
        package = open_package(build_package(checkout / "packages/words", network, right, hashes, metrics=found))
        (checkout / "reports/words").mkdir(parents=True)
        (checkout / "reports/words/metrics.json").write_text(json.dumps({**found, "package": package.digest}))
        write_manifest(checkout / "reports/words")

    return write


def catalog(**gates):
    data = {"path": "data/words", "columns": {"text": "sentence", "label": "kind"}}
    target = {
        "source": "s",
        "problem": "text-classification",
        "data": data,
        "study": {"resamples": 300},
        "evaluation": {},
        "gates": gates,
    }
    source = {"problem": "masked-language-modelling", "data": data, "backbone": {"config": BERT}}
    return Catalog.model_validate({"sources": {"s": source}, "targets": {"words": target}})


def decision(checkout):
    return json.loads((checkout / ".graft/decisions/words.json").read_text())


def test_the_decision_is_written_with_every_gate_and_number(checkout, evaluate):
    evaluate([True] * 4)
    run("words", catalog(max_ece=0.1))
    found = decision(checkout)
    assert set(found) >= KEYS
    assert (found["model"], found["version"], found["new"], found["promoted"]) == ("words", 1, True, True)
    assert [gate["gate"] for gate in found["gates"]] == ["verdict", "min_gain", "max_ece", "champion"]
    assert {"gate", "passed", "found", "required", "reason"} <= set(found["gates"][0])
    champion = open_registry().show("words@champion")
    assert champion.metrics["package"] == champion.digest


def test_running_again_registers_nothing_and_says_so(checkout, evaluate, caplog):
    evaluate([True] * 4)
    run("words", catalog())
    with caplog.at_level("INFO", logger="graft"):
        run("words", catalog())
    found = decision(checkout)
    assert (found["new"], found["promoted"], found["champion_after"]) == (False, False, 1)
    assert "nothing new to register" in found["reason"]
    assert "nothing new to register" in caplog.text
    assert len(open_registry().history("words")) == 2


def test_a_failed_gate_is_logged_with_its_reason_and_is_no_error(checkout, evaluate, caplog):
    evaluate([True] * 4, verdict="hurts", gain=-0.1)
    with caplog.at_level("INFO", logger="graft"):
        run("words", catalog())
    assert not decision(checkout)["promoted"]
    assert "gate verdict: FAILED, the verdict is hurts" in caplog.text
    assert open_registry().state("words").aliases == {"challenger": 1}


def test_a_run_claims_and_publishes_under_its_claim_and_is_fenced_once_another_has_claimed(
    checkout, evaluate, monkeypatch, capsys
):
    evaluate([True] * 4)
    for number in ("1", "2"):
        claim.run("words", catalog())
        assert capsys.readouterr().out == f"{number}\n"
    monkeypatch.setenv("GRAFT_CLAIM", "1")
    settings.cache_clear()
    with pytest.raises(Fenced, match="run 'steps' took over"):
        run("words", catalog())
    monkeypatch.setenv("GRAFT_CLAIM", "2")
    settings.cache_clear()
    run("words", catalog())
    assert [event.claim for event in open_registry().history("words")] == [1, 2, 2, 2]
    with pytest.raises(CatalogError, match="did you mean 'words'"):
        claim.run("wrods", catalog())


def test_who_awaits_approval_is_told_with_the_command_that_gives_it(checkout, evaluate, caplog):
    evaluate([True] * 4)
    with caplog.at_level("INFO", logger="graft"):
        run("words", catalog(approval=True))
    assert decision(checkout)["awaits_approval"]
    assert "words@1 awaits approval (`graft promote words@1 --reason WHY`)" in caplog.text


def test_a_champion_tested_on_other_rows_predicts_the_rows_of_today(checkout, evaluate):
    from graft.problems import PROBLEMS
    from graft.reading import read, row_hashes

    write_words(checkout / "data/words")
    problem = PROBLEMS["text-classification"]
    hashes = row_hashes(read(catalog().target("words").data, problem).splits["test"], problem)
    evaluate([False] * 2, ["other-1", "other-2"])
    run("words", catalog())
    evaluate([True] * 6, list(hashes))
    run("words", catalog())
    gate = decision(checkout)["gates"][-1]
    assert gate["numbers"]["rows"] == gate["numbers"]["predicted"] == 6
    assert "6 predicted anew by the champion" in gate["reason"]


def test_data_that_is_gone_fails_the_gate_and_says_where_it_was(checkout, evaluate):
    evaluate([False] * 2, ["other-1", "other-2"])
    run("words", catalog())
    evaluate([True] * 6)
    run("words", catalog())
    gate = decision(checkout)["gates"][-1]
    assert not gate["passed"]
    assert "data/words" in gate["reason"]


def test_a_report_that_was_changed_by_hand_is_refused(checkout, evaluate):
    evaluate([True] * 4)
    path = checkout / "reports/words/metrics.json"
    path.write_text(path.read_text().replace('"helps"', '"hurts"'))
    with pytest.raises(CheckpointError, match=r"metrics\.json: sha256"):
        run("words", catalog())
    write_manifest(path.parent)
    with pytest.raises(RegistryError, match="metrics are not the package's: verdict"):
        run("words", catalog())
    assert open_registry().models() == ()


def test_nothing_to_publish_is_said_with_what_makes_it(checkout):
    with pytest.raises(CheckpointError, match="no complete output here"):
        run("words", catalog())


def test_an_unknown_target_is_answered_with_the_nearest():
    with pytest.raises(CatalogError, match="did you mean 'words'"):
        run("wrods", catalog())


def write_words(folder):
    folder.mkdir(parents=True)
    for split, texts in (("train", TEXTS), ("test", TESTED)):
        with (folder / f"{split}.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["sentence", "kind"])
            rows.writerows([text, ("animal", "plant")[number % 2]] for number, text in enumerate(texts))
