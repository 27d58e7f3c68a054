"""Networks of two stacks, an encoder and the decoder that reads what leaves it: one list of blocks through both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

TWO_STACKS = frozenset({"whisper"})
"""What transformers calls them. Others are cut along the larger stack (see `blocks`), with the other in the stem."""
LAYERS = "layers"


def find_stacks(model: Any, base: nn.Module, prefix: str) -> list[tuple[str, list[str]]] | None:
    """Return the groups' names and paths in the order in which they run; None for a network of one stack.

    The norm above the encoder's layers goes with the last of them, and the embeddings of the tokens go with the first
    layer of the decoder, not with the stem: they run after the encoder, so that nothing frozen runs after what trains.
    """
    config = getattr(model, "config", None)
    if getattr(config, "model_type", None) not in TWO_STACKS or not hasattr(base, "decoder"):
        return None
    path = f"{prefix}." if prefix else ""
    stem, encoder, norm = _cut(base.encoder, f"{path}encoder.")
    embeddings, decoder, last = _cut(base.decoder, f"{path}decoder.")
    blocks = [*encoder[:-1], [*encoder[-1], *norm], [*embeddings, *decoder[0]], *decoder[1:]]
    above = [name for name, _ in model.named_children() if name != prefix] if prefix else []
    return [
        ("stem", stem),
        *((f"block {number}", block) for number, block in enumerate(blocks, start=1)),
        ("head", [*last, *above]),
    ]


def _cut(stack: Any, path: str) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the paths of what a stack registers before its layers, of each layer, and of what comes after them."""
    names = [name for name, _ in stack.named_children()]
    at = names.index(LAYERS)
    layers = [[f"{path}{LAYERS}.{number}"] for number in range(len(getattr(stack, LAYERS)))]
    return [path + name for name in names[:at]], layers, [path + name for name in names[at + 1 :]]
