"""graft models: what it prints of who runs, who waits, and what is damaged."""

import json

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from flows import cli
from graft.catalog import Gates
from graft.errors import RegistryError
from graft.registry import Candidate, open_registry, publish
from tests.graft.registry.packages import BERT, METRICS, TEXTS, build_package, save_network


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    table = pa.table({"text": TEXTS})
    return save_network(tmp_path_factory.mktemp("network"), "text-classification", BERT, table)


@pytest.fixture
def registry(tmp_path, monkeypatch, network):
    """Champion words@1, and words@2, which is better and awaits approval; each after three runs that began."""
    monkeypatch.chdir(tmp_path)
    made = open_registry()
    for name, right, gates in (("one", [True, False] * 10, Gates()), ("two", [True] * 20, Gates(approval=True))):
        claim = [made.claim("words", f"words: transfer, attempt {attempt}").claim for attempt in (1, 2, 3)][-1]
        folder = build_package(tmp_path / name, network, right)
        publish(made, Candidate("words", folder, METRICS, gates, lambda: pytest.fail("unasked"), 300, claim=claim))
    return made


def graft(*words):
    result = CliRunner().invoke(cli.app, list(words))
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.output


@pytest.mark.usefixtures("registry")
def test_the_list_shows_who_waits():
    lines = [line for line in graft("models").splitlines() if "awaits" in line]
    assert len(lines) == 1
    assert "words@2" in lines[0]
    assert "challenger, awaits approval" in lines[0]
    assert json.loads(graft("models", "--json"))[0]["awaiting"] == [2]
    assert "challenger, awaits approval" in graft("models", "show", "words@2")


@pytest.mark.usefixtures("registry")
def test_the_history_shows_the_last_claim_of_several_and_all_decisions():
    printed = graft("models", "history", "words")
    kinds = [line.split()[2] for line in printed.splitlines() if line.lstrip().startswith("20")]
    assert kinds == ["claimed", "registered", "promoted", "claimed", "registered", "proposed"]
    assert "claim 6: words: transfer, attempt 3" in printed
    assert "attempt 2" not in printed
    assert len(json.loads(graft("models", "history", "words", "--json"))) == 10


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("command", [("promote",), ("models", "promote")])
def test_approval_is_one_command(command):
    assert graft(*command, "words@2", "--reason", "looked at by Ann") == "words@2 is champion\n"
    assert "awaits" not in graft("models")
    assert "looked at by Ann" in graft("models", "history", "words")


def test_every_version_is_verified_and_each_fault_is_named(registry):
    assert "2 versions verify" in graft("models", "verify")
    found = json.loads(graft("models", "verify", "--json"))
    said = [(one["reference"], one["golden"], one["faults"]) for one in found]
    assert said == [("words@1", 5, []), ("words@2", 5, [])]
    assert json.loads(graft("models", "verify", "words@2", "--json")) == found[1:]
    registry.store.put(f"{registry.show('words@1').package}/config.json", b"{}")
    with pytest.raises(RegistryError, match=r"1 of 2 do not verify\n  - words@1: config\.json: sha256") as broken:
        graft("models", "verify")
    assert broken.value.exit_code == 2
    result = CliRunner().invoke(cli.app, ["models", "verify", "--json"])
    assert [bool(one["faults"]) for one in json.loads(result.output)] == [True, False]


def test_an_empty_registry_is_named_for_it_may_be_the_wrong_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert graft("models", "verify") == "there is no version in registry; GRAFT_REGISTRY says where to look\n"
