"""Words that are looked up are where the answer says, whichever kind of row it is."""

import random

from bench.lookups import KINDS, look_up

SENTENCES = ("The tower is 330 metres high.", "Bread is made of flour, water and a little salt.", "It rained.")


def rows(each=50, seed=0):
    return [*look_up(SENTENCES, each, random.Random(seed))]


def test_what_is_looked_up_is_at_its_place_and_the_question_holds_no_other_word():
    for row in rows():
        (answer,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["text"][start : start + len(answer)] == answer
        assert {*row["question"].split()} <= {*answer.split()}


def test_there_are_as_many_rows_of_each_kind_and_as_many_words_as_the_kind_says():
    found = rows(each=50)
    assert len(found) == 50 * len(KINDS)
    for (lengths, counts), mine in zip(KINDS, (found[:50], found[50:]), strict=True):
        assert {*(len(row["text"].split()) for row in mine)} <= {*range(lengths[0], lengths[1] + 1)}
        assert {*(len(row["answers"]["text"][0].split()) for row in mine)} == {*range(counts[0], counts[1] + 1)}


def test_some_questions_leave_words_out_and_some_change_their_order():
    pairs = [(row["question"].split(), row["answers"]["text"][0].split()) for row in rows()]
    assert any(len(question) < len(answer) for question, answer in pairs)
    assert any(sorted(question) == sorted(answer) and question != answer for question, answer in pairs)
    assert any(question == answer and len(answer) > 2 for question, answer in pairs)


def test_the_same_draws_make_the_same():
    assert rows(seed=3) == rows(seed=3) != rows(seed=4)
