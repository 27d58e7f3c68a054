"""Whisper: how it is asked, what it writes, and the log-mel frames that it reads (Radford et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graft.errors import CatalogError

if TYPE_CHECKING:
    import numpy as np
    import torch

SECONDS = 30.0
"""What every published Whisper hears at once (Radford et al. 2022, section 2.2)."""
STEP = 8  # tokens: the grid of the widths that texts are padded to
MANY = 51865  # entries of the vocabulary from which on a Whisper knows several languages


@dataclass(frozen=True)
class Dictated:
    """What was said in a clip, and who spells what a network wrote."""

    text: str
    tokenizer: Any
    heard: float
    """Seconds of the clip that the network hears."""
    lasting: float
    """Seconds of the clip."""

    @property
    def note(self) -> str:
        """What was done to the clip, if anything was."""
        return f"{self.heard:g} of {self.lasting:.1f} s were heard" if self.lasting > self.heard else ""

    def words(self, row: np.ndarray) -> str:
        """Return an answer, token ids filled up with NaN, as text with single spaces."""
        ids = [int(one) for one in row if one == one]
        return " ".join(
            self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).split()
        )


def set_language(model: Any, tokenizer: Any, language: str | None) -> None:
    """Let tokenizer and network agree on the tokens that a text begins with: language, task, and that no times follow.

    Language and task are those of the checkpoint's generation settings where the catalogue names none. What these
    forbid to write is allowed from here on: a transcript may hold a bracket, and may be empty. Raises CatalogError
    where the language is not told, or is one that the network does not know.
    """
    settings = model.generation_config
    many = getattr(settings, "is_multilingual", None)
    if many if many is not None else model.config.vocab_size >= MANY:
        asked = language or getattr(settings, "language", None) or tokenizer.language
        if asked is None:
            raise CatalogError(
                "pretraining.language: this Whisper knows several languages, and its checkpoint names none",
                advice="Write that of the transcripts: `pretraining: {language: en}`.",
            )
        settings.language, settings.task = asked, getattr(settings, "task", None) or "transcribe"
        try:
            tokenizer.set_prefix_tokens(settings.language, settings.task, predict_timestamps=False)
        except ValueError as error:
            raise CatalogError(f"pretraining.language: '{asked}' cannot be asked for", [str(error)]) from error
    elif language is not None:
        raise CatalogError(
            f"pretraining.language: '{language}' is asked for, and this Whisper knows one language",
            advice="Leave it out, or take a checkpoint whose name does not end in `.en`.",
        )
    settings.suppress_tokens = settings.begin_suppress_tokens = settings.forced_decoder_ids = None


def spell(texts: Sequence[str], tokenizer: Any) -> list[np.ndarray]:
    """Return the tokens of each text with those that it begins and ends with, as many as the network has places for.

    Words begin with a space, the first one too, as in what Whisper was trained on.
    """
    import numpy as np

    most, end = tokenizer.model_max_length, tokenizer.eos_token_id
    prompt = tokenizer.prefix_tokens
    known = tokenizer([f" {text}" if text else "" for text in texts], add_special_tokens=False) if texts else {}
    return [
        np.array([*prompt, *ids, end][: most + 1], dtype=np.int64)  # the last one is predicted and never read
        for ids in known.get("input_ids", [])
    ]


def choose_widths(labels: Sequence[np.ndarray], frames: int, most: int) -> np.ndarray:
    """Return the width of each row (rows,): the numbers of its frames, and tokens up to the next of a grid or `most`.

    A row is padded to it whatever the batch, and rows of one width go together.
    """
    import numpy as np

    return np.array([frames + min(-(-(len(ids) - 1) // STEP) * STEP, most) for ids in labels], dtype=np.int64)


def trim(frames: np.ndarray) -> np.ndarray:
    """Return log-mel frames (bins, frames) without the silence that a clip is filled up with, but for one frame of it.

    That silence is the same number in all of them (see `fill_up`), and clips are short beside the 30 seconds.
    """
    import numpy as np

    other = np.flatnonzero((frames != frames[:, -1:]).any(axis=0))
    last = int(other[-1]) + 2 if len(other) else 1
    return np.ascontiguousarray(frames[:, :last])


def fill_up(rows: Sequence[np.ndarray], frames: int) -> torch.Tensor:
    """Return the frames of some clips (rows, bins, frames), each filled up with the last one that `trim` kept."""
    import numpy as np
    import torch

    return torch.from_numpy(np.stack([np.pad(row, ((0, 0), (0, frames - row.shape[1])), mode="edge") for row in rows]))


def write_down(network: Any, heard: torch.Tensor, tokenizer: Any) -> torch.Tensor:
    """Return the likeliest token each time, (rows, tokens) filled up with NaN, after the prompt and before the end.

    By transformers' `generate`, given what left the encoder (rows, frames, numbers): Whisper's own way around it is
    for clips of more than 30 seconds. Every token above that of the end is one of language, task or time, and is never
    written. A text may be empty.
    """
    import torch
    from transformers import GenerationConfig
    from transformers.generation import GenerationMixin
    from transformers.modeling_outputs import BaseModelOutput

    prompt = torch.tensor(tokenizer.prefix_tokens, device=heard.device).repeat(len(heard), 1)
    end = tokenizer.eos_token_id
    config = GenerationConfig(
        max_new_tokens=tokenizer.model_max_length - prompt.shape[1],
        do_sample=False,
        num_beams=1,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=int(prompt[0, 0]),
        suppress_tokens=[*range(end + 1, network.config.vocab_size)],
    )
    with _asked_by(network, config):
        written = GenerationMixin.generate(
            network,
            encoder_outputs=BaseModelOutput(heard),
            decoder_input_ids=prompt,
            attention_mask=torch.ones(heard.shape[:2], dtype=torch.long, device=heard.device),
        )[:, prompt.shape[1] :]
    ended = (written == end).cumsum(dim=1) > 0
    answers: torch.Tensor = written.float().masked_fill(ended, float("nan"))
    return answers


@contextmanager
def _asked_by(network: Any, config: Any) -> Iterator[None]:
    """Let generation settings hold alone: what they leave open, transformers would take from the network's own."""
    own, network.generation_config = network.generation_config, config
    try:
        yield
    finally:
        network.generation_config = own
