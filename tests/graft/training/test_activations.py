import json
import logging

import numpy as np
import pytest
import torch

from graft.backbones import layer_groups
from graft.manifest import read_manifest, sha256
from graft.training.activations import Activations, NoRoom
from graft.training.feed import Feed
from graft.training.recording import record
from tests.networks import NETWORKS, ROWS

KEYS = [f"row {i}" for i in range(10)]
VALUES = torch.randn(10, 3, 2, generator=torch.Generator().manual_seed(0))
NEEDED = VALUES.numel() * 4


def filled(activations, keys=KEYS, values=VALUES):
    shelf = activations.open("abc", keys, values.shape[1:], values.dtype, "boundary 1")
    for start in (0, 4, 8):
        rows = list(range(start, min(start + 4, len(keys))))
        shelf.put(rows, values[rows])
    shelf.seal()
    return shelf


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
@pytest.mark.parametrize("budget", [2**20, 0])
def test_rows_come_back_in_any_order_to_the_bit(tmp_path, budget, dtype):
    values = (VALUES * 3).to(dtype)
    shelf = filled(Activations(budget, folder=tmp_path), values=values)
    assert torch.equal(shelf.get([7, 0, 7]), values[[7, 0, 7]])
    again = filled(Activations(budget, folder=tmp_path), values=torch.zeros_like(values))
    assert torch.equal(again.get(range(10)), values)


def test_a_row_that_is_read_may_be_written_into(tmp_path):
    for budget in (2**20, 0):
        shelf = filled(Activations(budget, folder=tmp_path))
        shelf.get([1, 2]).zero_()
        assert torch.equal(shelf.get([1, 2]), VALUES[[1, 2]])


def test_what_fits_the_budget_is_in_memory_and_the_rest_in_a_map_as_the_log_says(tmp_path, caplog):
    activations = Activations(NEEDED + 1, folder=tmp_path)
    with caplog.at_level(logging.INFO):
        first = filled(activations)
        second = activations.open("def", KEYS, (3, 2), torch.float32, "boundary 2")
    assert first.device == torch.device("cpu")
    assert second.device is None
    assert caplog.messages == ["boundary 2: 0.0 MB of activations go to a memory map, 0.0 MB of the budget are left"]


def test_what_another_source_left_is_removed_and_what_is_used_stays(tmp_path):
    for folder in (tmp_path, None):
        activations = Activations(2**20, folder=folder)
        filled(activations)
        (tmp_path / "older").mkdir(exist_ok=True)
        activations.forget_others()
        assert (tmp_path / "abc").is_dir()
        assert (tmp_path / "older").exists() is (folder is None)


def test_without_a_folder_what_does_not_fit_has_no_room():
    activations = Activations(NEEDED - 1)
    with pytest.raises(NoRoom, match=r"do not fit .* and there is no folder"):
        activations.open("abc", KEYS, (3, 2), torch.float32, "boundary 1")


def test_a_disk_without_room_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(NoRoom, match=r"0\.0 MB of disk are free"):
        Activations(0, folder=tmp_path).open("abc", KEYS, (3, 2), torch.float32, "boundary 1")


