"""The table of all datasets: its words, its catalogues, and what runs again."""

import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import __main__ as program
from bench import catalogues, problems
from bench.problems import Row
from graft.settings import settings
from graft.steps.__main__ import main
from tests.conftest import RESNET
from tests.graft.problems.test_pixels import cell, noise

MEASURED = ("fashion_mnist", "mnist", "nuclei", "squad", "connected_digits")  # with every kind of trivial answer


def row(**other):
    facts = {
        "catalogue": "leaves", "name": "oaks", "source": "leaves, image-classification", "network": "resnet",
        "problem": "image-classification", "metric": "accuracy", "higher_is_better": True, "labels": "20",
        "transfer": (0.8, 0.7, 0.9), "scratch": (0.6, 0.5, 0.7), "gain": (0.2, 0.1, 0.3), "trivial": (0.5, 0.4, 0.6),
        "trivial_words": "always 'oak'", "verdict": "helps", "strategy": "full", "study": "full; 40 steps",
        "test_rows": 2000, "minutes": 1.5, "date": "2026-01-02", "code": "c", "key": "k",
    }  # fmt: skip
    return Row.model_validate(facts | other)


@pytest.mark.parametrize(
    ("other", "learned"),
    [
        ({}, True),
        ({"transfer": (0.65, 0.6, 0.7)}, False),  # the intervals touch
        ({"higher_is_better": False}, False),
        ({"higher_is_better": False, "transfer": (0.3, 0.2, 0.39)}, True),
    ],
)
def test_a_model_has_learned_where_the_intervals_are_apart(other, learned):
    assert row(**other).learned is learned
    found = problems.summarise([row(**other)])
    assert found.guards[0].holds is learned
    assert ("; not oaks" in found.guards[0].found) is not learned
    assert found.tables[0].rows[0][4].startswith("**") is learned
    assert "Not measured yet: fashion-vgg, " in found.tables[0].note


def test_every_ready_catalogue_is_valid_and_in_the_table():
    runs = catalogues.find()
    assert {run.catalogue for run in runs} == {path.parent.name for path in catalogues.CATALOGUES.glob("*/params.yaml")}
    assert len({run.target for run in runs}) == len(runs) >= 13
    assert all(problems.trivial.is_known(run.problem) for run in runs if run.catalogue in MEASURED)


def test_catalogues_that_nobody_ordered_come_last(leaves):
    (leaves / "real/acorns").mkdir()
    (leaves / "real/acorns/params.yaml").write_text((leaves / "real/leaves/params.yaml").read_text())
    assert [run.catalogue for run in catalogues.find()] == ["leaves", "acorns"]


def test_a_source_has_a_name_of_its_recipe(leaves):
    (run,) = catalogues.find()
    names = [run.open(leaves / "one").source]
    text = Path("real/leaves/params.yaml").read_text()
    Path("real/leaves/params.yaml").write_text(text.replace('"epochs": 1', '"epochs": 2'))
    names.append(run.open(leaves / "one").source)
    assert all(name.startswith("elms-") for name in names)
    assert len({*names}) == 2


def test_what_is_kept_is_of_a_catalogue_and_in_its_order():
    kept = problems.kept(problems.RESULTS / problems.KEPT)
    order = [run.target for run in catalogues.find()]
    assert [one.name for one in kept] == [name for name in order if name in {one.name for one in kept}]


def test_a_name_that_is_no_row_is_refused_with_those_that_are():
    with pytest.raises(SystemExit, match=r"no row oaks; there are .*emotion"):
        problems.conclude([], True, ["oaks"])


def test_rows_are_asked_for_of_this_benchmark_alone(capsys):
    assert program.parse(["problems", "--only", "emotion", "--again"]).only == ["emotion"]
    with pytest.raises(SystemExit):
        program.parse(["input", "--only", "emotion"])
    assert "--only and --again are of problems" in capsys.readouterr().err


