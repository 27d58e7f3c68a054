"""What people do with a registry: look, verify, promote, roll back."""

import json
import subprocess
import sys

import pytest

from graft.errors import RegistryError, StoreUnfit
from graft.registry import Registry, audit, open_registry, publish
from graft.storage import MemoryStore


@pytest.fixture
def two(registry, make_package, candidate):
    """A registry with champion words@2 and before it words@1."""
    publish(registry, candidate(make_package("one", [True] * 10 + [False] * 10)))
    publish(registry, candidate(make_package("two", [True] * 20)))
    return registry


@pytest.fixture
def hurting(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True] * 4)))
    publish(registry, candidate(make_package("two", [True] * 4, verdict="hurts")))
    return registry


def test_references_name_versions(two, make_package, candidate):
    publish(two, candidate(make_package("three", [False] * 20)))
    numbers = {
        reference: two.show(reference).number
        for reference in ("words", "words@1", "words@champion", "words@challenger", "words@3")
    }
    assert numbers == {"words": 2, "words@1": 1, "words@champion": 2, "words@challenger": 3, "words@3": 3}


def test_without_a_champion_the_name_means_the_latest(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True], verdict="neutral")))
    publish(registry, candidate(make_package("two", [True], verdict="neutral")))
    assert registry.show("words").number == 2
    with pytest.raises(RegistryError, match="no version is champion"):
        registry.show("words@champion")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("wrods", "no model 'wrods' in the registry; did you mean 'words'"),
        ("words@9", "words@9: no such version; words has versions 1 to 2"),
        ("words@0", "no such version"),
        ("words@champoin", "did you mean 'champion'"),
        ("words@", "expected NAME, NAME@3"),
        ("../words", "expected NAME, NAME@3"),
        ("words@1@2", "expected NAME, NAME@3"),
        (f"words@{'9' * 5000}", "^'words@9{94}' names no model version"),
        ("wo\x1b[31mrds", r"^'wo\\x1b\[31mrds' names no"),
        ("", "expected NAME, NAME@3"),
    ],
)
def test_a_reference_that_means_nothing_is_answered_with_what_there_is(two, reference, message):
    with pytest.raises(RegistryError, match=message):
        two.show(reference)


def test_an_empty_registry_says_how_to_fill_it(registry):
    assert registry.models() == ()
    with pytest.raises(RegistryError, match="graft run TARGET"):
        registry.show("words")


def test_verifying_looks_into_the_store_itself(two):
    assert two.verify("words").golden == 5
    two.fetch("words")
    place = two.show("words").package
    two.store.put(f"{place}/model.safetensors", two.store.get(f"{place}/model.safetensors")[:-1] + b"x")
    two.store.delete(f"{place}/README.md")
    with pytest.raises(RegistryError, match=r"README\.md: missing in the registry"):
        two.verify("words")
    two.store.put(f"{place}/README.md", b"another")
    with pytest.raises(RegistryError, match=r"README\.md: sha256(.|\n)*model\.safetensors: sha256"):
        two.verify("words")


