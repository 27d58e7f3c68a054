"""A retraining that may begin from the champion: from new rows to a package that knows what it was begun from."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from graft.backbones import load as load_network
from graft.champion import Champion, find_champion, leave_champion
from graft.problems import PROBLEMS
from graft.registry import open_registry
from graft.settings import settings
from graft.steps.__main__ import main
from tasks.champion import begins_from_champion, fetch_champion
from tests.conftest import BERT

PROBLEM = PROBLEMS["text-classification"]
SOURCE = {
    "problem": "text-classification",
    "data": {"path": "source.parquet"},
    "backbone": {"config": BERT},
    "pretraining": {"epochs": 1, "max_tokens": 12, "vocabulary_size": 100},
}
STUDY = {
    "strategies": ["linear-probe", "champion:full"],
    "seeds": 2,
    "folds": 2,
    "budget_steps": 4,
    "halving": 1,
    "resamples": 100,
    "learning_rates": [0.001],
}
GATES = {"verdicts": ["helps", "neutral", "hurts", "cannot-tell"], "min_gain": -1.0}
WORDS = ("calm", "stormy")


def weather(*numbers):
    """Return reports of the weather, one for each number, of two classes that differ in a word."""
    texts = [f"day {one} at place {one * 7 % 11} was {WORDS[one % 2]}" for one in numbers]
    return pa.table({"text": texts, "label": [WORDS[one % 2] for one in numbers]})


def write(train, test, **study):
    """Write the target's data, divided by hand, and its catalogue."""
    for split, rows in {"train": train, "test": test}.items():
        Path("target").mkdir(exist_ok=True)
        pq.write_table(weather(*rows), f"target/{split}.parquet")
    target = {
        "problem": PROBLEM.name,
        "source": "s",
        "data": {"path": "target"},
        "study": {**STUDY, **study},
        "gates": GATES,
    }
    with Path("params.yaml").open("w") as stream:
        YAML(typ="safe").dump({"sources": {"s": SOURCE}, "targets": {"t": target}}, stream)


def go(*steps):
    for step in steps:
        assert main(step.split()) == 0, step
    return json.loads(Path("runs/t/study.json").read_text())


AGAIN = ("check-target t", "adapt t")
TRAIN, MORE, TEST = range(24), range(60), range(100, 120)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A project with one champion, after a study that had none to begin from."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GRAFT_DEVICE", "cpu")
        settings.cache_clear()
        pq.write_table(weather(*range(200, 260)), "source.parquet")
        write(TRAIN, TEST)
        go("check-source s", "pretrain s", *AGAIN, "evaluate t", "publish t")
    return folder


@pytest.fixture
def project(first, tmp_path, monkeypatch):
    """The working directory: what the first study left, and the registry, to be added to."""
    import shutil

    monkeypatch.chdir(shutil.copytree(first, tmp_path / "project"))
    monkeypatch.setenv("GRAFT_DEVICE", "cpu")
    settings.cache_clear()


def test_the_first_study_has_nothing_to_begin_from_and_says_so(project):
    facts = json.loads(Path("runs/t/study.json").read_text())
    assert "champion:full was left out: no model of it is champion yet" in facts["notes"]
    assert (facts["champion"], facts["selection"]) == (None, "2-fold")
    assert begins_from_champion("t")
    assert fetch_champion("t").version == "t@1"


def test_champion_and_source_are_begun_from_in_one_study_on_rows_that_neither_has_met(project):
    champion = fetch_champion("t")
    write(MORE, TEST)
    facts = go(*AGAIN)
    assert facts["champion"] == {"version": "t@1", "digest": champion.digest, "unseen": 36}
    assert facts["selection"] == "2-fold, of the 36 rows that the champion has not met"
    begun = {one["strategy"]: one["trials"] for one in facts["candidates"] if one["role"] == "candidate"}
    assert begun == {"linear-probe": 4, "champion:full": 4}
    rows = pq.read_table("runs/t/validation.parquet")
    assert rows.num_rows <= 2 * 36  # each seed holds each of the new rows once


def test_a_winner_that_began_from_the_champion_knows_all_rows_that_both_have_met(project):
    fetch_champion("t")
    write(MORE, TEST, strategies=["champion:full", "champion:linear-probe", "full"], learning_rates=[1e-9])
    # at a rate of nothing every strategy stays where it began, and only the champion has learned anything
    facts = go(*AGAIN, "evaluate t", "publish t")
    assert facts["winner"]["strategy"].startswith("champion:")
    assert "begins from the champion" in facts["label_curve"]
    adapted = load_network(Path("runs/t/winner/seed-0"), PROBLEM).state_dict()
    begun = load_network(Path(find_champion("t").folder), PROBLEM).state_dict()
    assert all(np.allclose(adapted[name], begun[name], atol=1e-6) for name in begun)
    package = open_registry().package("t@2")
    assert package.rows_met == open_registry().package("t@1").rows_met | {*package.facts["train_hashes"]}
    assert "t@1" in Path("reports/t/report.html").read_text()
    assert open_registry().verify("t@2")


@pytest.mark.parametrize(
    ("train", "test", "reason"),
    [
        (range(30), TEST, "has met all but 6 of the 30 labelled rows, and at least 20, 2 of each label, are needed"),
        ([*TRAIN, *range(200, 260, 2)], TEST, "has met all but 30 of the 54 labelled rows, and at least 20, 2 of each"),
        (range(12, 60), range(100, 120), None),
        (range(12, 60), [*range(12), *TEST], "was trained on 12 of the rows that are test rows now"),
    ],
)
def test_it_is_left_out_where_the_rows_would_flatter_it_or_tell_nothing(project, train, test, reason):
    fetch_champion("t")
    write(train, test)
    facts = go("adapt t")
    left_out = [note for note in facts["notes"] if note.startswith("champion:full was left out: t@1 ")]
    if reason is None:
        assert not left_out
    else:
        assert reason in left_out[0]
        assert facts["champion"] is None


def test_one_with_another_tokenizer_or_other_labels_is_left_out(project):
    champion = fetch_champion("t")
    folder = Path(champion.folder)
    write(MORE, TEST)
    other = folder.with_name("other")
    folder.rename(other)
    _rewrite(other, "tokenizer_config.json", lambda content: content | {"model_max_length": 13})
    leave_champion("t", Champion("t@1", "0" * 64, str(other)))
    assert "t@1 reads its inputs otherwise than the source does now (tokenizer_config.json)" in _notes(go("adapt t"))
    _rewrite(other, "graft.json", lambda content: content | {"labels": ["calm", "windy"]})
    leave_champion("t", Champion("t@1", "1" * 64, str(other)))
    assert "t@1 tells other labels apart" in _notes(go("adapt t"))


def test_a_damaged_copy_is_no_place_to_begin(project, capsys):
    folder = Path(fetch_champion("t").folder)
    (folder / "config.json").write_text("{}")
    write(MORE, TEST)
    assert main(["adapt", "t"]) != 0
    assert "config.json: sha256 is" in capsys.readouterr().err


def _notes(facts):
    return " | ".join(facts["notes"])


def _rewrite(folder, name, change):
    from graft.manifest import write_manifest

    path = folder / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    (folder / "manifest.json").unlink()
    write_manifest(folder)
