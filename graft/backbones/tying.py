"""Tied weights: one matrix that is the embedding of tokens and what they are predicted with (Press and Wolf 2017)."""

from __future__ import annotations

from typing import Any

from graft.backbones.groups import layer_groups


def is_tied(model: Any) -> bool:
    """Say whether a network predicts tokens with the matrix that embeds them; then it is part of what embeds."""
    read = getattr(model, "get_output_embeddings", lambda: None)()
    return read is not None and read.weight is model.get_input_embeddings().weight


def describe_tie(model: Any) -> str | None:
    """Return what follows from tied weights for what trains; None where none are tied."""
    if not is_tied(model):
        return None
    *below, head = layer_groups(model)
    embeds = model.get_input_embeddings()
    path = next(path for path, module in model.named_modules() if module is embeds)
    owner = next(group.name for group in below if group.owns(path))
    place = f"the {owner}" if owner == "stem" else owner
    return (
        f"tokens are predicted with the matrix that embeds them, which trains with {place}; where {place} is frozen, "
        f"what trains of the head are the {head.parameters:,} weights of its own"
    )