def test_a_fetched_package_that_was_damaged_is_fetched_again(two):
    folder = two.fetch("words")
    (folder / "config.json").write_text("{}")
    assert two.fetch("words") == folder
    assert len((folder / "config.json").read_text()) > 2
    assert not [path.name for path in folder.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("digest", ["../../precious", "/precious", "..", "", "a/b", "a\n"])
def test_a_digest_that_names_another_folder_is_no_digest(two, digest):
    """It names the folder of a copy, and one that does not verify is removed."""
    precious = two.cache.parent / "precious"
    precious.mkdir()
    (two.cache / "words").mkdir(parents=True, exist_ok=True)
    key = next(key for key in two.store.list("events") if b'"registered"' in two.store.get(key))
    event = json.loads(two.store.get(key)) | {"digest": digest}
    two.store.put(key, json.dumps(event).encode())
    with pytest.raises(RegistryError, match=f"{key}: not an event(.|\n)*digest"):
        Registry(two.store, two.cache).fetch("words@1")
    assert precious.is_dir()


def test_a_rollback_returns_to_the_champion_before_and_stays_in_the_history(two):
    event = two.rollback("words", "it disliked owls")
    assert (event.version, event.abandoned, event.reason) == (1, 2, "it disliked owls")
    assert two.show("words@champion").number == 1
    assert two.history("words")[-1] == event
    with pytest.raises(RegistryError, match="nothing to return to; words@1 is its first champion"):
        two.rollback("words", "again")


def test_a_rollback_to_a_damaged_package_moves_nothing(two):
    two.store.put(f"{two.show('words@1').package}/golden.json", b"[]")
    before = two.state("words")
    with pytest.raises(RegistryError, match=r"words@1: its package does not verify"):
        two.rollback("words", "it disliked owls")
    assert two.state("words") == before


def test_a_rollback_decided_on_an_old_state_moves_nothing(two, make_package, candidate):
    class Overtaken(Registry):
        def append(self, model, decide):
            two.promote("words@1", "somebody else was faster")
            return super().append(model, decide)

    with pytest.raises(RegistryError, match="became words@1 in the meantime"):
        Overtaken(two.store, two.cache).rollback("words", "it disliked owls")
    assert two.state("words").champions == (1, 2, 1)


def test_a_promotion_by_hand_carries_its_reason(two):
    event = two.promote("words@1", "the owls are back")
    assert (event.version, event.reason, event.forced, event.gates) == (1, "the owls are back", False, ())
    assert two.show("words").number == 1
    assert two.rollback("words", "no, they are not").version == 2


@pytest.mark.parametrize("name", ["", "  "])
def test_who_decides_for_others_says_a_name(two, name):
    with pytest.raises(RegistryError, match="needs the name of who decides"):
        two.promote("words@1", "the owls are back", person=name)


def test_an_audit_reads_every_version_and_names_every_fault(two, make_package, candidate):
    publish(two, candidate(make_package("three", [False] * 20)))
    clean = list(audit(two))
    assert [(found.reference, found.golden, found.faults) for found in clean] == [
        (f"words@{number}", 5, ()) for number in (1, 2, 3)
    ]
    first, third = (two.show(f"words@{number}").package for number in (1, 3))
    two.store.put(f"{first}/model.safetensors", b"damaged")
    two.store.delete(f"{third}/README.md")
    two.store.delete(f"{third}/golden.json")
    found = {one.reference: one.faults for one in audit(two)}
    assert [*found] == ["words@1", "words@2", "words@3"]
    assert found["words@2"] == ()
    assert "model.safetensors: sha256" in found["words@1"][0]
    assert [fault.partition(": ")[0].rpartition("/")[2] for fault in found["words@3"]] == ["README.md", "golden.json"]


def test_an_audit_names_a_model_whose_history_cannot_be_read_and_goes_on(two, tmp_path):
    two.store.put("events/letters/00000001.json", b"{")
    found = {one.reference: one.faults for one in audit(Registry(two.store, tmp_path / "another"))}
    assert found["letters"]
    assert found["words@1"] == found["words@2"] == ()


def test_a_model_that_a_run_has_only_claimed_has_no_version_yet(registry):
    registry.claim("words", "a run")
    assert [state.versions for state in registry.models()] == [()]
    for reference in ("words", "words@1", "words@champion"):
        with pytest.raises(RegistryError, match=r"words: no version is registered yet; `graft run words`"):
            registry.show(reference)
    assert list(audit(registry)) == []


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_decisions_by_hand_need_a_reason(two, reason):
    with pytest.raises(RegistryError, match="needs a reason"):
        two.promote("words@1", reason)
    with pytest.raises(RegistryError, match="needs a reason"):
        two.rollback("words", reason)
    assert two.show("words").number == 2


def test_the_champion_is_not_promoted_again(two):
    with pytest.raises(RegistryError, match="words@2 is champion already"):
        two.promote("words", "to be sure")


def test_a_version_that_hurts_is_promoted_only_by_force(hurting):
    with pytest.raises(RegistryError, match=r"worse than training from scratch(.|\n)*--force"):
        hurting.promote("words@2", "I like it")
    assert hurting.promote("words@2", "the metric is wrong, see ticket 7", force=True).forced
    assert hurting.show("words").number == 2


def test_a_damaged_version_is_not_promoted_even_by_force(hurting):
    hurting.store.delete(f"{hurting.show('words@2').package}/config.json")
    with pytest.raises(RegistryError, match=r"config\.json: missing"):
        hurting.promote("words@2", "the metric is wrong", force=True)


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_written(tmp_path, make_package, candidate):
    class Careless(MemoryStore):
        def put_if_absent(self, key, content):
            self.put(key, content)
            return True

    registry = Registry(Careless(), tmp_path / "cache")
    with pytest.raises(StoreUnfit, match="two workers could both win"):
        publish(registry, candidate(make_package("one", [True])))
    assert registry.store.list() == ()


def test_the_registry_is_a_folder_and_listing_makes_none(tmp_path, monkeypatch, make_package, candidate):
    monkeypatch.chdir(tmp_path)
    assert open_registry("shelf").models() == ()
    assert not (tmp_path / "shelf").exists()
    publish(open_registry("shelf"), candidate(make_package("one", [True] * 4)))
    assert (tmp_path / "shelf/events/words/00000001.json").is_file()
    assert open_registry("shelf").verify("words@1").files >= 8


def test_listing_and_history_load_no_training_stack(tmp_path, make_package, candidate):
    publish(open_registry(str(tmp_path / "shelf")), candidate(make_package("one", [True] * 4)))
    program = (
        "import sys; from graft.registry import open_registry; "
        f"registry = open_registry({str(tmp_path / 'shelf')!r}); "
        "assert registry.models()[0].champion == 1; registry.history('words'); registry.show('words'); "
        "print([name for name in ('torch', 'transformers', 'pyarrow', 'sklearn', 'prefect') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
