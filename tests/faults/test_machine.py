"""Memory that runs out and a GPU that fails in the middle of a step: a message, an exit code, and the same weights."""

import errno
import json
import shutil

import pytest
import torch
import transformers

from graft.errors import BadInput, OutOfMemory
from graft.manifest import sha256
from graft.settings import settings
from graft.steps.__main__ import main
from graft.steps.recognition import recognise
from tests.graft.steps.test_killed import project  # noqa: F401 -- a fixture

NETWORK = transformers.ResNetForImageClassification
STEPS = 12  # forward passes before the fault


@pytest.fixture
def here(project, monkeypatch):  # noqa: F811
    """The project as the working directory, with a saved state after each step."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("GRAFT_DEVICE", "cpu")
    monkeypatch.setenv("GRAFT_CHECKPOINT_SECONDS", "0")
    settings.cache_clear()
    return project


def fail_in_the_middle(monkeypatch, fault):
    """Let the network's forward do something else once, after some steps."""
    before, passes = NETWORK.forward, iter(range(STEPS))

    def forward(self, *args, **kwargs):
        if next(passes, None) is None:
            monkeypatch.setattr(NETWORK, "forward", before)
            fault()
        return before(self, *args, **kwargs)

    monkeypatch.setattr(NETWORK, "forward", forward)


def outcome(folder):
    found = json.loads((folder / ".graft" / "outcomes" / "pretrain@s.json").read_text())
    return found["kind"], found["message"]


def lose_device():
    raise torch.AcceleratorError("CUDA error: unspecified launch failure\nSearch for `cudaErrorLaunchFailure'")


def say_of_library():
    raise RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")


FAULTS = {
    "memory of Python": (lambda: bytearray(2**62), "OutOfMemory", 2, "MemoryError"),
    "GPU": (lose_device, "DeviceLost", 74, "unspecified launch failure"),
    "GPU of a library": (say_of_library, "DeviceLost", 74, "CUDNN_STATUS_EXECUTION_FAILED"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_machine_is_named_with_what_to_do_and_the_work_goes_on_to_the_same_weights(
    name, here, monkeypatch, capfd, caplog
):
    fault, kind, code, words = FAULTS[name]
    fail_in_the_middle(monkeypatch, fault)
    assert main(["pretrain", "s"]) == code
    found, message = outcome(here)
    assert found == kind
    assert words in message
    advice = "sources.s.pretraining.batch_size" if kind == "OutOfMemory" else "goes on from the last state in a new one"
    assert advice in message
    assert "Traceback" not in capfd.readouterr().err
    assert not (here / "checkpoints" / "s").exists()
    assert main(["pretrain", "s"]) == 0
    assert "going on from step" in caplog.text
    resumed = sha256(here / "checkpoints" / "s" / "model.safetensors")
    shutil.rmtree(here / "checkpoints")
    assert main(["pretrain", "s"]) == 0
    assert sha256(here / "checkpoints" / "s" / "model.safetensors") == resumed


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda: torch.empty(2**52), "can't allocate memory"),
        (lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB.")), "CUDA out of"),
    ],
    ids=["CPU", "GPU"],
)
def test_memory_that_runs_out_beside_training_is_named_with_what_to_do(fault, words):
    """In a step of training the batch is computed in parts instead, which tests of gradients show."""
    with pytest.raises((RuntimeError, torch.OutOfMemoryError)) as raised:
        fault()
    found = recognise(raised.value, "adapt", "t")
    assert isinstance(found, OutOfMemory)
    assert words in str(found)
    assert "targets.t.study.batch_size" in str(found)


def test_a_path_that_a_step_may_not_write_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as raised:
        (tmp_path / "file" / "place").mkdir()
    found = recognise(raised.value, "adapt", "t")
    assert isinstance(found, BadInput)
    assert str(found).startswith(f"{tmp_path}/file/place: Not a directory\nWhoever runs this must be able to")


def test_no_right_to_a_process_is_no_fault_of_a_path():
    assert recognise(PermissionError(errno.EPERM, "Operation not permitted"), "adapt", "t") is None


def test_an_index_that_a_gpu_finds_out_of_range_is_no_fault_of_the_gpu(here, monkeypatch, capfd):
    def assertion():
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    fail_in_the_middle(monkeypatch, assertion)
    assert main(["pretrain", "s"]) == 1
    assert outcome(here)[0] == "AcceleratorError"
    assert "Traceback" in capfd.readouterr().err
