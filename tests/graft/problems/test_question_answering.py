"""Spans: where they are learned, found, joined over windows, and what they are worth."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from torchmetrics.functional.text import squad
from transformers import AutoTokenizer

from graft.catalog import Data, Pretraining
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.problems.spans import NOTHING, best_spans
from graft.reading import read

PROBLEM = PROBLEMS["question-answering"]
TEXT = "The red boat left the old harbour at nine, and the blue kite rose over the long grey wall behind it."


def rows(*questions):
    """Return a canonical table of (question, accepted answers) about one text."""
    answers = [[{"text": one, "start": TEXT.index(one)} for one in accepted] for _, accepted in questions]
    values, _ = PROBLEM.convert("answers", [[{"text": one["text"], "answer_start": one["start"]} for one in each]
                                            for each in answers])  # fmt: skip
    return pa.table({"text": [TEXT] * len(questions), "question": [asked for asked, _ in questions], "answers": values})


ASKED = rows(
    ("What left?", ["The red boat", "boat"]),
    ("When?", ["nine"]),
    ("What rose?", ["the blue kite"]),
    ("Who saw it?", []),
)


@pytest.fixture(scope="module")
def tokenizer():
    return PROBLEM.make_processor(ASKED, {}, Pretraining(max_tokens=20, vocabulary_size=300))


def oracle(examples):
    """Return what a network that knows each window's labels would answer."""
    answers = np.full((len(examples), 16), NOTHING, np.float32)
    for row, (first, last, *_) in zip(answers, examples.labels, strict=True):
        row[0] = 0
        if last > 0:
            row[1:4] = 5, first, last
    return PROBLEM.join(answers, examples.rows)


def test_a_long_text_has_windows_that_overlap_and_every_answer_is_whole_in_one(tokenizer):
    examples = PROBLEM.encode(ASKED, tokenizer)
    assert len(examples) > examples.row_count == 4
    assert max(map(len, examples.features)) <= 20
    found = PROBLEM.measure(oracle(examples), examples.expected)
    assert found == {"f1": 1.0, "exact_match": 1.0}
    assert [one.answered for one in PROBLEM.tell(oracle(examples), examples.expected)] == [
        "The red boat", "nine", "the blue kite", "(no answer)",
    ]  # fmt: skip


def test_where_every_question_has_an_answer_something_is_always_said(tokenizer, tmp_path):
    fitted = PROBLEM.fit(tokenizer, ASKED.slice(0, 3), {})
    fitted.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    examples = PROBLEM.encode(ASKED.slice(0, 3), again)
    assert {tuple(label[:2]) for label in examples.labels.tolist() if not label[1] > 0} == {(-100, -100)}
    answers = oracle(examples)
    answers[:, 0] = 99  # no answer is by far the likeliest
    assert PROBLEM.measure(answers, examples.expected)["f1"] == 1
    PROBLEM.fit(tokenizer, ASKED, {})  # as it was made
    assert PROBLEM.measure(answers, PROBLEM.encode(ASKED.slice(0, 3), tokenizer).expected)["f1"] == 0


def test_rows_are_taken_with_all_of_their_windows(tokenizer):
    examples = PROBLEM.encode(ASKED, tokenizer)
    part = examples.take([2, 0])
    assert part.row_count == 2
    assert part.rows.tolist() == sorted(part.rows.tolist())
    assert len(part) == (examples.rows == 2).sum() + (examples.rows == 0).sum()
    assert PROBLEM.measure(oracle(part), part.expected)["f1"] == 1
    assert [passage.accepted for passage in part.expected] == [["the blue kite"], ["The red boat", "boat"]]


def test_an_answer_in_part_earns_what_squad_gives_for_it(tokenizer):
    examples = PROBLEM.encode(ASKED, tokenizer)
    answers = oracle(examples)
    answers[0, 4] += 2  # two words too many
    said = [one.answered.replace("(no answer)", "") for one in PROBLEM.tell(answers, examples.expected)]
    predicted = [{"id": str(row), "prediction_text": words} for row, words in enumerate(said)]
    accepted = [one["answers"] for one in ASKED.to_pylist()]
    truths = [
        {
            "id": str(row),
            "answers": {"text": [one["text"] for one in each] or [""], "answer_start": [0] * max(1, len(each))},
        }
        for row, each in enumerate(accepted)
    ]
    official = squad(predicted, truths)
    found = PROBLEM.measure(answers, examples.expected)
    assert 0 < found["f1"] < 1
    assert found["f1"] == pytest.approx(float(official["f1"]) / 100)
    assert found["exact_match"] == pytest.approx(float(official["exact_match"]) / 100)


