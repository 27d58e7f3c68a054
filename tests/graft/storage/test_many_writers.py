"""One history in a folder and in a bucket, whoever writes at once, and whoever dies while writing."""

import random
import subprocess
import sys

import pytest

from graft.registry.log import Log
from tests.graft.registry.writers import open_place

KINDS = {"claimed", "registered", "promoted", "proposed", "rejected", "rolled-back"}


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    """Where a store lies, in words that a process of its own understands."""
    return str(tmp_path) if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.fixture
def bucket(moto, s3):
    return f"{moto}#{s3.bucket}"


def start(place, count, *names):
    command = [sys.executable, "-m", "tests.graft.registry.writers", place, str(count), *names]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def acknowledged(said):
    """Return the events that a writer was told are there, by number; a word cut off by its death is none."""
    lines = [line.partition(" ") for line in said.splitlines(keepends=True) if line.endswith("\n")]
    return {int(number): text.rstrip() for number, _, text in lines}


def write_together(place, processes, count):
    writers = start(place, count // processes, *(f"w{number}" for number in range(processes)))
    said = writers.communicate()[0]
    assert writers.returncode == 0
    told = acknowledged(said)
    assert len(told) == len(said.splitlines()) == count  # no number was given twice
    state = Log(open_place(place)).read("m")
    assert {number: event.model_dump_json() for number, event in enumerate(state.history, start=1)} == told
    assert {event.kind for event in state.history} == KINDS
    assert {event.who.partition("@")[0] for event in state.history} >= {"w0", f"w{processes - 1}"}


def test_eight_processes_write_one_history_in_which_nothing_is_lost(place):
    write_together(place, processes=8, count=80 if "#" in place else 504)


@pytest.mark.real
def test_eight_processes_write_five_hundred_events_in_a_bucket(bucket):
    write_together(bucket, processes=8, count=504)


def test_a_writer_that_is_killed_loses_nothing_that_was_acknowledged_and_leaves_nothing_half_written(place):
    chance, told, killed = random.Random(7), {}, 0
    for round in range(1 if "#" in place else 3):
        writers = [start(place, 10**6, f"{round}-{number}") for number in range(2)]
        for writer in writers:  # killed after some words, wherever in its next write it is by then
            said = "".join(writer.stdout.readline() for _ in range(chance.randint(2, 8)))
            writer.kill()
            told |= acknowledged(said + writer.communicate()[0])
            killed += 1
    store = open_place(place)
    history = [event.model_dump_json() for event in Log(store).read("m").history]
    assert len(told) >= 2 * killed
    assert told.items() <= dict(enumerate(history, start=1)).items()
    assert len(history) - len(told) <= killed  # each dies at the most once between a write and its word
    assert len(store.list("events/m")) == len(history)