def test_memory_that_others_have_taken_is_not_counted_on(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.training.activations._free_ram", lambda: NEEDED - 1)
    shelf = Activations(2**30, folder=tmp_path).open("abc", KEYS, (3, 2), torch.float32, "boundary 1")
    assert shelf.device is None


@pytest.mark.parametrize("budget", [2**20, 0])
def test_grown_data_finds_the_known_rows_wherever_they_stand_now(tmp_path, budget):
    filled(Activations(budget, folder=tmp_path), KEYS[:6], VALUES[:6])
    order = [9, 3, 0, 8, 5, 1]
    grown = Activations(budget, folder=tmp_path).open("abc", [KEYS[i] for i in order], (3, 2), torch.float32, "")
    assert grown.missing == [0, 3]
    grown.put([0, 1, 2, 3], torch.stack([VALUES[9], VALUES[0], VALUES[0], VALUES[8]]))  # known rows are left alone
    grown.seal()
    assert torch.equal(grown.get(range(6)), VALUES[order])
    assert len(list((tmp_path / "abc").iterdir())) == 2


def test_parts_are_written_whole(tmp_path):
    for budget in (2**20, 0):
        folder = tmp_path / str(budget)
        filled(Activations(budget, folder=folder))
        (part,) = (folder / "abc").iterdir()
        assert set(read_manifest(part)["files"]) == {"keys.json", "values.npy"}
        assert np.array_equal(np.load(part / "values.npy"), VALUES.numpy())
        assert json.loads((part / "keys.json").read_text()) == KEYS


@pytest.mark.parametrize("budget", [2**20, 0])
def test_a_recording_that_is_given_up_leaves_nothing(tmp_path, budget):
    shelf = Activations(budget, folder=tmp_path).open("abc", KEYS, (3, 2), torch.float32, "")
    shelf.put([0, 1], VALUES[:2])
    shelf.close()
    assert not list(tmp_path.rglob("*.npy"))


@pytest.mark.parametrize("harm", ["flip", "cut", "lose"])
def test_a_damaged_part_is_named_and_its_rows_are_missing(tmp_path, caplog, harm):
    filled(Activations(2**20, folder=tmp_path), KEYS[:6], VALUES[:6])
    filled(Activations(2**20, folder=tmp_path))
    path = next(
        path for path in (tmp_path / "abc").glob("*/values.npy") if "row 0" in path.with_name("keys.json").read_text()
    )
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    {
        "flip": lambda: path.write_bytes(content),
        "cut": lambda: path.write_bytes(content[:-8]),
        "lose": path.unlink,
    }[harm]()
    again = Activations(2**20, folder=tmp_path).open("abc", KEYS, (3, 2), torch.float32, "")
    assert again.missing == [0, 1, 2, 3, 4, 5]
    assert "activations are computed again" in caplog.text
    assert "values.npy" in caplog.text


def feed(network, rows):
    seen = []

    def inputs(chosen):
        seen.append([rows[row] for row in chosen])
        return {name: value for name, value in network.batch([rows[row] for row in chosen]).items() if name != "labels"}

    return Feed(inputs, [f"content {row}" for row in rows]), seen


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a function that records a prefix as a study does, and gives it with the batches of rows that ran."""
    monkeypatch.setattr("graft.training.recording.RECORDED", 4)
    monkeypatch.setattr("graft.training.recording.FEWEST", 2)
    monkeypatch.setattr("graft.training.prefix.Prefix.verify", lambda *args: {})
    torch.set_num_threads(1)

    def run(rows, model=None, budget=2**20):
        network = NETWORKS["bert"]
        source, seen = feed(network, rows)
        model = model or network.build()
        ran = []
        own = model.bert.embeddings.forward
        model.bert.embeddings.forward = lambda *args, **inputs: ran.append(seen[-1]) or own(*args, **inputs)
        prefix = record(model, source, [2], Activations(budget, folder=tmp_path / "activations"), 4)
        del model.bert.embeddings.forward
        return prefix, ran

    return run


@pytest.mark.parametrize("budget", [2**20, 0])
def test_a_second_study_on_grown_data_runs_the_new_rows_alone(study, budget):
    study(list(range(9)), budget=budget)
    prefix, ran = study(list(range(ROWS)), budget=budget)
    first, *others = ran
    assert first == [0, 1, 2, 3]  # one batch is always run, and compared with what is stored
    assert sorted(row for rows in others for row in rows) == [9, 10, 11]
    network = NETWORKS["bert"]
    model = network.build().requires_grad_(False)
    expected = model(**network.batch([11, 2, 9])).logits
    with prefix.replay(model, 2) as player:
        player([11, 2, 9])
        assert torch.equal(model(**network.batch([11, 2, 9])).logits, expected)


def test_other_weights_find_nothing_of_the_first(study):
    study(list(range(ROWS)))
    other = NETWORKS["bert"].build()
    with torch.no_grad():
        other.bert.embeddings.word_embeddings.weight[5] += 1
    _, ran = study(list(range(ROWS)), other)
    assert sorted(row for rows in ran for row in rows) == list(range(ROWS))


def test_weights_above_the_boundary_do_not_count(study):
    study(list(range(ROWS)))
    other = NETWORKS["bert"].build()
    groups = layer_groups(other)
    with torch.no_grad():
        for name in groups[2].weights + groups[-1].weights:
            other.get_parameter(name).add_(1)
    _, ran = study(list(range(ROWS)), other)
    assert len(ran) == 1


def test_stored_rows_that_the_network_does_not_give_here_are_forgotten(study, tmp_path, caplog):
    study(list(range(ROWS)))
    for path in (tmp_path / "activations").rglob("values.npy"):  # as another machine might have left them
        np.save(path, np.load(path) + 1e-3)
        manifest = json.loads(path.with_name("manifest.json").read_text())
        manifest["files"]["values.npy"] = sha256(path)
        path.with_name("manifest.json").write_text(json.dumps(manifest))
    _, ran = study(list(range(ROWS)))
    assert sorted(row for rows in ran for row in rows) == list(range(ROWS))
    assert "are not what it returns here (max difference" in caplog.text