def test_spans_lie_in_the_text_and_end_after_they_begin():
    logits = torch.randn((3, 40, 2), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 0, 10, 30], [0, 0, 5, 39], [0, 0, 0, 0]])
    answers = best_spans(logits, labels)
    spans = answers[:, 1:].reshape(3, -1, 3)
    real = spans[spans[:, :, 0] > NOTHING / 2]
    assert len(real) == 10
    assert (real[:, 1] <= real[:, 2]).all()
    assert (spans[0, :, 1] >= 10).all()
    assert (spans[0, :, 2] <= 30).all()
    best = max((logits[0, s, 0] + logits[0, e, 1], s, e) for s in range(10, 31) for e in range(s, 31))
    assert spans[0, 0].tolist() == pytest.approx([float(best[0]), best[1], best[2]])
    assert (spans[2, :, 0] <= NOTHING / 2).all()  # a window without any text


def test_the_loss_is_that_of_both_ends_and_windows_nobody_knows_of_have_none():
    logits = torch.zeros((2, 8, 2))
    labels = torch.tensor([[2, 3, 1, 7], [-100, -100, 1, 7]])
    assert float(PROBLEM.loss(logits, labels, 0.0)) == pytest.approx(np.log(8))
    assert PROBLEM.weigh(labels) == 1


def test_an_answer_that_is_not_where_it_is_said_to_be_is_named_with_its_row(tmp_path):
    import json

    good = {"question": "a?", "context": "one two", "answers": {"text": ["two"], "answer_start": [4]}}
    lines = [good, {**good, "answers": {"text": ["two"], "answer_start": [3]}}, {**good, "answers": "soon"}]
    path = tmp_path / "asked.jsonl"
    path.write_text("\n".join(map(json.dumps, lines[:2])))
    with pytest.raises(DataError, match=r"asked.jsonl, row 2: the answer 'two' is not at character 3 .* ' tw'"):
        read(Data(path=str(path)), PROBLEM)
    path.write_text("\n".join(json.dumps({**one, "answers": json.dumps(one["answers"])}) for one in lines))
    with pytest.raises(DataError, match=r"asked.jsonl, row 3: 'answers'"):
        read(Data(path=str(path)), PROBLEM)


def test_squads_own_files_are_read(tmp_path):
    import json

    asked = [{"id": "x", "question": "who?", "answers": [{"text": "two", "answer_start": 4}]},
             {"id": "y", "question": "why?", "answers": [], "is_impossible": True}]  # fmt: skip
    squad_file = {"version": "2", "data": [{"title": "t", "paragraphs": [{"context": "one two", "qas": asked}]}]}
    for split in ("train", "test"):
        (tmp_path / f"{split}.json").write_text(json.dumps(squad_file).replace("one", split))
    squad_file["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = 6
    (tmp_path / "train.json").write_text(json.dumps(squad_file).replace("one", "train"))
    squad_file["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] = 5
    (tmp_path / "test.json").write_text(json.dumps(squad_file).replace("one", "test"))
    found = read(Data(path=str(tmp_path)), PROBLEM)
    assert {name: table.num_rows for name, table in found.splits.items()} == {"train": 2, "test": 2}
    assert found.splits["train"]["answers"].to_pylist() == [[{"text": "two", "start": 6}], []]


@pytest.mark.parametrize(
    ("config", "told"),
    [({"model_type": "bert"}, True), ({"model_type": "bert", "type_vocab_size": 1}, False),
     ({"model_type": "distilbert"}, False), ({"model_type": "gpt2"}, False), ({}, False)],
)  # fmt: skip
def test_a_network_that_can_be_told_is_told_which_tokens_are_of_the_text(config, told, tmp_path):
    made = PROBLEM.make_processor(ASKED, config, Pretraining(max_tokens=40, vocabulary_size=300))
    made.save_pretrained(tmp_path)
    stored = AutoTokenizer.from_pretrained(tmp_path)
    examples = PROBLEM.encode(ASKED, stored)
    batch = PROBLEM.collate(examples, [0, 1], stored, torch.Generator(), training=False)
    assert ("token_type_ids" in batch) is told
    if told:
        first, last = examples.labels[0][2:]
        assert batch["token_type_ids"][0, first : last + 1].all()
        assert not batch["token_type_ids"][0, :first].any()
