import json
import subprocess
import sys

import pytest

from graft.catalog import Catalog
from graft.errors import CheckFailed, CheckpointError
from graft.manifest import sha256
from graft.problems import PROBLEMS
from graft.reading import read
from graft.steps.check import run_source, run_target
from tests.graft.checks.conftest import noise


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    """A source and a target of sentences in an empty checkout."""
    monkeypatch.chdir(tmp_path)
    rows = [f"a sentence of the source {n},{'ab'[n % 2]}" for n in range(40)]
    (tmp_path / "source.csv").write_text("\n".join(["text,label", *rows]))
    rows = [f"a sentence of the target {n},{'xy'[n % 2]}" for n in range(40)]
    (tmp_path / "target.csv").write_text("\n".join(["text,label", *rows]))
    problem = "text-classification"
    source = {"problem": problem, "data": {"path": "source.csv"}, "backbone": {"config": {"model_type": "bert"}}}
    data = {"path": "target.csv", "labels_per_class": 5}
    target = {"source": "base", "problem": problem, "data": data, "study": {}, "evaluation": {}}
    return Catalog.model_validate({"sources": {"base": source}, "targets": {"small": target}})


def test_good_data_pass_and_leave_json_page_and_rows(catalog, tmp_path):
    run_source("base", catalog)
    run_target("small", catalog)
    folder = tmp_path / "checks" / "targets" / "small"
    assert sorted(path.name for path in folder.iterdir()) == [
        "check.html",
        "check.json",
        "manifest.json",
        "rows.parquet",
    ]
    found = json.loads((folder / "check.json").read_text())
    assert found["passed"]
    assert "contamination" in {entry["name"] for entry in found["expectations"]}
    assert found["notes"] == ["no tokenizer yet: it is trained with the source"]
    assert found["balance"]["train"] == {"x": 5, "y": 5}
    page = (folder / "check.html").read_text()
    assert "<script" not in page
    assert "http" not in page


def test_the_same_data_give_the_same_bytes(catalog, tmp_path):
    run_source("base", catalog)
    folder = tmp_path / "checks" / "sources" / "base"
    names = ("check.json", "check.html", "rows.parquet")
    before = {name: (folder / name).read_bytes() for name in names}
    run_source("base", catalog)
    assert {name: (folder / name).read_bytes() for name in names} == before


def test_a_target_whose_test_rows_the_source_trained_on_stops_and_names_them(catalog, tmp_path):
    source = (tmp_path / "source.csv").read_text()
    (tmp_path / "target.csv").write_text(source.replace(",a", ",x").replace(",b", ",y"))
    run_source("base", catalog)
    with pytest.raises(CheckFailed) as error:
        run_target("small", catalog)
    message = str(error.value)
    assert "occur in the source's training data: 30 row(s) do not fit (found 1, expected ≤ 0)" in message
    assert "equals the source's training row source.csv, row" in message
    assert not (tmp_path / "checks" / "targets").exists()
    aside = tmp_path / ".graft" / "failed-checks" / "targets" / "small"
    assert str(aside.relative_to(tmp_path)) in message
    assert not json.loads((aside / "check.json").read_text())["passed"]
    assert "Stopped" in (aside / "check.html").read_text()


