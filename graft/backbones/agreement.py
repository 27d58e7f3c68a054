"""What a text network and its tokenizer must agree on: the padding token, its side, and the longest text."""

from __future__ import annotations

from typing import Any

from graft.errors import CheckpointError
from graft.problems.networks import count_positions


def agree(model: Any, tokenizer: Any, max_tokens: int | None = None) -> None:
    """Let a text network and its tokenizer agree, in place; `max_tokens` shortens what the tokenizer keeps of a text.

    Padding is the tokenizer's token, or its end of text where it has none of its own, as published GPT-2s; a network
    that classifies by the last token finds it by that. It comes on the right, where a decoder's positions begin with
    the text and no token sees it. Texts are cut where the network's positions end.
    Raises CheckpointError where the padding token, or `max_tokens`, is beyond what the network has.
    """
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is not None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    known = model.get_input_embeddings().weight.shape[0]
    if tokenizer.pad_token_id is not None:
        if tokenizer.pad_token_id >= known:
            raise CheckpointError(
                f"the tokenizer pads with token {tokenizer.pad_token_id}, and the network knows {known} tokens",
                advice="Set `pad_token` in the checkpoint's tokenizer_config.json to a token that the network knows.",
            )
        model.config.pad_token_id = tokenizer.pad_token_id
    fitting = count_positions(model.config.to_dict())
    if fitting is not None and max_tokens is not None and max_tokens > fitting:
        raise CheckpointError(
            f"max_tokens: {max_tokens} tokens do not fit into this '{model.config.model_type}', which has positions"
            f" for {fitting}",
            advice="Lower `pretraining.max_tokens`.",
        )
    most = min(tokenizer.model_max_length if max_tokens is None else max_tokens, fitting or tokenizer.model_max_length)
    tokenizer.model_max_length = most
