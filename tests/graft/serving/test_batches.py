"""Requests that come together go through the network together, and nobody waits for ever."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from graft.errors import Refused
from graft.serving import Champion, Limits
from graft.serving.batches import answer_together
from graft.serving.requests import Body, Question, pose
from tests.served import same, serving, until

TEXTS = ["the cat", "the oak", "the owl and the fern", "a dog", "the rose", "an oak", "cat", "the the"]


def test_requests_that_come_together_are_one_batch_and_answered_as_alone(text_registry):
    # it closes when it is full, so that the time it might wait does not matter
    with serving(text_registry, "words", batch=8, wait_seconds=100, seconds=100) as client:
        with ThreadPoolExecutor(8) as pool:
            together = [*pool.map(client.ask, TEXTS)]
        assert (client.health()["batches"], client.health()["inputs"]) == (1, 8)
    with serving(text_registry, "words", wait_seconds=0) as client:
        alone = [client.ask(text) for text in TEXTS]
        assert client.health()["batches"] == 8
    assert same(together, alone)
    assert len({answer["probability"] for (answer,) in together}) > 1


def test_a_request_of_more_than_a_batch_goes_alone(text_registry):
    with serving(text_registry, "words", batch=2, inputs=8) as client:
        assert [one["input"] for one in client.ask(*TEXTS)] == TEXTS
        assert client.health()["batches"] == 1


def test_more_than_may_wait_is_refused_and_what_waits_is_answered(text_registry):
    with serving(text_registry, "words", batch=2, queue=2, wait_seconds=100, seconds=100) as client, \
            ThreadPoolExecutor(1) as pool:  # fmt: skip
        first = pool.submit(client.ask, "the cat")
        until(lambda: client.health()["pending"] == 1)
        status, headers, content = client.raw(
            "POST", "/predict", b'{"inputs": ["the oak", "the owl"]}', {"Content-Type": "application/json"}
        )
        assert (status, headers["Retry-After"]) == (503, "1")
        assert b"1 inputs wait already" in content
        client.ask("the fern")  # the second of the batch
        assert first.result()[0]["input"] == "the cat"
        assert client.health()["pending"] == 0


def test_more_requests_than_may_be_open_are_refused(text_registry):
    head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    with serving(text_registry, "words", queue=1, seconds=100) as client:
        with socket.create_connection(("127.0.0.1", client.port)) as connection:
            connection.sendall(head.encode())  # and nothing more
            until(lambda: client.post({"inputs": ["the cat"]})[0] == 503)
        until(lambda: client.post({"inputs": ["the cat"]})[0] == 200)


def test_what_takes_too_long_is_given_up(text_registry):
    with serving(text_registry, "words", batch=2, wait_seconds=3, seconds=0.05) as client:
        status, found = client.post({"inputs": ["the cat"]})
        assert (status, found["error"]) == (504, "no answer within 0.05 s")
        until(lambda: client.health()["pending"] == 0)
        assert client.health()["batches"] == 0  # nobody waited for it any more


@pytest.fixture(scope="module")
def held(text_registry):
    return Champion(text_registry, "words").held


def test_nobody_suffers_for_the_input_of_another(held):
    good = [pose(Body(inputs=[text]), held, Limits()) for text in TEXTS[:2]]
    broken = Question(held, ["x"], pa.table({"text": pa.array([None], pa.string())}))
    first, fault, second = answer_together([good[0], broken, good[1]])
    assert [one.input for one in (*first, *second)] == TEXTS[:2]
    assert isinstance(fault, Exception)
    assert not isinstance(fault, Refused)  # no client can send this: it would be a fault of ours


def test_a_batch_may_be_of_two_versions(held, text_registry):
    other = Champion(text_registry, "words@1").held
    questions = [pose(Body(inputs=[text]), one, Limits()) for text, one in zip(TEXTS, [held, other] * 4, strict=True)]
    assert [answers[0].input for answers in answer_together(questions)] == TEXTS


def test_what_was_asked_before_the_end_is_answered(text_registry):
    with serving(text_registry, "words", batch=2, wait_seconds=1, seconds=100) as client, \
            ThreadPoolExecutor(1) as pool:  # fmt: skip
        asked = pool.submit(client.ask, "the cat")
        until(lambda: client.health()["pending"] == 1)
        client.stop()
        assert asked.result()[0]["input"] == "the cat"
