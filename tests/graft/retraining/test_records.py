import pytest

from graft.errors import RegistryError
from graft.retraining.records import keep_record, past_gains, read_records
from graft.storage import MemoryStore


def record(version="t@1", gain=None, metric="accuracy", data="a"):
    return {"version": version, "state": {"data": data}, "outcome": {"metric": metric, "gain": gain}}


def test_records_come_back_in_order():
    store = MemoryStore()
    for number in range(12):
        keep_record("t", store, record(f"t@{number}"))
    assert [one["version"] for one in read_records("t", store)] == [f"t@{number}" for number in range(12)]


def test_a_run_that_changed_nothing_leaves_no_record():
    store = MemoryStore()
    keys = [keep_record("t", store, record()) for _ in range(3)]
    assert len(read_records("t", store)) == len(set(keys)) == 1
    keep_record("t", store, record(data="b"))
    assert len(read_records("t", store)) == 2


def test_a_record_is_one_line_of_json_and_written_once():
    store = MemoryStore()
    key = keep_record("t", store, record())
    assert store.get(key).count(b"\n") == 1
    keep_record("t", store, record("t@2"))
    assert store.get(key) == store.get("studies/t/00000001.json")


def test_of_two_writers_none_is_lost():
    class Overtaken(MemoryStore):
        def put_if_absent(self, key, content):
            if key.endswith("00000001.json") and not self.list("studies/t"):
                self.put(key, b'{"version": "other"}\n')
            return super().put_if_absent(key, content)

    store = Overtaken()
    assert keep_record("t", store, record()).endswith("00000002.json")
    assert [one["version"] for one in read_records("t", store)] == ["other", "t@1"]


def test_only_gains_of_the_metric_count():
    records = [record(gain=0.1), record(gain=None), record(gain=0.2, metric="auroc"), record(gain=-0.1), {}]
    assert past_gains(records, "accuracy") == [0.1, -0.1]


def test_a_record_that_is_not_readable_is_named():
    store = MemoryStore()
    store.put("studies/t/00000001.json", b"{")
    with pytest.raises(RegistryError, match=r"studies/t/00000001\.json: not readable"):
        read_records("t", store)
