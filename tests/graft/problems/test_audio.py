"""Clips become batches: at the processor's rate, of a width of their own, and the same alone as in company."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch

from graft.backbones import build, load, load_processor, save
from graft.catalog import Pretraining
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.problems.waveforms import SECONDS, SHORTEST, kept_seconds
from graft.reading import MEDIA
from graft.training import predict
from graft.training.batches import generator, group_by_length
from tests.conftest import AST, SPEECH
from tests.sounds import RATE, tone, wav

AUDIO = PROBLEMS["audio-classification"]
LENGTHS = (0.1, 0.2, 0.26, 0.4, 0.6, 0.24)


def clips(lengths=LENGTHS, rate=RATE):
    labels = pa.array([place % 2 for place in range(len(lengths))], pa.int64())
    contents = [wav(tone(300 + 40 * place, seconds, rate), rate) for place, seconds in enumerate(lengths)]
    return MEDIA["audio"].table(contents).append_column("label", labels)


def made(config, table=None, **recipe):
    return AUDIO.make_processor(clips() if table is None else table, config, Pretraining(**recipe))


def test_a_new_processor_has_the_rate_of_most_clips_but_no_more_than_speech_needs():
    assert made(SPEECH).sampling_rate == RATE
    assert made(SPEECH, clips((0.1, 0.2), 44100)).sampling_rate == 16000
    assert made(SPEECH, sampling_rate=8000).sampling_rate == 8000
    mixed = pa.concat_tables([clips(), clips((0.1,), 8000)])
    assert made(SPEECH, mixed).sampling_rate == RATE


@pytest.mark.parametrize("config", [SPEECH, AST], ids=["wav2vec2", "ast"])
def test_a_processor_is_the_same_when_it_is_loaded_again(config, tmp_path):
    processor = made(config, clip_seconds=0.3)
    save(build(AUDIO, config, ("a", "b"), 0), processor, tmp_path)
    again = load_processor(tmp_path, AUDIO)
    assert again.to_dict() == processor.to_dict()
    first, second = (AUDIO.encode(clips(), one).features for one in (processor, again))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_clips_are_cut_and_of_mean_zero_and_deviation_one():
    features = AUDIO.encode(clips(), made(SPEECH, clip_seconds=0.3)).features
    assert [len(row) for row in features] == [SHORTEST, 800, 1040, 1200, 1200, 960]
    assert all(abs(row.mean()) < 1e-4 and row.std() == pytest.approx(1, abs=1e-3) for row in features)
    assert all(row.dtype == np.float32 for row in features)


def test_a_width_is_the_next_of_a_few_durations_whoever_is_there():
    examples = AUDIO.encode(clips(), made(SPEECH))
    assert examples.widths.tolist() == [1000, 1000, 2000, 2000, 4000, 1000]
    alone = AUDIO.encode(clips((0.1, 0.26)), made(SPEECH))
    assert alone.widths.tolist() == [1000, 2000]
    assert group_by_length(examples, 2).widths is examples.widths
    assert all(longer > shorter for shorter, longer in pairwise(SECONDS))


def test_a_clip_longer_than_all_durations_has_a_width_of_its_own():
    examples = AUDIO.encode(clips((40, 0.1), 1000), made(SPEECH, clip_seconds=60, sampling_rate=1000))
    assert examples.widths.tolist() == [40000, 500]


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_a_batch_is_padded_with_zeros_and_has_a_mask_where_the_network_reads_one(norm):
    processor = made({**SPEECH, "feat_extract_norm": norm})
    examples = AUDIO.encode(clips(), processor)
    batch = AUDIO.collate(examples, [0, 1, 5], processor, generator(0), False)
    assert batch["input_values"].shape == (3, 1000)
    assert batch["labels"].tolist() == [0, 1, 1]
    assert not batch["input_values"][1, 800:].any()
    assert ("attention_mask" in batch) == (norm == "layer")
    if norm == "layer":
        assert batch["attention_mask"].sum(dim=1).tolist() == [400, 800, 960]


@pytest.mark.parametrize(
    "config", [SPEECH, {**SPEECH, "feat_extract_norm": "layer"}, AST], ids=["group", "layer", "ast"]
)
def test_a_clip_gets_the_same_answer_alone_and_in_company(config):
    processor = made(config)
    examples = AUDIO.encode(clips(), processor)
    model = build(AUDIO, config, ("a", "b"), 0)
    together = predict(model, AUDIO, examples, processor)
    for row in range(len(LENGTHS)):
        assert np.array_equal(predict(model, AUDIO, examples.take([row]), processor)[0], together[row])


def test_spectrograms_are_normalised_by_the_training_rows():
    processor = made(AST)
    frames = AUDIO.encode(clips(), processor)
    assert frames.features[0].shape == (AST["max_length"], AST["num_mel_bins"])
    values = np.stack(list(frames.features))
    assert abs(values.mean()) < 1e-3
    assert values.std() == pytest.approx(0.5, abs=1e-3)  # as the paper has it
    assert AUDIO.collate(frames, [1, 3], processor, generator(0), True)["input_values"].shape == (2, *values.shape[1:])


def test_a_spectrogram_of_few_frames_is_all_that_is_read():
    assert kept_seconds(made(SPEECH, clip_seconds=7)) == 7
    assert kept_seconds(made(AST)) == pytest.approx((23 * 160 + 400) / RATE)


def test_what_is_random_and_no_checkpoint_holds_is_off(tmp_path):
    config = {**SPEECH, "apply_spec_augment": True, "layerdrop": 0.5}
    model = build(AUDIO, config, ("a", "b"), 0)
    save(model, made(config), tmp_path)
    for network in (model, load(tmp_path, AUDIO), load(tmp_path, AUDIO, ("x", "y", "z"))):
        assert (network.config.apply_spec_augment, network.config.layerdrop) == (False, 0.0)
    examples = AUDIO.encode(clips((0.1,)), made(config))
    batch = AUDIO.collate(examples, [0, 0], made(config), generator(0), True)
    batch.pop("labels")
    assert torch.isfinite(model.train()(**batch).logits).all()


def test_every_clip_that_cannot_be_read_is_named():
    table = MEDIA["audio"].table([wav(tone(300)), b"nothing", b""])
    with pytest.raises(DataError) as error:
        AUDIO.encode(table, made(SPEECH))
    assert len(error.value.problems) == 2


def test_the_metrics_of_a_classification_are_measured():
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [1.0, 0.0]])
    assert AUDIO.measure(logits, np.array([0, 1, 1, 0])) == {
        "accuracy": 0.75,
        "macro_f1": pytest.approx((0.8 + 2 / 3) / 2),
        "balanced_accuracy": pytest.approx((1 + 1 / 2) / 2),
        "auroc": pytest.approx(1 / 2),  # of the clips of 1 one is above both of 0, one below
    }
