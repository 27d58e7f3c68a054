from pathlib import Path

import pytest

from graft.catalog import Catalog
from graft.errors import DataError
from graft.retraining.state import PARTS, compare_states, read_state


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("source", "target"):
        Path(name).mkdir()
        Path(name, "rows.csv").write_text("text,label\na,b\n")
    for name in ("loop", "report"):
        Path(name).mkdir()
        Path(name, "code.py").write_text("pass\n")
    return tmp_path


def state(**target):
    source = {"problem": "text-classification", "data": {"path": "source"}, "backbone": {"checkpoint": "c"}}
    entry = {"source": "s", "problem": "text-classification", "data": {"path": "target"}, "study": {}, **target}
    catalog = Catalog.model_validate({"sources": {"s": source}, "targets": {"t": entry}})
    return read_state("t", catalog, [Path("loop")], [Path("report")])


def test_the_same_project_has_the_same_state(project):
    assert compare_states(state(), state()) == ()
    assert set(state()) == set(PARTS)


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("source/rows.csv", "source"),
        ("target/rows.csv", "data"),
        ("loop/code.py", "code"),
        ("report/code.py", "evaluation"),
    ],
)
def test_a_changed_file_changes_its_part_alone(project, file, part):
    before = state()
    (project / file).write_text("something else\n")
    assert compare_states(before, state()) == (part,)


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"study": {"seeds": 4}}, ("parameters",)),
        ({"gates": {"min_gain": 0.1}}, ("evaluation",)),
        ({"evaluation": {"robustness_rows": 0}}, ("evaluation",)),
        ({"watch": {"max_auc": 0.9}, "retraining": {"choice": "train"}}, ()),
    ],
)
def test_a_changed_section_changes_what_depends_on_it(project, given, parts):
    before = state()
    assert compare_states(before, state(**given)) == parts


def test_what_python_leaves_beside_the_code_does_not_count(project):
    before = state()
    (project / "loop" / "__pycache__").mkdir()
    (project / "loop" / "__pycache__" / "code.cpython-311.pyc").write_bytes(b"x")
    assert compare_states(before, state()) == ()


def test_every_path_of_the_data_that_is_not_there_is_named(project):
    (project / "source" / "rows.csv").unlink()
    (project / "source").rmdir()
    with pytest.raises(DataError, match=r"(?s)source: no such file.*nowhere: no such file"):
        state(evaluation={"shifts": {"old": {"path": "nowhere"}}})
