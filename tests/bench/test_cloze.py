"""Questions made of passages: the answer is at its place, and the question does not hold it."""

import random

from bench.cloze import ask

PASSAGE = (
    "The tower was built in 1889 by Gustave Eiffel for the fair. It is 330 metres high, and was the highest for forty "
    "years. Nearly seven million people climb it every year, most of them in summer, when Paris is full of visitors."
)


def questions(seed=0, most=40):
    return [*ask(PASSAGE, most, random.Random(seed))]


def test_an_answer_is_at_its_place_and_was_taken_out_of_the_question():
    rows = [row for seed in range(20) for row in questions(seed)]
    assert len(rows) > 60
    for row in rows:
        (answer,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["text"][start : start + len(answer)] == answer
        assert row["text"] in PASSAGE
        assert row["question"].endswith("?")
        assert f" {answer} " not in row["question"] or PASSAGE.count(answer) > 1


def test_a_question_begins_with_the_word_of_its_kind_of_answer():
    said = {row["answers"]["text"][0]: row["question"].split()[0] for seed in range(20) for row in questions(seed)}
    assert said["1889"] == "when"
    assert said["330 metres"] in ("how", "what")
    assert said["Gustave Eiffel"] in ("who", "what", "where", "which")


def test_no_more_are_made_than_are_asked_for_and_the_same_draws_make_the_same():
    assert len(questions(most=2)) == 2
    assert questions(3) == questions(3) != questions(4)
