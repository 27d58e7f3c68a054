"""Transcripts: the alphabet of a target, characters as labels, and the words of what a network wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol
from unicodedata import normalize

from graft.problems.examples import Examples

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

BLANK, UNKNOWN, SPACE = "<pad>", "<unk>", "|"  # as the published tokenizers have them
NOTHING = -100  # fills the labels of a clip up to those of the longest transcript
FACTS = 2  # numbers of a clip's labels before its characters: its frames, and the id of the blank


class Spoken(Protocol):
    """What was said in a clip, whatever a network writes."""

    @property
    def text(self) -> str:
        """What was said; empty where nobody has told."""

    def words(self, row: np.ndarray) -> str:
        """Return an answer (numbers,), filled up with NaN, as text with single spaces."""


@dataclass(frozen=True)
class Transcript:
    """What was said in a clip, and what each id of the network's answer stands for."""

    text: str
    alphabet: Sequence[str]
    """By id; empty for what is never written."""

    def words(self, row: np.ndarray) -> str:
        """Return an answer (numbers,) as text."""
        written = "".join(self.alphabet[int(one)] for one in row if one == one)  # NaN is what rows are filled with
        return " ".join(written.split())


def read_transcripts(values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
    """Return texts in Unicode's composed form (NFC) with single spaces, and what is wrong with which row's."""
    import pyarrow as pa

    texts = ["" if value is None else " ".join(normalize("NFC", str(value)).split()) for value in values]
    faults = {row: "empty, expected what is said in the clip" for row, text in enumerate(texts) if not text}
    for row, text in enumerate(texts):
        if SPACE in text:
            faults[row] = f"{text[:80]!r} holds {SPACE!r}, which stands for the space between words"
    return pa.array(texts, pa.string()), faults


def make_tokenizer(texts: Sequence[str]) -> Any:
    """Return a tokenizer of the characters of some transcripts, numbered by their code."""
    from transformers import Wav2Vec2CTCTokenizer

    characters = sorted({character for text in texts for character in text} - {" "})
    vocabulary = {token: place for place, token in enumerate((BLANK, UNKNOWN, SPACE, *characters))}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.json"
        path.write_text(json.dumps(vocabulary), encoding="utf-8")
        return Wav2Vec2CTCTokenizer(str(path), bos_token=None, eos_token=None)


def knows_all(tokenizer: Any, texts: Sequence[str]) -> bool:
    """Say whether a tokenizer has every character of some transcripts."""
    return all(tokenizer.unk_token_id not in ids for ids in tokenizer([*texts])["input_ids"])


def alphabet_of(tokenizer: Any) -> tuple[str, ...]:
    """Return what each id stands for in a text; nothing for the blank and its like."""
    tokens = tokenizer.convert_ids_to_tokens([*range(len(tokenizer))])
    silent = {*tokenizer.all_special_tokens} - {tokenizer.word_delimiter_token}
    written = (" " if token == tokenizer.word_delimiter_token else token for token in tokens)
    lower = bool(getattr(tokenizer, "do_lower_case", False))  # it reads texts in capitals, and so writes them small
    return tuple("" if token in silent else token.lower() if lower else token for token in written)


def strides_of(config: Mapping[str, Any]) -> list[list[int]] | None:
    """Return kernel and stride of each convolution that a network reads the waveform with; None where it has none."""
    if not config.get("conv_kernel"):
        return None
    pairs = zip(config["conv_kernel"], config["conv_stride"], strict=False)  # building the network refuses others
    steps = [[int(kernel), int(stride)] for kernel, stride in pairs]
    adapters = int(config.get("num_adapter_layers", 0)) if config.get("add_adapter") else 0
    return steps + [[1, int(config.get("adapter_stride", 1))]] * adapters


def count_frames(samples: int, strides: Sequence[Sequence[int]] | None) -> int:
    """Return how many frames of the logits are of a clip; -1 where that is not known, and all of them are taken."""
    if strides is None:
        return -1
    for kernel, stride in strides:
        samples = (samples - kernel) // stride + 1
    return max(samples, 1)


def transcribed(heard: Examples, table: pa.Table, processor: Any) -> Examples:
    """Return clips with labels, each frames, blank and character ids (2 + characters,), and a `Transcript` for each."""
    import numpy as np

    tokenizer = processor.tokenizer
    texts = table["transcript"].to_pylist() if "transcript" in table.column_names else [""] * len(heard)
    strides, alphabet = getattr(processor.feature_extractor, "strides", None), alphabet_of(tokenizer)
    labels = [
        np.array([count_frames(len(clip), strides), tokenizer.pad_token_id, *ids], dtype=np.int64)
        for clip, ids in zip(heard.features, tokenizer(texts)["input_ids"] if texts else [], strict=True)
    ]
    truths = [Transcript(text, alphabet) for text in texts]
    return Examples(heard.features, labels, heard.widths, truths=truths)


def fill(labels: Sequence[np.ndarray]) -> torch.Tensor:
    """Return the labels of a batch as one tensor (rows, 2 + characters)."""
    import torch

    return torch.nn.utils.rnn.pad_sequence([*map(torch.from_numpy, labels)], batch_first=True, padding_value=NOTHING)


def ctc_nats(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the sum over clips of the nats of their transcripts (Graves et al. 2006, equation 8).

    `logits` (rows, frames, characters). A transcript that is longer than its clip has frames counts nothing.
    """
    import torch

    written = labels[:, FACTS:] != NOTHING
    blank = int(labels[0, 1])
    if not written.any():
        return logits.sum() * 0.0
    with torch.backends.cudnn.flags(enabled=False):  # cuDNN's needs the blank to be 0
        return torch.nn.functional.ctc_loss(
            logits.float().log_softmax(dim=2).transpose(0, 1), labels[:, FACTS:][written],
            frames_of(logits, labels), written.sum(dim=1), blank=blank, reduction="sum", zero_infinity=True,
        )  # fmt: skip


def frames_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return how many frames of each row are of its clip (rows,)."""
    frames = labels[:, 0]
    return frames.where(frames >= 0, logits.shape[1]).clamp(max=logits.shape[1])


def decode(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the likeliest id of every frame without repeats and blanks, (rows, characters), filled up with NaN."""
    import torch

    ids = logits.argmax(dim=2)
    heard = torch.arange(ids.shape[1], device=ids.device) < frames_of(logits, labels)[:, None]
    kept = heard & (ids != labels[:, 1:2])
    kept[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    rows = [one[keep].float() for one, keep in zip(ids, kept, strict=True)]
    rows.append(torch.full((1,), float("nan")))  # so that there is a column where nothing was written at all
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=float("nan"))[:-1]


def align(expected: str, answered: str) -> str:
    """Return the words that were expected with what became of those that were not answered, in brackets."""
    return " ".join(_aligned(expected.split(), answered.split()))


def _aligned(expected: Sequence[str], answered: Sequence[str]) -> Iterator[str]:
    from torchmetrics.functional.text.helper import _LevenshteinEditDistance

    heard, said = iter(expected), iter(answered)
    for edit in _LevenshteinEditDistance([*expected])([*answered])[1]:  # what makes the answer what was expected
        match edit.value:
            case "nothing":
                yield next(heard)
                next(said)
            case "substitute":
                yield f"[{next(heard)} → {next(said)}]"
            case "insert":
                yield f"[{next(heard)} → −]"
            case "delete":
                yield f"[+ {next(said)}]"
