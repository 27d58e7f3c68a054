"""The gradient of a step is the same however its rows are divided, and rows that do not fit are divided."""

from dataclasses import replace
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from graft.backbones import build
from graft.catalog import Data, Pretraining, Study
from graft.errors import OutOfMemory
from graft.problems import PROBLEMS
from graft.reading import read
from graft.settings import settings
from graft.strategies import STRATEGIES, resolve
from graft.training import Activations, Feed, Job, record, train
from graft.training.batches import group_by_length
from graft.training.device import make_accelerator
from graft.training.gradients import Gradients
from graft.training.loop import Run
from graft.training.rehearsal import Rehearsing
from tests.boxes import DETR, FCOS, scene_table
from tests.conftest import BERT, RESNET
from tests.graft.training.test_loop import weights_digest
from tests.graft.training.test_rehearsal import cases  # noqa: F401 - a fixture
from tests.masks import SEGFORMER, disc_table
from tests.networks import GPT2, VIT, VIT_MAE, WAV2VEC2
from tests.sounds import tone, wav

GROUPS = ["stem", "block 1", "block 2", "block 3", "head"]
STEPS = 6
ROWS = 8
WORDS = pa.table({"text": [f"the {'good ' * (n % 4)}film number {n}" for n in range(ROWS)]})


def clips():
    said = [("yes", "no no", "o", "yes yes no")[n % 4] for n in range(ROWS)]
    sounds = [{"bytes": wav(tone(300 + 40 * n, 0.3, 16000), 16000), "path": None} for n in range(ROWS)]
    return pa.table({"audio": sounds, "transcript": said})


def scenes():
    with TemporaryDirectory() as folder:
        pq.write_table(scene_table(ROWS + 2), f"{folder}/scenes.parquet")
        return read(Data(path=f"{folder}/scenes.parquet", test_share=0.2), PROBLEMS["object-detection"]).splits["train"]


def made(name, table, config, labels=(), **recipe):
    """Return what a source of these rows is trained with."""
    problem = PROBLEMS[name]
    processor = problem.make_processor(table, config, Pretraining(**recipe))
    if problem.modality == "text":
        config = {**config, "vocab_size": len(processor), "pad_token_id": processor.pad_token_id}
    model = build(problem, {**config, **problem.head(processor)}, labels, seed=0)
    return problem, processor, group_by_length(problem.stream(table, processor), ROWS), model


