"""Several processes that train one model, forked here and joined over gloo; see tests/graft/steps for whole steps."""

import os
import signal
import socket
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file

from graft import interruption
from graft.backbones import build
from graft.catalog import Study
from graft.errors import Interrupted, Killed
from graft.problems import PROBLEMS
from graft.settings import settings
from graft.strategies import STRATEGIES, resolve
from graft.training import Job, train
from graft.training.batches import group_by_length
from tests.conftest import BERT, RESNET
from tests.graft.training.test_gradients import limited
from tests.graft.training.test_loop import PROCESSES
from tests.masks import disc_table
from tests.networks import VIT

STEPS = 6
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
NO_ROWS = pa.table({"image": disc_table(20)["image"]})


@pytest.fixture
def begin(images, image_processor, sentences, tokenizer, tmp_path):
    """Return a function that gives a fresh network and its job, whose last batch has fewer rows than the others."""
    tokens = {**BERT, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}

    def parts(case):
        if case == "views":
            problem = PROBLEMS["contrastive-images"]
            rows = problem.encode(NO_ROWS, image_processor)
            return problem, image_processor, rows, VIT | STILL | problem.head(None), ()
        if case == "resnet":
            problem = PROBLEMS["image-classification"]
            return problem, image_processor, images, RESNET, ("a", "b", "c")
        problem = PROBLEMS["masked-language-modelling"]
        rows = group_by_length(problem.encode(sentences, tokenizer), 7)
        return problem, tokenizer, rows, tokens | (STILL if case == "still" else {}), ()

    def make(case, folder="state", **changes):
        problem, processor, rows, *network = parts(case)
        job = Job(
            problem=problem, processor=processor, train=rows, validation=rows,
            legs=resolve(STRATEGIES["full"], ["stem", "block 1", "block 2", "block 3", "head"], STEPS),
            learning_rate=1e-2, recipe=Study(batch_size=7), seed=0, measure_every=2, patience=9,
            folder=tmp_path / folder,
        )  # fmt: skip
        return replace(job, **changes), network

    return make


def alone(job, network):
    """Train in this process; return what comes of it, and the weights by name."""
    model = build(job.problem, *network, seed=0)
    return train(job, model, lambda step, message: None), model.state_dict()


def together(count, job, network, end=None, **environment):
    """Train in so many processes; return what each left: weights by name, and its curve, flat."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    places = {"WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, **environment}
    children = []
    for rank in range(count):
        own = {"RANK": rank, "LOCAL_RANK": rank, "GLOO_SOCKET_IFNAME": "lo", "GRAFT_DEVICE": "cpu"}
        said = {name: str(value) for name, value in (places | own).items()}
        children.append(PROCESSES.Process(target=_train, args=(said, job, network, end)))
        children[-1].start()
    for child in children:
        child.join(300)
        child.kill()
    job.folder.mkdir(exist_ok=True)
    found = sorted(job.folder.glob("end-*.safetensors"))
    return [child.exitcode for child in children], [load_file(path) for path in found]


def _train(environment, job, network, end):
    os.environ.update(environment)
    settings.cache_clear()
    rank, model = int(environment["RANK"]), build(job.problem, *network, seed=0)
    if end == "overflow" and rank == 1:
        limited(model, 2)

    def report(step, message):
        if step == 3 and rank == 1 and end in ("kill", "stop"):
            os.kill(os.getpid(), signal.SIGKILL if end == "kill" else signal.SIGTERM)

    interruption.listen()
    try:
        trained = train(job, model, report)
    except (Interrupted, Killed) as error:
        os._exit(error.exit_code)
    curve = torch.tensor([[value or 0.0 for value in row.values()] for row in trained.curve], dtype=torch.float64)
    facts = torch.tensor([trained.processes, trained.rows_at_once])
    job.folder.mkdir(exist_ok=True)
    tensors = {name: value.clone() for name, value in model.state_dict().items()}
    save_file({**tensors, "curve": curve, "facts": facts}, job.folder / f"end-{rank}.safetensors")


def assert_close(found, expected):
    """Hold weights against each other to a hundredth of a step: AdamW makes whole steps of gradients that round."""
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-4, atol=1e-4, msg=lambda said, name=name: f"{name}: {said}"
        )


@pytest.mark.parametrize(("case", "count"), [("still", 3), ("views", 3), ("views", 8)])
def test_processes_learn_what_one_learns(begin, case, count):
    trained, weights = alone(*begin(case, "one"))
    codes, ends = together(count, *begin(case, "several"))
    assert codes == [0] * count  # of eight processes one has no row of a batch of seven
    curve = [[value or 0.0 for value in row.values()] for row in trained.curve]
    np.testing.assert_allclose(ends[0]["curve"].numpy(), curve, rtol=1e-5)
    assert ends[0]["facts"].tolist() == [count, -(-7 // count)]
    assert_close(ends[0], weights)


def test_all_processes_have_the_same_weights_and_running_statistics_to_the_bit(begin):
    _, (first, *others) = together(3, *begin("resnet"))
    moved = build(PROBLEMS["image-classification"], RESNET, ("a", "b", "c"), seed=0).state_dict()
    assert [name for name in moved if "running" in name and not torch.equal(first[name], moved[name])]
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)


def test_each_process_drops_out_by_itself_and_every_time_the_same(begin):
    found = [together(2, *begin("bert", folder))[1][0] for folder in ("first", "again")]
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())
    assert not torch.allclose(found[0]["curve"], together(2, *begin("still"))[1][0]["curve"])


@pytest.mark.parametrize(("case", "end"), [("bert", "kill"), ("resnet", "stop")])
def test_what_ends_in_one_process_ends_in_all_and_goes_on_to_the_same_bits(begin, case, end):
    _, whole = together(2, *begin(case, "whole"))
    codes, ends = together(2, *begin(case, "broken"), end, GRAFT_CHECKPOINT_SECONDS=0)
    assert codes == ([Killed.exit_code, -signal.SIGKILL] if end == "kill" else [Interrupted.exit_code] * 2)
    assert not ends
    codes, resumed = together(2, *begin(case, "broken"))
    assert codes == [0, 0]
    assert all(torch.equal(value, whole[0][name]) for name, value in resumed[0].items())


def test_another_number_of_processes_goes_on(begin):
    _, weights = alone(*begin("still", "one"))
    together(2, *begin("still", "other"), "stop")
    trained, again = alone(*begin("still", "other"))
    assert (trained.processes, trained.rows_at_once) == (1, 7)  # that two had fewer rows each is no halving
    assert_close(again, weights)


@pytest.mark.parametrize("case", ["still", "views"])
def test_memory_that_overflows_in_one_process_halves_the_rows_of_all(begin, case):
    _, weights = alone(*begin(case, "one"))
    codes, ends = together(2, *begin(case, "two"), "overflow")
    assert codes == [0, 0]
    assert [one["facts"].tolist() for one in ends] == [[2, 2], [2, 2]]
    assert_close(ends[0], weights)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
