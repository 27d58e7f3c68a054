"""Speech to text: what is said in a clip, written token after token by a Whisper (Radford et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.errors import CatalogError, CheckpointError
from graft.problems.examples import Examples
from graft.problems.language_modelling import IGNORED, count_predicted, mean_nats
from graft.problems.problem import Batch
from graft.problems.transcription import Transcription
from graft.problems.waveforms import encode_clips
from graft.problems.whisper import SECONDS, Dictated, choose_widths, fill_up, set_language, spell, trim, write_down

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining


class SpeechToText(Transcription):
    """Clips in, tokens out, each given those before it.

    The checkpoint's tokenizer and head are kept: it can write anything already. It learns with the transcript before
    its eyes (teacher forcing), and is asked without.
    """

    name = "speech-to-text"
    auto_model = "AutoModelForSpeechSeq2Seq"
    keeps_head = True
    from_checkpoint = True
    generates = True

    def find_faults(self, table: pa.Table) -> Iterable[tuple[int, str]]:
        """Yield the clips that are longer than a Whisper hears; one that cannot be opened is found when it is read."""
        from graft.reading import measure_duration

        for row, cell in enumerate(table["audio"].to_pylist()):
            if (seconds := measure_duration(cell)) is not None and seconds > SECONDS:
                yield row, f"a clip of {seconds:.1f} s, and a Whisper hears {SECONDS:g}; cut it at a pause"

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Raise CatalogError: a Whisper that has heard nothing yet would need more than a team has."""
        raise CatalogError(
            f"backbone.config: {self.name} goes on from a checkpoint, which has a tokenizer of its own",
            advice="Write `backbone: {hub: openai/whisper-tiny}` or `backbone: {checkpoint: FOLDER}`.",
        )

    def fit(self, processor: Any, table: pa.Table, config: Mapping[str, Any]) -> Any:
        """Return the stored processor, which learns how many tokens the network has places for."""
        if (tokenizer := getattr(processor, "tokenizer", None)) is None:
            raise CheckpointError(
                "the checkpoint has no tokenizer, and what a Whisper writes are tokens",
                advice="Put the files of its tokenizer beside its config.json.",
            )
        tokenizer.model_max_length = int(config["max_target_positions"])
        return processor

    def agree(self, model: Any, processor: Any, recipe: Pretraining) -> None:
        """Settle the language: see `set_language`."""
        set_language(model, processor.tokenizer, recipe.language)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return log-mel frames (bins, frames) without the silence after them, and tokens from the first to the end.

        A clip that is longer than the network hears, which only a slower or a foreign one is, is cut there.
        """
        from graft.reading import measure_duration

        extractor, tokenizer = processor.feature_extractor, processor.tokenizer
        heard = encode_clips(table, extractor, whole=True, keep=trim)
        texts = table["transcript"].to_pylist() if "transcript" in table.column_names else [""] * len(heard)
        labels = spell(texts, tokenizer)
        widths = choose_widths(labels, extractor.feature_size * extractor.nb_max_frames, tokenizer.model_max_length)
        lasting = [measure_duration(cell) or 0.0 for cell in table["audio"].to_pylist()]
        truths = [
            Dictated(text, tokenizer, min(seconds, extractor.chunk_length), seconds)
            for text, seconds in zip(texts, lasting, strict=True)
        ]
        return Examples(heard.features, labels, widths, truths=truths)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `input_features` (rows, bins, frames), and `decoder_input_ids` and `labels`, (rows, tokens) each.

        The label is the next token. Those of the prompt are given, and not predicted.
        """
        import torch

        extractor, tokenizer = processor.feature_extractor, processor.tokenizer
        assert examples.labels is not None  # every clip has a prompt
        assert examples.widths is not None
        frames, given = extractor.nb_max_frames, len(tokenizer.prefix_tokens) - 1
        width = int(examples.widths[list(rows)].max()) - extractor.feature_size * frames
        read = torch.full((len(rows), width), tokenizer.eos_token_id)
        labels = torch.full((len(rows), width), IGNORED)
        for place, ids in enumerate(torch.from_numpy(examples.labels[row]) for row in rows):
            read[place, : len(ids) - 1] = ids[:-1]
            labels[place, given : len(ids) - 1] = ids[given + 1 :]
        features = fill_up([examples.features[row] for row in rows], frames)
        return {"input_features": features, "decoder_input_ids": read, "labels": labels}

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean cross-entropy of the transcripts' tokens and ends in nats."""
        return mean_nats(logits, labels, smoothing)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of tokens and ends of the transcripts."""
        return count_predicted(labels)

    def predict(self, answers: np.ndarray, examples: Examples) -> list[dict[str, Any]]:
        """Return the words of each clip, and how much of it was heard where that is not all."""
        said = super().predict(answers, examples)
        return [
            facts | ({"cut": one.note} if one.note else {})
            for facts, one in zip(said, examples.truths or (), strict=True)
        ]

    def generate(self, network: Any, output: Any, processor: Any) -> torch.Tensor:
        """Return what the network writes, (rows, tokens): see `write_down`."""
        return write_down(network, output.encoder_last_hidden_state, processor.tokenizer)
