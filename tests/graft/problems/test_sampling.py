"""Continuations: drawn by a seed, never by the company, and honest about what was read."""

import pyarrow as pa
import pytest
import torch

from graft.backbones import agree, build
from graft.catalog import Pretraining
from graft.errors import BadInput
from graft.problems import PROBLEMS
from graft.problems.sampling import Sampling, choose_openings, continue_text
from tests.networks import GPT2, LLAMA

CAUSAL = PROBLEMS["text-generation"]
WORDS = ["one two three four five six seven eight nine ten"] * 4


@pytest.fixture(scope="module", params=[GPT2, LLAMA], ids=["gpt2", "llama"])
def writer(request):
    """Return a network of random weights and its tokenizer, for 12 tokens."""
    recipe = Pretraining(vocabulary_size=300, max_tokens=12)
    tokenizer = CAUSAL.make_processor(pa.table({"text": WORDS}), request.param, recipe)
    config = {**request.param, "vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
    model = build(CAUSAL, config, (), seed=0)
    agree(model, tokenizer, 12)
    return model, tokenizer


def test_a_seed_writes_the_same_whatever_else_is_asked_and_leaves_the_random_state_alone(writer):
    state = torch.get_rng_state()
    first = CAUSAL.write(*writer, ["one two", "three", ""], Sampling(seed=3))
    assert torch.equal(torch.get_rng_state(), state)
    assert CAUSAL.write(*writer, ["three"], Sampling(seed=3)) == first[1:2]
    assert CAUSAL.write(*writer, ["three"], Sampling(seed=4)) != first[1:2]


def test_at_temperature_zero_the_likeliest_token_is_taken_each_time(writer):
    model, tokenizer = writer
    ids = [0, *tokenizer("one", add_special_tokens=False)["input_ids"]]
    expected = []
    for _ in range(4):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[*ids, *expected]])).logits[0, -1]
        logits[1] = -torch.inf  # padding was never learned
        expected.append(int(logits.argmax()))
    assert 0 not in expected  # or the text would have ended
    found = continue_text(model, tokenizer, "one", Sampling(max_tokens=4, temperature=0.0))
    assert (found.text, found.tokens) == (tokenizer.decode(expected), 4)


def test_more_is_written_than_the_network_reads_at_once(writer):
    found = continue_text(*writer, "one", Sampling(max_tokens=50, temperature=2.0, top_p=1.0, seed=2))
    assert found.tokens == 50
    assert found.note == ""


def test_a_prompt_that_leaves_no_room_keeps_its_end_and_says_so(writer):
    end = "six seven eight nine ten" * 3
    long, other = (continue_text(*writer, start + end, Sampling(max_tokens=5)) for start in ("one two ", "three four "))
    assert long.text == other.text
    assert long.note.startswith("cut: the last 7 of ")


@pytest.mark.parametrize("writer", [LLAMA], ids=["untied"], indirect=True)
def test_the_end_of_a_text_ends_it(writer):
    model, tokenizer = writer
    ids = torch.tensor([[0, *tokenizer("one", add_special_tokens=False)["input_ids"]]])
    kept = model.lm_head.weight.detach().clone()
    with torch.no_grad():
        model.lm_head.weight[0] = 1e3 * model.base_model(input_ids=ids).last_hidden_state[0, -1]
    found = continue_text(model, tokenizer, "one", Sampling(max_tokens=9))
    with torch.no_grad():
        model.lm_head.weight.copy_(kept)
    assert (found.text, found.tokens) == ("", 0)
    assert continue_text(model, tokenizer, "one", Sampling(max_tokens=9)).tokens == 9


def test_everything_that_cannot_be_drawn_is_said_at_once():
    with pytest.raises(BadInput) as refusal:
        Sampling(max_tokens=0, temperature=-1.0, top_p=0.0)
    assert len(refusal.value.problems) == 3


def test_prompts_are_beginnings_of_texts_that_the_seed_draws():
    texts = [
        "too short",
        "a b c\nd e f",
        *(f"{n} " + " ".join("abcdefghijklmnopqrstuvwxyz") + " \n end" for n in range(9)),
    ]
    found = [*choose_openings(texts, 4, seed=1)]
    assert found == [*choose_openings(texts, 4, seed=1)] != [*choose_openings(texts, 4, seed=2)]
    assert all(prompt + rest in texts for prompt, rest in found)
    assert max(len(prompt.split()) for prompt, _ in found) <= 12
    assert [*choose_openings(["a b c\nd e f"], 4, seed=0)] == [("a b c", "\nd e f")]
