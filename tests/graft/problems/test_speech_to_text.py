"""Whisper: what it reads, how it is asked, what it learns and writes, and what of a clip or transcript does not fit."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from flows.commands.starters import choose
from graft.backbones import build, layer_groups, load, load_processor, read_config, renew, renew_head, save
from graft.catalog import Backbone, Catalog, Data, Optimization, Pretraining, Source
from graft.consistency import find_inconsistencies
from graft.errors import BadInput, CatalogError, CheckpointError, DataError
from graft.problems import PROBLEMS
from graft.problems.whisper import fill_up, trim
from graft.reading import MEDIA, read, resample
from graft.strategies.strategy import Leg
from graft.training import Job, evaluate, train
from graft.training.activations import Activations
from graft.training.feed import Feed
from graft.training.recording import record
from tests.networks import WAV2VEC2
from tests.sounds import tone, wav
from tests.whispers import MULTILINGUAL, write_whisper

PROBLEM = PROBLEMS["speech-to-text"]
SAID = ("yes", "no", "yes no", "été")
END = 256


def clips(texts, seconds=0.2):
    """Return a canonical table of clips, of another pitch for each text and longer ones for later rows."""
    pitch = {text: 400 * (place + 1) for place, text in enumerate(dict.fromkeys(texts))}
    cells = [{"bytes": wav(tone(pitch[text], seconds * (1 + row % 3))), "path": None} for row, text in enumerate(texts)]
    return pa.table({"audio": cells, "transcript": pa.array(texts)})


def opened(folder, **recipe):
    """Return the network and the processor of a checkpoint, as a source gets them."""
    model, processor = load(folder, PROBLEM, ()), load_processor(folder, PROBLEM)
    processor = PROBLEM.fit(processor, clips(SAID), read_config(folder))
    PROBLEM.agree(model, processor, Pretraining(**recipe))
    return model, processor


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_whisper(tmp_path_factory.mktemp("whisper"), spread=0.8, repetition_penalty=5.0)


@pytest.fixture(scope="module")
def whisper(folder):
    return opened(folder)


def batch_of(examples, rows, processor):
    return PROBLEM.collate(examples, rows, processor, torch.Generator(), training=False)


def test_the_frames_are_the_extractors_own_though_the_silence_after_a_clip_is_not_kept(whisper):
    _, processor = whisper
    table = pa.concat_tables([clips(SAID), clips(["no"], seconds=1.0), clips(["no"], seconds=1e-3)])
    examples = PROBLEM.encode(table, processor)
    heard = MEDIA["audio"].of_each(table["audio"].to_pylist(), lambda clip: resample(clip, 16000))
    theirs = processor.feature_extractor(heard, sampling_rate=16000, return_tensors="pt")["input_features"]
    found = batch_of(examples, range(6), processor)["input_features"]
    assert torch.equal(found[:5], theirs[:5])  # the last one is filled up to one window of sound before
    assert [row.shape[1] for row in examples.features][:5] == [23, 43, 63, 23, 100]
    flat = np.full((3, 7), 2.0, np.float32)
    assert trim(flat).shape == (3, 1)
    assert torch.equal(fill_up([trim(flat)], 7)[0], torch.from_numpy(flat))


def test_the_label_is_the_next_token_up_to_the_end_and_the_prompt_is_given(whisper):
    model, processor = whisper
    batch = batch_of(PROBLEM.encode(clips(SAID), processor), [0, 1], processor)
    start, times = processor.tokenizer.convert_tokens_to_ids(["<|startoftranscript|>", "<|notimestamps|>"])
    yes, no = (processor.tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in ("yes", "no"))
    assert batch["decoder_input_ids"].tolist() == [[start, times, *yes, END, END], [start, times, *no, END, END, END]]
    assert batch["labels"].tolist() == [[-100, *yes, END, -100, -100], [-100, *no, END, -100, -100, -100]]
    labels = batch.pop("labels")
    with torch.no_grad():
        mine, theirs = model(**batch), model(**batch, labels=labels)
    assert float(PROBLEM.loss(mine.logits, labels, 0.0)) == pytest.approx(float(theirs.loss))
    assert PROBLEM.weigh(labels) == 9


def test_what_is_written_is_what_whisper_itself_writes_whatever_the_checkpoint_forbids(whisper):
    model, processor = whisper
    examples = PROBLEM.encode(clips(SAID), processor)
    batch = batch_of(examples, [0, 1, 2, 3], processor)
    own = model.generation_config
    with torch.no_grad():
        found = PROBLEM.generate(model, model(**{name: batch[name] for name in batch if name != "labels"}), processor)
        known = torch.tensor([processor.tokenizer.prefix_tokens] * 4)
        for _ in range(14 - known.shape[1]):  # each time from the beginning, without any cache
            logits = model(input_features=batch["input_features"], decoder_input_ids=known).logits[:, -1]
            logits[:, END + 1 :] = -torch.inf
            known = torch.cat([known, logits.argmax(dim=1, keepdim=True)], dim=1)
    assert model.generation_config is own
    written = known[:, 2:]
    ended = (written == END).cumsum(dim=1) > 0
    assert torch.equal(found.isnan(), ended[:, : found.shape[1]])
    assert torch.equal(found[~found.isnan()], written[:, : found.shape[1]][~found.isnan()].float())
    assert len({tuple(row) for row in written.tolist()}) == 4


def test_it_learns_to_write_what_is_said(tmp_path):
    model, processor = opened(write_whisper(tmp_path / "whisper"))
    table = clips(["yes", "no"] * 4)
    examples = PROBLEM.encode(table, processor)
    leg = Leg(tuple(group.name for group in layer_groups(model)), 150)
    sines = model.model.encoder.embed_positions.weight.clone()
    job = Job(
        problem=PROBLEM, processor=processor, train=examples, validation=None, legs=(leg,), learning_rate=1e-2,
        recipe=Optimization(batch_size=8), seed=0, measure_every=150, patience=None, folder=tmp_path / "state",
    )  # fmt: skip
    train(job, model, lambda step, note: None)
    unseen = PROBLEM.encode(clips(["yes", "no", "yes"]).drop_columns(["transcript"]), processor)
    answers = evaluate(model, PROBLEM, unseen, processor)[1]
    assert [one["answer"] for one in PROBLEM.predict(answers, unseen)] == ["yes", "no", "yes"]
    assert torch.equal(model.model.encoder.embed_positions.weight, sines)


def test_an_answer_may_be_empty_or_break_off_within_a_character(whisper):
    _, processor = whisper
    examples = PROBLEM.encode(clips(SAID), processor)
    ids = [processor.tokenizer(f" {text}", add_special_tokens=False)["input_ids"] for text in ("yes no", "été  a")]
    rows = [[], ids[0], ids[1], ids[1][:2]]
    answers = np.array([[*row, *[np.nan] * (12 - len(row))] for row in rows], np.float32)
    assert [one.answered for one in PROBLEM.tell(answers, examples.expected)] == [
        "(nothing)",
        "yes no",
        "été a",
        "\ufffd",
    ]
    assert PROBLEM.grade(answers, examples.expected).earned[0, :, 0].tolist() == [1, 1, 2, 1]


def test_a_transcript_that_does_not_fit_is_learned_as_far_as_it_does_and_graded_whole(whisper):
    model, processor = whisper
    examples = PROBLEM.encode(clips(["no " * 12 + "no", "yes"]), processor)
    batch = batch_of(examples, [0, 1], processor)
    assert batch["decoder_input_ids"].shape == (2, 14)
    assert END not in batch["labels"][0]
    metrics, answers = evaluate(model, PROBLEM, examples, processor)
    assert np.isfinite(metrics["loss"])
    assert PROBLEM.grade(answers, examples.expected).possible[0, :, 0].tolist() == [13, 1]


@pytest.mark.parametrize("boundary", [1, 2, 3, 4])
def test_answers_in_replay_are_those_without_it(whisper, boundary):
    model, processor = whisper
    examples = PROBLEM.encode(clips(SAID * 2), processor)
    prefix = record(model, Feed.of(PROBLEM, examples, processor), [boundary], Activations(2**24), batch_size=4)
    model.requires_grad_(False)
    live = evaluate(model, PROBLEM, examples, processor)
    with prefix.replay(model, boundary) as player:
        played = evaluate(model, PROBLEM, examples, processor, player)
    model.requires_grad_(True)
    assert played[0] == live[0]
    assert np.array_equal(played[1], live[1], equal_nan=True)


def test_what_is_recorded_of_a_clip_is_not_taken_for_another_transcript_of_it(whisper):
    _, processor = whisper
    table = clips(["yes", "no"])
    other = table.set_column(1, "transcript", pa.array(["yes", "on"]))
    mine, theirs = (Feed.of(PROBLEM, PROBLEM.encode(one, processor), processor).keys for one in (table, other))
    assert (mine[0] == theirs[0], mine[1] == theirs[1]) == (True, False)


def test_the_language_is_the_catalogues_or_the_checkpoints_and_is_stored(folder, tmp_path):
    many = write_whisper(tmp_path / "many", **MULTILINGUAL)
    with pytest.raises(CatalogError, match=r"pretraining\.language: this Whisper knows several") as caught:
        opened(many)
    assert "language: en" in str(caught.value)
    with pytest.raises(CatalogError, match="'klingon' cannot be asked for"):
        opened(many, language="klingon")
    with pytest.raises(CatalogError, match="'de' is asked for, and this Whisper knows one language"):
        opened(folder, language="de")
    model, processor = opened(many, language="de")
    save(model, processor, tmp_path / "source")
    stored = load_processor(tmp_path / "source", PROBLEM).tokenizer
    german = ["<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]
    assert stored.convert_ids_to_tokens(stored.prefix_tokens) == german
    assert stored.model_max_length == 14
    found = load(tmp_path / "source", PROBLEM)
    for one in (found, renew(found, PROBLEM, (), 1), renew_head(found, PROBLEM, (), 1)):
        settings = one.generation_config
        assert (settings.language, settings.task, settings.begin_suppress_tokens) == ("de", "transcribe", None)
    named = write_whisper(tmp_path / "named", language="en", **MULTILINGUAL)
    assert opened(named)[1].tokenizer.prefix_tokens[1] == stored.convert_tokens_to_ids("<|en|>")


def test_head_and_embeddings_are_kept_and_the_blocks_run_through_both_sides(whisper, folder):
    model, _ = whisper
    groups = {group.name: group.prefixes for group in layer_groups(model)}
    assert groups["stem"] == tuple(f"model.encoder.{name}" for name in ("conv1", "conv2", "embed_positions"))
    assert groups["block 2"] == ("model.encoder.layers.1", "model.encoder.layer_norm")
    assert groups["block 3"][-1] == "model.decoder.layers.0"
    assert groups["head"] == ("model.decoder.layer_norm", "proj_out")
    stored = load(folder, PROBLEM).state_dict()
    kept = renew_head(model, PROBLEM, (), 5)
    assert all(torch.equal(value, stored[name]) for name, value in kept.state_dict().items())
    assert kept.proj_out.weight is kept.model.decoder.embed_tokens.weight


def test_clips_that_a_whisper_does_not_hear_to_their_end_are_named(tmp_path):
    cells = [{"bytes": wav(tone(440, seconds, rate=1000), rate=1000), "path": None} for seconds in (1, 31, 30, 45.5)]
    pq.write_table(pa.table({"audio": cells, "transcript": ["a", "b", "c", "d"]}), tmp_path / "clips.parquet")
    with pytest.raises(DataError) as caught:
        read(Data(path=str(tmp_path / "clips.parquet")), PROBLEM)
    said = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 2
    assert "row 2: a clip of 31.0 s, and a Whisper hears 30; cut it at a pause" in said
    assert "row 4: a clip of 45.5 s" in said


def test_what_is_no_whisper_is_refused_with_what_to_write(folder, tmp_path):
    entry = Source(problem=PROBLEM.name, data=Data(path="."), backbone=Backbone(config={"model_type": "whisper"}))
    (said,) = find_inconsistencies(Catalog(sources={"s": entry}, targets={}))
    assert "goes on from a checkpoint" in said
    assert "hub: openai/whisper-tiny" in said
    with pytest.raises(BadInput, match="goes on from a checkpoint, and none is named"):
        choose(None, PROBLEM)
    with pytest.raises(CheckpointError, match="write `problem: speech-to-text`"):
        load(folder, PROBLEMS["speech-recognition"], ())
    speech = PROBLEMS["speech-recognition"]
    processor = speech.make_processor(clips(SAID), WAV2VEC2, Pretraining())
    save(build(speech, {**WAV2VEC2, **speech.head(processor)}, (), 0), processor, tmp_path / "ctc")
    with pytest.raises(CheckpointError, match="has no decoder that writes"):
        load(tmp_path / "ctc", PROBLEM, ())