@pytest.fixture
def leaves(tmp_path, monkeypatch):
    """A ready catalogue of 30 small pictures of two kinds, the light ones oaks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFT_DEVICE", "cpu")
    table = pa.Table.from_pylist([
        {"image": cell(noise((12 + number, 12), 1).point(lambda value, n=number: value // 4 + 160 * (n % 2))),
         "label": "oak" if number % 2 else "elm"} for number in range(30)
    ])  # fmt: skip
    (tmp_path / "data/leaves").mkdir(parents=True)
    pq.write_table(table.slice(0, 15), "data/leaves/source.parquet")
    pq.write_table(table.slice(15), "data/leaves/target.parquet")
    catalogue = {
        "sources": {"elms": {
            "problem": "image-classification", "data": {"path": "data/leaves/source.parquet"},
            "backbone": {"config": RESNET}, "pretraining": {"epochs": 1, "image_size": 8},
        }},
        "targets": {"oaks": {
            "source": "elms", "problem": "image-classification", "data": {"path": "data/leaves/target.parquet"},
            "study": {"strategies": ["full"], "seeds": 2, "folds": 2, "budget_steps": 2, "resamples": 100,
                      "label_counts": []},
            "evaluation": {"robustness_rows": 0},
        }},
    }  # fmt: skip
    (tmp_path / "real/leaves").mkdir(parents=True)
    Path("real/leaves/params.yaml").write_text(json.dumps(catalogue))
    for module, name, value in (
        (catalogues, "CATALOGUES", tmp_path / "real"), (catalogues, "ROOT", tmp_path),
        (catalogues, "ORDER", ("leaves",)),
        (catalogues, "code_digest", lambda: "this code"), (problems, "code_digest", lambda: "this code"),
        (problems, "RESULTS", tmp_path / "results"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    return tmp_path


def test_a_row_is_measured_once_for_the_same_code_and_rows(leaves, capsys, monkeypatch):
    def step(command, cwd, env, **options):
        with monkeypatch.context() as here:
            here.chdir(cwd)
            here.setenv("GRAFT_PARAMS", env["GRAFT_PARAMS"])
            settings.cache_clear()
            return CompletedProcess(command, main(command[3:]), "", "")

    monkeypatch.setattr(catalogues, "start", step)  # in this process: each of its own would load torch anew
    found = problems.conclude([], False)
    assert "adapt@oaks" in capsys.readouterr().err
    cells = found.tables[0].rows[0]
    assert cells[:4] == ("oaks", "leaves source, image-classification", "13", "accuracy")
    assert "always 'elm'" in cells[6] or "always 'oak'" in cells[6]
    problems.conclude([], False)
    assert "measured before" in capsys.readouterr().err
    (leaves / "results/problems/oaks.json").unlink()
    problems.conclude([], False)
    said = capsys.readouterr().err
    assert "@" not in said  # every step is still current
    monkeypatch.setattr(catalogues, "code_digest", lambda: "other code")
    problems.conclude([], False)
    assert "pretrain@elms-" in capsys.readouterr().err


def test_a_key_tells_of_the_rows_and_not_of_where_they_lie(leaves, monkeypatch):
    (run,) = catalogues.find()
    keys = [run.open(leaves / "one").key]
    shutil.copytree(leaves / "data", leaves / "elsewhere/data")
    monkeypatch.setattr(catalogues, "ROOT", leaves / "elsewhere")
    keys.append(run.open(leaves / "two").key)
    pq.write_table(pq.read_table("data/leaves/target.parquet").slice(1), "elsewhere/data/leaves/target.parquet")
    keys.append(run.open(leaves / "two").key)
    assert keys[0] == keys[1] != keys[2]


def test_data_that_are_not_there_leave_a_row_out(leaves, capsys):
    Path("data/leaves/target.parquet").unlink()
    assert problems.conclude([], False).tables[0].rows == ()
    assert "oaks: left out" in capsys.readouterr().err
