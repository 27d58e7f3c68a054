"""What `graft predict` prints and writes, with what the registry says made up."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import typer

from flows.cli import app
from flows.commands.predict import predict
from graft.errors import BadInput
from graft.problems.sampling import Sampling
from graft.registry import Prediction


@pytest.fixture
def answered(monkeypatch, tmp_path):
    """Answer every input with a mask of its own name, drawn where that is asked for; stand in an empty folder."""

    def answer(reference, inputs, question, draw, **_):
        return [
            Prediction(name, None, None, None, facts={"covered": "class 1 7%"}, pictures={"mask": name.encode()},
                       drawing=b"drawn " + name.encode() if draw else None)
            for name in inputs
        ]  # fmt: skip

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("graft.registry.predict", answer)
    return tmp_path


def test_masks_and_drawings_are_written_and_said(answered, capsys):
    predict("t", ["far/a.png"], None, answered / "out", answered / "x" / "drawn.png", as_json=True)
    assert (answered / "out/a.mask.png").read_bytes() == b"far/a.png"
    assert (answered / "x/drawn.png").read_bytes() == b"drawn far/a.png"
    (said,) = json.loads(capsys.readouterr().out)
    assert said == {"input": "far/a.png", "note": "", "facts": {"covered": "class 1 7%"},
                    "mask": str(answered / "out/a.mask.png")}  # fmt: skip
    predict("t", ["a.png", "b.png"], None, answered, answered / "folder", as_json=False)
    assert "b.mask.png" in capsys.readouterr().out
    assert {path.name for path in (answered / "folder").iterdir()} == {"a.drawn.png", "b.drawn.png"}


def test_nothing_is_written_where_two_answers_would_share_a_file(answered):
    with pytest.raises(BadInput, match="two inputs of one name"):
        predict("t", ["x/a.png", "y/a.png"], None, answered / "out", None, as_json=True)
    with pytest.raises(BadInput, match="one file for 2 inputs"):
        predict("t", ["a.png", "b.png"], None, answered / "out", answered / "one.png", as_json=True)
    assert not (answered / "out").exists()


def test_each_thing_that_was_found_is_a_line(monkeypatch, capsys, tmp_path):
    cell = {"label": "cell", "score": 0.75, "x": 3.0}
    found = [Prediction("a.png", None, None, None, facts={"objects": [cell, {**cell, "score": 0.5}]}),
             Prediction("b.png", None, None, None, facts={"objects": []})]  # fmt: skip
    monkeypatch.setattr("graft.registry.predict", lambda *_, **__: found)
    predict("t", ["a.png", "b.png"], None, tmp_path, None, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "png" in line]
    assert lines == [["a.png", "cell", "0.750", "3.000"], ["a.png", "cell", "0.500", "3.000"], ["b.png", "none"]]
    predict("t", ["a.png", "b.png"], None, tmp_path, None, as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["facts"]["objects"][0] == cell


def test_a_comparison_is_one_line_and_its_matches_are_json(monkeypatch, capsys):
    asked = {}

    def answer(reference, inputs, question, draw, **others):
        asked.update(others)
        facts = {"match": "g/anna.png", "similarity": 0.71, "same_at_far_1e-2": True, "same_at_far_1e-3": False}
        matches = [{"file": "g/anna.png", "similarity": 0.71}, {"file": "g/bert.png", "similarity": 0.2}]
        return [Prediction(name, None, None, None, facts={**facts, "matches": matches}) for name in inputs]

    monkeypatch.setattr("graft.registry.predict", answer)
    predict("t", ["a.png"], None, Path(), None, as_json=False, gallery=Path("g"))
    said = " ".join(capsys.readouterr().out.split())
    assert "g/anna.png 0.710 same not g/bert.png 0.200" in said
    predict("t", ["a.png"], None, Path(), None, as_json=True, beside="b.png")
    (plain,) = json.loads(capsys.readouterr().out)
    assert plain["facts"]["same_at_far_1e-3"] is False
    assert len(plain["facts"]["matches"]) == 2
    assert asked == {"gallery": Path("g"), "beside": "b.png"}


def test_the_help_states_how_a_text_is_drawn_where_nothing_is_said():
    options = {option.name: option for option in typer.main.get_command(app).commands["predict"].params}
    shown = {name: float(str(options[name].show_default)) for name in asdict(Sampling())}
    assert shown == asdict(Sampling())
