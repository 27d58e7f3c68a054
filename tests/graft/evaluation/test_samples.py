"""Samples before and after: of models that write, and nothing of others."""

import pyarrow as pa

from graft.backbones import agree, build, save
from graft.catalog import Pretraining
from graft.evaluation.samples import write_samples
from graft.problems import PROBLEMS
from tests.networks import GPT2

TEXTS = [f"{number} one two three four five six seven" for number in range(6)]


def made(problem, labels):
    table = pa.table({"text": TEXTS})
    tokenizer = problem.make_processor(table, GPT2, Pretraining(vocabulary_size=300, max_tokens=16))
    model = build(problem, {**GPT2, "vocab_size": len(tokenizer)}, labels, seed=1)
    agree(model, tokenizer, 16)
    return model, tokenizer


def test_both_go_on_with_the_same_prompts_and_the_same_seed(tmp_path):
    problem = PROBLEMS["text-generation"]
    source, tokenizer = made(problem, ())
    save(source, tokenizer, tmp_path)
    other = build(problem, source.config.to_dict(), (), seed=2)
    same = write_samples(problem, tmp_path, source, tokenizer, TEXTS, seed=0)
    found = write_samples(problem, tmp_path, other, tokenizer, TEXTS, seed=0)
    assert len(same) == 4
    assert all(one.prompt + one.real in TEXTS for one in same)
    assert all(one.before == one.after for one in same)
    assert [one.before for one in found] == [one.before for one in same]
    assert any(one.before != one.after for one in found)


def test_a_problem_that_writes_nothing_and_texts_too_short_have_none(tmp_path):
    problem = PROBLEMS["text-classification"]
    model, tokenizer = made(problem, ("a", "b"))
    assert write_samples(problem, tmp_path, model, tokenizer, TEXTS, seed=0) == []
    assert write_samples(PROBLEMS["text-generation"], tmp_path, model, tokenizer, ["a b"], seed=0) == []
