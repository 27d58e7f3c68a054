import fcntl
import queue
from concurrent.futures import ThreadPoolExecutor

from tasks.alone import alone


def test_a_second_run_says_that_it_waits_and_goes_on_when_the_first_is_through(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = queue.Queue()

    def second():
        with alone("adapt@t", said.put):
            return "in"

    with ThreadPoolExecutor(1) as pool:
        with alone("adapt@t", lambda line: None):
            waiting = pool.submit(second)
            assert said.get(timeout=60) == (
                "adapt@t: another run is at it in this checkout; waiting until it is through"
            )
            assert not waiting.done()
        assert waiting.result(60) == "in"


def test_other_stages_and_a_stage_whose_run_has_ended_are_free(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []
    with alone("adapt@t", said.append), alone("adapt@u", said.append), alone("data/x.dvc", said.append):
        pass
    with alone("adapt@t", said.append):
        pass
    assert not said
    with (tmp_path / ".graft" / "turns" / "adapt@t").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
