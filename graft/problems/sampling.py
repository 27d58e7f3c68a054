"""Continuations: what a causal language model writes after a prompt, token by token."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graft.errors import BadInput

if TYPE_CHECKING:
    import torch

OPENING = 12  # words of a text that a prompt is made of at the most
FEWEST = 6  # words of a text below which there is nothing to go on with


@dataclass(frozen=True)
class Sampling:
    """How a continuation is drawn; raises BadInput naming everything that cannot be."""

    max_tokens: int = 60
    """Tokens to write at the most; the end of the text ends them earlier."""
    temperature: float = 0.8
    """What logits are divided by; 0 takes the likeliest token each time."""
    top_p: float = 0.95
    """Mass of the likeliest tokens that are drawn from (Holtzman et al. 2020, section 3.1, nucleus sampling)."""
    seed: int = 0
    """Seed of the draws: the same one writes the same, whatever else is asked."""

    def __post_init__(self) -> None:
        faults = [] if self.max_tokens >= 1 else [f"max tokens: {self.max_tokens}, expected 1 or more"]
        faults += [] if self.temperature >= 0 else [f"temperature: {self.temperature:g}, expected 0 or more"]
        faults += [] if 0 < self.top_p <= 1 else [f"top p: {self.top_p:g}, expected more than 0 and at most 1"]
        if faults:
            raise BadInput("no text can be drawn so", faults)


@dataclass(frozen=True)
class Written:
    """A continuation."""

    text: str
    tokens: int
    """How many tokens were written, the end of the text not counted."""
    note: str = ""
    """What was done to the prompt, if anything was."""


def continue_text(network: Any, tokenizer: Any, prompt: str, sampling: Sampling) -> Written:
    """Return what a causal language model writes after a prompt, which may be empty: then it begins a text.

    A prompt that leaves no room keeps its end. At least half of what the network reads at once is left to what stands
    before; where more is to be written than then fits, the beginning is forgotten on the way.
    """
    import torch

    most, end = tokenizer.model_max_length, tokenizer.eos_token_id
    given = [end, *tokenizer(prompt, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]]
    room = min(sampling.max_tokens, max(1, most // 2))
    known, written = given[-(most - room) :], list[int]()
    device = next(network.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(sampling.seed)
        while len(written) < sampling.max_tokens and end not in written:
            step = min(room, sampling.max_tokens - len(written))
            context = torch.tensor([[*known, *written][-(most - step) :]], device=device)
            written += _generate(network, tokenizer, context, step, sampling)
    kept = written[: written.index(end)] if end in written else written
    cut = len(given) - len(known)
    # the token that begins a text is not the user's: it is what is left out first
    note = f"cut: the last {len(known)} of {len(given) - 1} tokens of the prompt were read" if cut > 1 else ""
    return Written(tokenizer.decode(kept, skip_special_tokens=True), len(kept), note)


def _generate(network: Any, tokenizer: Any, context: torch.Tensor, count: int, sampling: Sampling) -> list[int]:
    """Return the tokens that transformers' `generate` writes after a context (1, tokens), its end among them."""
    import torch
    from transformers import GenerationConfig

    drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    config = GenerationConfig(
        max_new_tokens=count,
        num_beams=1,
        eos_token_id=end,
        pad_token_id=pad if pad is not None else end,
        suppress_tokens=[pad] if pad is not None and pad != end else None,  # it was never learned
        **(drawn if sampling.temperature else {"do_sample": False}),
    )
    found = network.eval().generate(
        input_ids=context, attention_mask=torch.ones_like(context), generation_config=config
    )
    tokens: list[int] = found[0, context.shape[1] :].tolist()
    return tokens


def choose_openings(texts: Sequence[str], count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield prompts with what really follows: the first words, half at the most, of texts that the seed draws.

    Of texts too short to be divided none is taken; there may be fewer than `count`.
    """
    import numpy as np

    for row in np.random.default_rng(seed).permutation(len(texts)).tolist():
        words = [match.end() for match in re.finditer(r"\S+", texts[row])]
        if len(words) < FEWEST:
            continue
        place = words[min(OPENING, len(words) // 2) - 1]
        yield texts[row][:place], texts[row][place:]
        count -= 1
        if not count:
            return
