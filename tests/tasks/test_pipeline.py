import json
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from graft.catalog import Catalog
from graft.errors import BadInput, CatalogError, DataError, GraftError, Interrupted, Killed, Transient
from tasks import pipeline
from tasks.alone import alone
from tasks.outcomes import Outcome, failure, rebuild
from tasks.pipeline import bring, plan, produced, reproduce, require_data, stale


def test_a_stage_runs_then_is_skipped_then_comes_back_from_the_run_cache(repo):
    lines = []
    assert reproduce("make", lines.append).action == "ran"
    assert (repo / "out.txt").read_text() == "HELLO"
    assert lines == ["working"]
    assert stale(["make"]) == {}
    assert reproduce("make", lines.append).action == "skipped"
    (repo / "out.txt").unlink()
    (repo / "dvc.lock").unlink()
    assert list(stale(["make"])) == ["make"]
    assert reproduce("make", lines.append).action == "restored"
    assert (repo / "out.txt").read_text() == "HELLO"
    assert (repo / ".gitignore").read_text().count("out.txt") == 1


def test_of_two_runs_at_one_stage_the_second_waits(repo):
    said = queue.Queue()
    with ThreadPoolExecutor(1) as pool:
        with alone("make", said.put):
            second = pool.submit(reproduce, "make", said.put)
            assert "another run is at it" in said.get(timeout=60)
            assert not (repo / "out.txt").exists()
        assert second.result(120).action == "ran"


def test_a_failed_step_raises_its_own_error_and_not_what_an_earlier_run_left(repo, endings):
    endings(["DataError", 2], ["killed", 0])
    with pytest.raises(DataError, match="DataError happened"):
        reproduce("make", lambda line: None)
    with pytest.raises(GraftError, match="killed from outside") as killed:
        reproduce("make", lambda line: None)
    assert not isinstance(killed.value, BadInput)


def test_what_dvc_itself_refuses_is_bad_input_with_its_reason(repo):
    (repo / "input.txt").unlink()
    with pytest.raises(BadInput, match=r"input\.txt"):
        reproduce("make", lambda line: None)
    with pytest.raises(BadInput, match="nowhere"):
        reproduce("nowhere", lambda line: None)


@pytest.fixture
def other():
    """A process that is there until the test ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield {"pid": process.pid, "cmd": "dvc repro make"}
        process.communicate(b"\n")


def hold(repo, **locked):
    (repo / ".dvc" / "tmp" / "rwlock").write_text(json.dumps({"read": {}, "write": {}, **locked}))


def test_what_another_run_is_making_is_not_current_yet(repo, other):
    reproduce("make", lambda line: None)
    hold(repo, write={str(repo / "out.txt"): other})
    assert list(stale(["make"])) == ["make"]
    hold(repo)
    assert stale(["make"]) == {}


def test_what_another_run_is_reading_is_current_and_waited_for_only_where_it_is_to_be_made_anew(repo, other):
    reproduce("make", lambda line: None)
    hold(repo, read={str(repo / "out.txt"): [other]})
    said = []
    assert reproduce("make", said.append).action == "skipped"
    assert said == []
    (repo / "input.txt").write_text("changed")
    with pytest.raises(Transient, match="is busy"):
        reproduce("make", said.append)


def test_outside_a_dvc_repository_status_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="DVC cannot tell"):
        stale(["make"])


def test_tracked_data_that_is_nowhere_says_how_to_get_it(repo):
    (repo / "images.dvc").write_text("outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e\n  hash: md5\n  path: images\n")
    with pytest.raises(BadInput, match="dvc push"):
        bring("images.dvc", lambda line: None)


@pytest.mark.parametrize(
    ("kind", "expected"), [("DataError", DataError), ("Interrupted", Interrupted), ("Transient", Transient)]
)
def test_an_outcome_is_raised_as_the_class_it_was(kind, expected):
    error = rebuild("adapt@digits", Outcome(kind, "what happened", 1.0))
    assert type(error) is expected
    assert str(error) == "what happened"


@pytest.mark.parametrize("kind", ["ZeroDivisionError", "BaseException", "annotations", "Sequence"])
def test_an_outcome_of_no_class_of_ours_is_a_bug_and_not_bad_input(kind):
    error = rebuild("adapt@digits", Outcome(kind, "what happened", 1.0))
    assert type(error) is GraftError
    assert "what happened" in str(error)


def test_a_held_lock_is_transient():
    said = ["ERROR: Unable to acquire lock. Most likely another DVC process is running"]
    assert isinstance(failure("make", 255, None, said), Transient)


CATALOG = Catalog.model_validate(
    {
        "sources": {
            "big": {
                "problem": "image-classification",
                "data": {"path": "data/digits/source"},
                "backbone": {"config": {"model_type": "resnet"}},
            }
        },
        "targets": {
            "small": {
                "source": "big",
                "problem": "image-classification",
                "data": {"path": "data/own"},
                "study": {},
                "evaluation": {},
            }
        },
    }
)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose source is made by a stage and whose target came from a person."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "own.dvc").write_text("outs: []\n")
    builder = {"cmd": "true", "outs": ["data/digits"]}
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": {"build-digits": builder, "adapt": {"foreach": []}}}))


@pytest.mark.usefixtures("checkout")
def test_a_plan_builds_its_data_and_checks_everything_before_training():
    steps = plan("small", CATALOG)
    assert steps.tracked == ("data/own.dvc",)
    assert steps.stages == (
        "build-digits",
        "check-source@big",
        "check-target@small",
        "pretrain@big",
        "adapt@small",
        "evaluate@small",
    )
    assert produced("data/digits") == ["build-digits"]
    assert produced("data/digits-2") == []


@pytest.mark.usefixtures("checkout")
def test_a_plan_for_an_unknown_target_names_the_nearest():
    with pytest.raises(CatalogError, match="did you mean 'small'"):
        plan("smal", CATALOG)


@pytest.mark.usefixtures("checkout")
def test_a_plan_without_data_says_so_before_anything_runs(tmp_path):
    (tmp_path / "data" / "own.dvc").unlink()
    with pytest.raises(DataError, match=r"targets\.small\.data\.path: data/own: no such file or folder") as error:
        plan("small", CATALOG)
    assert len(error.value.problems) == 1
    (tmp_path / "data" / "own").mkdir()
    assert plan("small", CATALOG).tracked == ()


def test_a_killed_status_is_no_wrong_checkout(repo, monkeypatch):
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    monkeypatch.setattr(pipeline, "DVC", tuple(killed))
    with pytest.raises(Killed, match="killed from outside"):
        stale(["make"])


@pytest.mark.usefixtures("checkout")
def test_what_its_builder_did_not_make_is_named_with_what_is_there(tmp_path):
    (tmp_path / "data" / "digits" / "sources").mkdir(parents=True)
    with pytest.raises(DataError) as error:
        require_data("small", CATALOG)
    assert error.value.problems == (
        "sources.big.data.path: data/digits/source: build-digits did not make it; in data/digits there is sources",
    )
    (tmp_path / "data" / "digits" / "source").mkdir()
    require_data("small", CATALOG)
