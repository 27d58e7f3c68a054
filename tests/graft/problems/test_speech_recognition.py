"""Transcripts: their alphabet, the loss over frames, what is decoded from them, and what it is worth."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch
from torchmetrics.functional.text import char_error_rate, word_error_rate
from transformers import AutoConfig, AutoFeatureExtractor, AutoModelForCTC

from graft.backbones import build, load, load_processor, save
from graft.catalog import Data, Pretraining
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.problems.transcripts import align, count_frames, decode
from graft.reading import inspect, read
from tests.networks import WAV2VEC2
from tests.sounds import RATE, tone, wav

PROBLEM = PROBLEMS["speech-recognition"]
TEXTS = ("no yes no", "yes", "été", "yes no")


def clips(texts, seconds=0.2):
    """Return a canonical table of clips, longer ones for later rows."""
    cells = [{"bytes": wav(tone(440, seconds * (1 + row % 3))), "path": None} for row in range(len(texts))]
    values, faults = PROBLEM.convert("transcript", texts)
    assert not faults
    return pa.table({"audio": cells, "transcript": values})


TABLE = clips(TEXTS)


@pytest.fixture(scope="module")
def processor():
    return PROBLEM.make_processor(TABLE, WAV2VEC2, Pretraining())


def encoded(texts, processor):
    return PROBLEM.encode(clips(texts), processor)


def spelled(texts, tokenizer):
    """Return answers that spell these texts, as `decode` gives them."""
    rows = [torch.tensor(tokenizer(text)["input_ids"], dtype=torch.float) for text in texts]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=float("nan")).numpy()


def test_the_alphabet_is_that_of_the_transcripts_and_what_it_writes_is_what_was_said(processor):
    tokenizer = processor.tokenizer
    assert tokenizer.get_vocab() == {"<pad>": 0, "<unk>": 1, "|": 2, "e": 3, "n": 4, "o": 5, "s": 6, "t": 7, "y": 8,
                                     "é": 9}  # fmt: skip
    examples = encoded(TEXTS, processor)
    answers = spelled(TEXTS, tokenizer)
    assert [one.answered for one in PROBLEM.tell(answers, examples.expected)] == [*TEXTS]
    assert PROBLEM.measure(answers, examples.expected) == {"word_error_rate": 0.0, "character_error_rate": 0.0}
    assert [said["answer"] for said in PROBLEM.predict(answers, examples)] == [*TEXTS]
    assert PROBLEM.convert("transcript", ["e\u0301te\u0301  a"])[0].to_pylist() == ["été a"]


def test_error_rates_are_torchmetrics_whatever_rows_they_are_of(processor):
    said = ["no no yes no", "", "eté", "yes yes"]
    examples, answers = encoded(TEXTS, processor), spelled(said, processor.tokenizer)
    found = PROBLEM.measure(answers, examples.expected)
    assert found["word_error_rate"] == pytest.approx(float(word_error_rate(said, [*TEXTS])))
    assert found["character_error_rate"] == pytest.approx(float(char_error_rate(said, [*TEXTS])))
    grades = PROBLEM.grade(answers, examples.expected)
    assert grades.earned[0, :, 0].tolist() == [1, 1, 1, 1]
    assert grades.take([0, 3]).mean == pytest.approx(2 / 5)
    nothing = np.full((4, 1), np.nan, np.float32)
    assert PROBLEM.measure(nothing, examples.expected)["word_error_rate"] == 1


def test_frames_of_a_clip_are_those_of_the_network(processor):
    config = AutoConfig.for_model(**WAV2VEC2)
    model = AutoModelForCTC.from_config(config)
    assert processor.feature_extractor.strides == [[10, 5], [3, 2]]
    for samples in (10, 400, 800, 1234):
        assert count_frames(samples, processor.feature_extractor.strides) == max(
            1, int(model._get_feat_extract_output_lengths(samples))
        )
    assert count_frames(800, None) == -1


def test_the_loss_is_the_networks_own_for_each_character(processor):
    head = {**WAV2VEC2, **PROBLEM.head(processor), "feat_extract_norm": "layer", "ctc_loss_reduction": "sum"}
    masked = PROBLEM.make_processor(TABLE, head, Pretraining())
    model = build(PROBLEM, head, (), 0).eval()
    examples = PROBLEM.encode(TABLE, masked)
    batch = PROBLEM.collate(examples, [0, 1, 2], masked, torch.Generator(), training=True)
    labels = batch.pop("labels")
    with torch.no_grad():
        mine = model(**batch)
        theirs = model(**batch, labels=labels[:, 2:])
    characters = sum(len(text) for text in TEXTS[:3])
    assert PROBLEM.weigh(labels) == characters
    assert float(PROBLEM.loss(mine.logits, labels, 0.0)) == pytest.approx(float(theirs.loss) / characters, rel=1e-5)


def test_a_transcript_that_its_clip_has_no_frames_for_counts_nothing_and_none_has_no_loss():
    logits = torch.randn((2, 3, 5), generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([[3, 0, 1, 2, -100, -100], [3, 0, 1, 1, 2, 2]])
    loss = PROBLEM.loss(logits, labels, 0.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert not logits.grad[1].any()
    assert logits.grad[0].any()
    assert float(PROBLEM.loss(logits.detach(), labels[:, :2], 0.0)) == 0
    assert PROBLEM.weigh(labels[:, :2]) == 0


def test_repeats_blanks_and_padding_are_left_out():
    ids = torch.tensor([[4, 4, 0, 4, 2, 2, 1, 1], [0, 0, 3, 3, 3, 3, 3, 3], [3, 3, 0, 3, 1, 1, 1, 1]])
    logits = torch.nn.functional.one_hot(ids, 5).float()
    labels = torch.tensor([[6, 0], [2, 0], [-1, 3]])
    found = decode(logits, labels)
    assert [row[~row.isnan()].tolist() for row in found] == [[4, 4, 2], [], [0, 1]]


def test_a_stored_alphabet_is_kept_where_it_knows_every_character(processor, tmp_path):
    model = build(PROBLEM, {**WAV2VEC2, **PROBLEM.head(processor)}, (), 0)
    save(model, processor, tmp_path)
    stored = load_processor(tmp_path, PROBLEM)
    assert stored.tokenizer.get_vocab() == processor.tokenizer.get_vocab()
    assert stored.feature_extractor.strides == processor.feature_extractor.strides
    assert PROBLEM.fit(stored, clips(["yes"]), model.config.to_dict()) is stored
    other = PROBLEM.fit(stored, clips(["YES"]), model.config.to_dict())
    assert set(other.tokenizer.get_vocab()) == {"<pad>", "<unk>", "|", "Y", "E", "S"}
    found = load(tmp_path, PROBLEM, (), head=PROBLEM.head(other))
    assert found.lm_head.out_features == 6
    assert found.config.pad_token_id == 0
    kept, old = (dict(one.wav2vec2.named_parameters()) for one in (found, model))
    assert all(torch.equal(kept[name], value) for name, value in old.items())
    assert json.loads((tmp_path / "config.json").read_text())["vocab_size"] == 10
    plain = AutoFeatureExtractor.from_pretrained(tmp_path, local_files_only=True)  # for a classification of clips
    assert plain.sampling_rate == RATE
    assert isinstance(load_processor(tmp_path, PROBLEMS["audio-classification"]), type(plain))


def test_clips_are_never_cut(processor):
    long = pa.table({"audio": [{"bytes": wav(tone(440, 12)), "path": None}], "transcript": ["yes"]})
    assert len(PROBLEM.encode(long, processor).features[0]) == 12 * RATE


def test_words_are_put_side_by_side():
    assert align("yes no no yes", "yes yes no") == "yes [no → yes] no [yes → −]"
    assert align("yes", "no yes") == "[+ no] yes"
    assert align("no yes", "") == "[no → −] [yes → −]"


@pytest.fixture
def folder(tmp_path):
    """An audio folder: clips, and a table of what is said in them."""
    for row in range(6):
        (tmp_path / f"{row}.wav").write_bytes(wav(tone(300 + 40 * row)))
    return tmp_path


def write(folder, lines, header="file_name,sentence"):
    (folder / "metadata.csv").write_text("\n".join([header, *lines]) + "\n")


def test_an_audio_folder_with_transcripts_is_recognised(folder):
    write(folder, [f"{row}.wav,yes no {'no' * (row % 2)},anna" for row in range(6)], "file_name,sentence,speaker")
    found = inspect(folder)
    assert (found.problem, found.columns) == (
        "speech-recognition",
        {"audio": "file_name", "transcript": "sentence"},
    )
    assert any("'speaker' looks like a group" in note for note in found.notes)


def test_everything_wrong_with_transcripts_is_said_at_once(folder):
    write(folder, ["0.wav,yes", "1.wav,", "2.wav,a|b", "9.wav,no", "3.wav,  ", "4.wav,no", "5.wav,no"])
    with pytest.raises(DataError) as caught:
        read(Data(path=str(folder)), PROBLEM)
    said = "\n".join(caught.value.problems)
    assert "metadata.csv, row 2: 'sentence': empty" in said
    assert "metadata.csv, row 3: 'sentence': 'a|b' holds '|'" in said
    assert "metadata.csv, row 4: no audio file" in said
    assert "metadata.csv, row 5: 'sentence': empty" in said
