"""Speech recognition: what is said in a clip, in writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.problem import Batch, Examples, Modality, Problem, Said, Truths, corruptions_of
from graft.problems.transcripts import (
    FACTS,
    NOTHING,
    Transcript,
    align,
    ctc_nats,
    decode,
    fill,
    knows_all,
    make_tokenizer,
    read_transcripts,
    strides_of,
    transcribed,
)
from graft.problems.waveforms import encode_clips, make_extractor, pad_clips

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining
    from graft.corruptions import Corruption
    from graft.problems.grades import Grades


class SpeechRecognition(Problem):
    """Clips in, characters out, by connectionist temporal classification (Graves et al. 2006).

    As wav2vec 2.0 is fine-tuned (Baevski et al. 2020, section 3.3): a linear layer over the frames, and the likeliest
    character of each. Clips are never cut, since nobody knows which of their words would be left.
    """

    name = "speech-recognition"
    modality: Modality = "audio"
    columns: tuple[str, ...] = ("audio", "transcript")
    truths: tuple[str, ...] = ("transcript",)
    metric = "word_error_rate"
    higher_is_better = False
    auto_model = "AutoModelForCTC"
    auto_processor = "AutoProcessor"

    @property
    def corruptions(self) -> Mapping[str, Corruption[Any]]:
        """What the clips may suffer, by name."""
        return corruptions_of(self.modality)

    def convert(self, name: str, values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
        """Return transcripts as strings; none may be empty."""
        return read_transcripts(values)

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return a feature extractor with a tokenizer of the characters of the transcripts."""
        return self.fit(make_extractor(table, config, recipe), table, _completed(config))

    def fit(self, processor: Any, table: pa.Table, config: Mapping[str, Any]) -> Any:
        """Return the stored processor if it knows every character of the transcripts, or else one of their alphabet.

        An alphabet is taken from training rows only: what no training transcript holds, no network can learn to write.
        """
        from transformers import Wav2Vec2Processor

        extractor = getattr(processor, "feature_extractor", processor)
        extractor.strides = strides_of(config)  # stored with it: which frames are of a clip, the logits do not say
        texts = table["transcript"].to_pylist()
        if extractor is not processor and knows_all(processor.tokenizer, texts):
            return processor
        return Wav2Vec2Processor(feature_extractor=extractor, tokenizer=make_tokenizer(texts))

    def head(self, processor: Any) -> Mapping[str, Any]:
        """Return the number of characters and the id of the blank."""
        tokenizer = processor.tokenizer
        return {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "ctc_zero_infinity": True,
        }

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return samples, mono, at the processor's rate, with frames, blank and character ids as labels."""
        return transcribed(encode_clips(table, processor.feature_extractor, whole=True), table, processor)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `input_values` (rows, samples), a mask where there is one, and `labels` (rows, 2 + characters)."""
        batch = pad_clips(examples, rows, processor.feature_extractor)
        assert examples.labels is not None  # every clip has its frames
        batch["labels"] = fill([examples.labels[row] for row in rows])
        return batch

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean CTC loss of a character in nats; paths over frames have no smoothed form."""
        return ctc_nats(logits, labels) / max(self.weigh(labels), 1)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of characters of the transcripts."""
        return int((labels[:, FACTS:] != NOTHING).sum())

    def answer(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return the ids that a clip's frames spell, (rows, characters): the likeliest of each, repeats and blanks out.

        Logits over frames are never kept.
        """
        if labels is None:
            raise ValueError("a clip needs to know how many of its frames are not padding")
        return decode(logits, labels)

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return the edits that make each answer its transcript, of so many words."""
        from torchmetrics.functional.text.wer import _wer_update

        from graft.problems.grades import Grades

        return Grades.of(*_count(_wer_update, answers, truths))

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return the error rates of words and of characters."""
        from torchmetrics.functional.text.cer import _cer_update

        from graft.problems.grades import Grades

        characters = Grades.of(*_count(_cer_update, answers, truths))
        return {"word_error_rate": self.grade(answers, truths).mean, "character_error_rate": characters.mean}

    def tell(self, answers: np.ndarray, truths: Truths) -> list[Said]:
        """Return transcripts and answers, with the words of both side by side."""
        pairs = [(one.text, one.words(row)) for row, one in _pairs(answers, truths)]
        return [Said(text, said or "(nothing)", align(text, said)) for text, said in pairs]

    def predict(self, answers: np.ndarray, examples: Examples) -> list[dict[str, Any]]:
        """Return the words of each clip."""
        return [{"answer": one.words(row)} for row, one in _pairs(answers, examples.truths)]


def _count(update: Any, answers: np.ndarray, truths: Truths) -> tuple[list[float], list[float]]:
    """Return edits and length of each transcript, as torchmetrics sums them up, row by row."""
    found = [update(one.words(row), one.text) for row, one in _pairs(answers, truths)]
    return [float(edits) for edits, _ in found], [float(length) for _, length in found]


def _pairs(answers: np.ndarray, truths: Truths) -> Iterator[tuple[np.ndarray, Transcript]]:
    if truths is None:
        raise ValueError("without its alphabet an answer has no words")
    return zip(answers, truths, strict=True)


def _completed(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration with the defaults of its kind of network; as it is where there is no such kind."""
    from transformers import AutoConfig

    try:
        return {**AutoConfig.for_model(config["model_type"]).to_dict(), **config}
    except ValueError:  # building the network says it better
        return config
