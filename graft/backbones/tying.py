"""Tied weights: one matrix that is the embedding of tokens and what they are predicted with (Press and Wolf 2017)."""

from __future__ import annotations

from typing import Any

from graft.backbones.groups import layer_groups


def is_tied(model: Any) -> bool:
    """Say whether a network predicts tokens with the matrix that embeds them; then it belongs to its first group."""
    read = getattr(model, "get_output_embeddings", lambda: None)()
    return read is not None and read.weight is model.get_input_embeddings().weight


def describe_tie(model: Any) -> str | None:
    """Return what follows from tied weights for what trains; None where none are tied."""
    if not is_tied(model):
        return None
    *_, head = layer_groups(model)
    return (
        f"tokens are predicted with the matrix that embeds them, which trains with the stem; where the stem is frozen, "
        f"what trains of the head are the {head.parameters:,} weights of its own"
    )
