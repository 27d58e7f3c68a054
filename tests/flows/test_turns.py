import threading

import pytest

from tasks.turns import Taken, turn, turn_of_stage


@pytest.fixture
def deployed(monkeypatch):
    """This test is a run of a deployment."""
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "00000000-0000-0000-0000-000000000001")


@pytest.mark.usefixtures("server", "deployed")
class TestTurns:
    def test_a_second_run_of_a_target_is_told_at_once(self):
        with turn("target digits", wait=False), pytest.raises(Taken), turn("target digits", wait=False):
            pytest.fail("two had the turn")

    def test_whoever_waits_gets_the_turn_after_the_first(self):
        order = []

        def wait():
            with turn("stage pretrain@wide"):
                order.append("second")

        with turn("stage pretrain@wide"):
            waiter = threading.Thread(target=wait)
            waiter.start()
            waiter.join(timeout=1)
            order.append("first")
        waiter.join(timeout=60)
        assert order == ["first", "second"]

    def test_a_run_that_is_started_again_waits_for_what_it_was_before(self, monkeypatch):
        monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__RUN_COUNT", "2")
        got = []

        def again():
            with turn("target pydocs", wait=False):
                got.append(True)

        with turn("target pydocs"):
            waiter = threading.Thread(target=again)
            waiter.start()
            waiter.join(timeout=1)
            assert not got
        waiter.join(timeout=60)
        assert got

    def test_an_error_in_the_block_is_the_error(self):
        with pytest.raises(ValueError, match="mine"), turn("target digits", wait=False):
            raise ValueError("mine")


def test_a_run_at_a_terminal_takes_no_turn():
    inside = []
    with turn("target digits", wait=False), turn("target digits", wait=False):
        inside.append("both")
    assert inside == ["both"]


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("pretrain@wide", "stage pretrain@wide"),
        ("check-source@wide", "stage check-source@wide"),
        ("build-digits", "stage build-digits"),
        ("adapt@digits", None),
        ("check-target@digits", None),
    ],
)
def test_what_several_targets_share_takes_turns(stage, name):
    assert turn_of_stage(stage) == name