CASES = {
    "sentences": lambda: made(
        "text-classification", WORDS.append_column("label", pa.array([0, 1] * (ROWS // 2))), BERT, ("a", "b"),
        max_tokens=12, vocabulary_size=100,
    ),
    "hidden words": lambda: made("masked-language-modelling", WORDS, BERT, max_tokens=12, vocabulary_size=100),
    "texts": lambda: made(
        "text-generation", WORDS, {key: value for key, value in GPT2.items() if not key.endswith("_id")},
        max_tokens=12, vocabulary_size=300,
    ),
    "masks": lambda: made("semantic-segmentation", disc_table(ROWS), SEGFORMER, ("back", "disc"), image_size=16),
    "boxes by FCOS": lambda: made("object-detection", scenes(), FCOS, ("disc", "square"), image_size=32),
    "boxes by DETR": lambda: made("object-detection", scenes(), DETR, ("disc", "square"), image_size=32),
    "views": lambda: made("contrastive-images", disc_table(ROWS).select(["image"]), VIT, image_size=16),
    "patches": lambda: made("masked-image-modelling", disc_table(ROWS).select(["image"]), VIT_MAE, image_size=16),
    "clips": lambda: made("speech-recognition", clips(), WAV2VEC2),
}  # fmt: skip


def job_of(problem, processor, rows, folder, **changes):
    job = Job(
        problem=problem, processor=processor, train=rows, validation=None,
        legs=resolve(STRATEGIES["full"], GROUPS, STEPS), learning_rate=1e-2, recipe=Study(batch_size=ROWS), seed=0,
        measure_every=2, patience=None, folder=folder,
    )  # fmt: skip
    return replace(job, **changes)


def divided(gradients, model, sizes, rehearse=False):
    """Return loss and gradients by name for each number of rows at once."""
    found = []
    for at_once in sizes:
        gradients.at_once = at_once
        loss = gradients.make(0, None, rehearse)
        found.append((loss, {name: one.grad for name, one in model.named_parameters() if one.grad is not None}))
        model.zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_of_unequal_parts_is_that_of_the_whole(case, tmp_path):
    problem, processor, rows, model = CASES[case]()
    model.eval()  # no dropout, and batch normalisations by what is known
    gradients = Gradients(job_of(problem, processor, rows, tmp_path), model, make_accelerator(), None)
    (loss, whole), *parts = divided(gradients, model, (ROWS, 3, 1))
    assert loss > 0
    rounding = 1e-4 * max(float(one.abs().max()) for one in whole.values())
    for other, found in parts:
        assert other == pytest.approx(loss, rel=1e-5)
        torch.testing.assert_close(found, whole, rtol=0, atol=rounding)


def test_the_gradient_of_rehearsed_parts_is_that_of_the_whole(cases, tmp_path):  # noqa: F811
    model, (problem, processor, rows), rehearsal = cases["bert"]
    rehearsing = Rehearsing(replace(rehearsal, share=0.5), model.eval(), ROWS, 0)
    gradients = Gradients(job_of(problem, processor, rows, tmp_path), model, make_accelerator(), rehearsing)
    whole, parts = divided(gradients, model, (ROWS, 3), rehearse=True)
    torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-6)
    assert divided(gradients, model, (ROWS,))[0][1].keys() == whole[1].keys()
    assert not torch.allclose(
        divided(gradients, model, (ROWS,))[0][1]["classifier.weight"], whole[1]["classifier.weight"]
    )


def on_device(rows):
    raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {rows} GiB.")


def on_cpu(rows):
    torch.empty(2**50)  # a petabyte: the allocator itself refuses


def limited(model, most, overflow=on_cpu, backward=False):
    """Have a network take more memory than there is for more rows than these."""

    def forward(module, inputs, output):
        rows = len(output.logits)
        if rows > most and not backward:
            overflow(rows)
        elif rows > most and output.logits.requires_grad:
            output.logits.register_hook(lambda gradient: overflow(rows))

    model.register_forward_hook(forward)
    return model


@pytest.fixture
def begin(images, image_processor, sentences, tokenizer, tmp_path):
    """Return a function that gives a fresh network and what it is trained by: batches of 6 or 7 images, of 8 texts."""
    text = PROBLEMS["text-classification"]
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = {**BERT, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}

    def make(network, folder="state", **changes):
        if network == "resnet":
            problem = PROBLEMS["image-classification"]
            model = build(problem, RESNET, ("a", "b", "c"), seed=0)
            return job_of(problem, image_processor, images, tmp_path / folder, **changes), model
        model = build(text, config if network == "bert" else config | still, ("a", "b"), seed=0)
        rows = group_by_length(text.encode(sentences, tokenizer), ROWS)
        return job_of(text, tokenizer, rows, tmp_path / folder, **changes), model

    return make


def go(job, model):
    return train(job, model, lambda step, message: None)


@pytest.mark.parametrize("overflow", [on_device, on_cpu])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("network", "most"), [("bert", 2), ("resnet", 3)])  # 7 images are 2, 2 and 3
def test_what_overflows_ends_as_if_it_had_begun_in_parts_that_fit(begin, network, most, backward, overflow, caplog):
    job, model = begin(network)
    trained = go(job, limited(model, most, overflow, backward))
    other, parts = begin(network, "parts")
    run = Run(other, parts)
    run.gradients.at_once = 2
    assert run.go(lambda step, message: None).curve == trained.curve
    assert weights_digest(parts) == weights_digest(model)  # dropout and running statistics too
    said = [record.message for record in caplog.records if "too many" in record.message]
    assert len(said) == 2  # 8 or 7 to 4, and 4 to 2; then never again
    assert "4 rows at once are too many for the memory of cpu: from here on 2" in said[1]
    assert trained.rows_at_once == 2


def test_halving_changes_no_step_but_by_rounding(begin):
    (job, whole), (other, parts) = begin("still"), begin("still", "parts")
    plain, halved = go(job, whole), go(other, limited(parts, 3))
    losses = [[row["train_loss"] for row in trained.curve] for trained in (plain, halved)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    torch.testing.assert_close(whole.state_dict(), parts.state_dict(), rtol=1e-4, atol=1e-5)


def test_a_run_that_is_taken_up_again_begins_with_what_fitted(begin, caplog, monkeypatch):
    monkeypatch.setenv("GRAFT_CHECKPOINT_SECONDS", "0")
    settings.cache_clear()
    job, model = begin("bert", "whole")
    go(job, limited(model, 4))
    job, again = begin("bert", "broken", stop_at=3, resumable=True)
    go(job, limited(again, 4))
    caplog.clear()
    caplog.set_level("INFO")
    job, again = begin("bert", "broken")
    go(job, limited(again, 4))
    assert weights_digest(again) == weights_digest(model)
    assert "going on from step 3" in caplog.text
    assert "too many" not in caplog.text


def test_parts_play_back_what_frozen_groups_return(begin):
    legs = resolve(STRATEGIES["top-1"], GROUPS, STEPS)
    job, plain = begin("bert", "plain", legs=legs)
    go(job, limited(plain, 3))
    job, played = begin("bert", "played", legs=legs)
    prefix = record(played, Feed.of(job.problem, job.train, job.processor), [3], Activations(10**9))
    assert prefix.boundaries == (3,)
    go(replace(job, prefix=prefix), limited(played, 3))
    torch.testing.assert_close(plain.state_dict(), played.state_dict(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("network", "rows"), [("bert", 1), ("resnet", 3)])
def test_where_no_part_fits_one_error_says_so(begin, network, rows):
    job, model = begin(network)
    with pytest.raises(OutOfMemory, match=rf"the memory of cpu is too small for {rows} rows? at once\n.*`max_tokens`"):
        go(job, limited(model, 0))


def test_an_error_of_another_kind_is_that_error(begin):
    job, model = begin("bert")

    def broken(rows):
        raise RuntimeError("shapes do not agree")

    with pytest.raises(RuntimeError, match="shapes do not agree"):
        go(job, limited(model, 0, broken))
