"""Speech recognition: what is said in a clip, in writing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples
from graft.problems.problem import Batch
from graft.problems.transcription import Transcription
from graft.problems.transcripts import (
    FACTS,
    NOTHING,
    ctc_nats,
    decode,
    fill,
    knows_all,
    make_tokenizer,
    strides_of,
    transcribed,
)
from graft.problems.waveforms import encode_clips, make_extractor, pad_clips

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining


class SpeechRecognition(Transcription):
    """Clips in, characters out, by connectionist temporal classification (Graves et al. 2006).

    As wav2vec 2.0 is fine-tuned (Baevski et al. 2020, section 3.3): a linear layer over the frames, and the likeliest
    character of each. Clips are never cut, since nobody knows which of their words would be left.
    """

    name = "speech-recognition"
    auto_model = "AutoModelForCTC"

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


def _completed(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration with the defaults of its kind of network; as it is where there is no such kind."""
    from transformers import AutoConfig

    try:
        return {**AutoConfig.for_model(config["model_type"]).to_dict(), **config}
    except ValueError:  # building the network says it better
        return config