def test_labels_in_test_unseen_in_training_stop(catalog, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.csv").write_text("text,label\nsome words,x\nother words,y\n")
    (tmp_path / "set" / "test.csv").write_text("text,label\nmore words,z\nlast words,y\n")
    data = catalog.sources["base"].data.model_copy(update={"path": "set"})
    changed = catalog.sources["base"].model_copy(update={"data": data})
    with pytest.raises(CheckFailed, match=r"test.csv, row 1: more words; label 'z' has no training row"):
        run_source("base", catalog.model_copy(update={"sources": {"base": changed}}))


def test_all_corrupt_images_among_good_ones_are_listed(catalog, tmp_path):
    for place in range(12):
        path = tmp_path / "images" / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nonsense" if place in (3, 8) else noise(place))
    data = catalog.sources["base"].data.model_copy(update={"path": "images"})
    changed = catalog.sources["base"].model_copy(update={"data": data, "problem": "image-classification"})
    with pytest.raises(CheckFailed) as error:
        run_source("base", catalog.model_copy(update={"sources": {"base": changed}}))
    assert "a/8.png: images/a/8.png: not an image" in str(error.value)
    assert "b/3.png: images/b/3.png: not an image" in str(error.value)


def test_warnings_are_told_and_do_not_stop(catalog, tmp_path, caplog):
    rows = ["the same sentence,a"] * 20 + [f"another sentence {n},b" for n in range(20)]
    (tmp_path / "source.csv").write_text("\n".join(["text,label", *rows]))
    caplog.set_level("WARNING", logger="graft")
    run_source("base", catalog)
    assert "repeat another of their split" in caplog.text
    assert json.loads((tmp_path / "checks/sources/base/check.json").read_text())["warnings"] >= 1


def with_shifts(catalog, **shifts):
    """Return the catalogue with shift sets for its target, given as names with paths."""
    target = catalog.targets["small"].model_dump()
    target["evaluation"] = {"shifts": {name: {"path": path} for name, path in shifts.items()}}
    return Catalog.model_validate({**catalog.model_dump(), "targets": {"small": target}})


def write_rows(path, rows):
    path.write_text("\n".join(["text,label", *rows]))


def test_shift_sets_are_checked_and_leave_what_training_depends_on_as_it_was(catalog, tmp_path):
    run_source("base", catalog)
    run_target("small", catalog)
    before = (tmp_path / "checks/targets/small/check.json").read_bytes()
    assert json.loads((tmp_path / "checks/shifts/small/shifts.json").read_text()) == {}
    write_rows(tmp_path / "elsewhere.csv", ["a sentence from elsewhere,x", "and another one,x"])
    run_target("small", with_shifts(catalog, elsewhere="elsewhere.csv"))
    assert (tmp_path / "checks/targets/small/check.json").read_bytes() == before
    found = json.loads((tmp_path / "checks/shifts/small/shifts.json").read_text())["elsewhere"]
    assert (found["rows"], found["asked"]["path"]) == (2, "elsewhere.csv")
    assert found["files"] == sha256(tmp_path / "elsewhere.csv")


def test_everything_that_is_wrong_with_shift_sets_is_said_at_once_and_before_training(catalog, tmp_path):
    run_source("base", catalog)
    run_target("small", catalog)
    target = catalog.target("small")
    problem = PROBLEMS[target.problem]
    trained = read(target.data, problem).splits["train"].to_pylist()[0]
    pretrained = read(catalog.source("base").data, problem).splits["train"].to_pylist()[0]
    write_rows(tmp_path / "others.csv", ["new words,x", "more words,z", "the last words,z"])
    write_rows(tmp_path / "seen.csv", [f"{trained['text']},{'xy'[trained['label']]}", "unseen words,x"])
    write_rows(tmp_path / "source-rows.csv", [f"{pretrained['text']},x", "unseen words,x"])
    with pytest.raises(CheckFailed) as error:
        run_target(
            "small", with_shifts(catalog, others="others.csv", seen="seen.csv", old="source-rows.csv", gone="no.csv")
        )
    message = str(error.value)
    assert "4 problem(s) with its shift sets" in message
    assert "shift set 'others': others.csv: 1 label(s) that the target does not have" in message
    assert "'z' in 2 row(s), the first is others.csv, row 2" in message
    assert "shift set 'seen': 1 of 2 rows were trained on (expected ≤ 0)" in message
    assert f"seen.csv, row 1: equals the training row target.csv, row {trained['row']}" in message
    assert f"source-rows.csv, row 1: equals the source's training row source.csv, row {pretrained['row']}" in message
    assert "shift set 'gone': no.csv: no such file or folder" in message
    assert (tmp_path / ".graft/failed-checks/targets/small/check.html").is_file()


def test_failed_expectations_and_shift_sets_are_one_message(catalog, tmp_path):
    source = (tmp_path / "source.csv").read_text()
    write_rows(tmp_path / "others.csv", ["new words,z"])
    (tmp_path / "target.csv").write_text(source.replace(",a", ",x").replace(",b", ",y"))
    run_source("base", catalog)
    with pytest.raises(CheckFailed, match=r"1 of \d+ expectations failed, 1 problem\(s\) with its shift sets") as error:
        run_target("small", with_shifts(catalog, others="others.csv"))
    assert "occur in the source's training data: 30 row(s)" in str(error.value)
    assert "'z' in 1 row(s)" in str(error.value)
    assert not (tmp_path / "checks/targets").exists()
    assert not (tmp_path / "checks/shifts").exists()


def test_a_share_of_trained_rows_that_the_thresholds_allow_is_allowed_in_a_shift_set(catalog, tmp_path):
    run_source("base", catalog)
    write_rows(tmp_path / "source-rows.csv", ["a sentence of the source 3,x", "unseen words,x"])
    asked = with_shifts(catalog, old="source-rows.csv").model_dump()
    asked["targets"]["small"]["data"]["checks"] = {"max_contaminated_share": 0.5}
    run_target("small", Catalog.model_validate(asked))


def test_a_target_needs_its_source_checked_first(catalog):
    with pytest.raises(CheckpointError, match="check-source base"):
        run_target("small", catalog)


def test_the_step_does_not_load_torch(catalog, tmp_path):
    code = (
        "import sys; from graft.steps.check import run_source; from graft.catalog import Catalog; "
        f"run_source('base', Catalog.model_validate_json({catalog.model_dump_json()!r})); "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
