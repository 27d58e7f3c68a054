"""Two networks over the same layers: what one learns below its head, the other has too."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from graft.backbones.body import bare_body, find_bare_body, plain_name
from graft.backbones.framing import by_plain_name
from graft.backbones.groups import layer_groups

PARTS = ("named_buffers", "named_parameters", "named_modules")


def share_layers(model: Any, source: Any) -> None:
    """Let `source` run the layers of `model` below its own head, in place: the modules themselves, not copies.

    Of a module that the source calls otherwise, as a masked autoencoder its embeddings, what is inside it is shared.
    Gradients and modes of the shared layers are those of `model`. A layer that it does not have stays the source's. A
    head that is tied to the embeddings, as a masked language model's is, is tied to the shared ones.
    """
    base, prefix = find_bare_body(source)
    body = bare_body(model)
    shared = {plain_name(path): part for kind in PARTS for path, part in getattr(body, kind)()}
    for group in layer_groups(source)[:-1]:
        for path in group.prefixes:
            inner = path.removeprefix(prefix)
            parent, _, name = inner.rpartition(".")
            if plain_name(inner) in shared:
                _share(base.get_submodule(parent), name, shared[plain_name(inner)])
    source.tie_weights()


def _share(parent: nn.Module, name: str, shared: Any) -> None:
    """Put a module, parameter or buffer in the place of the parent's own, or what is inside it."""
    own = getattr(parent, name)
    if not isinstance(own, nn.Module) or _is_called_alike(own, shared):
        setattr(parent, name, shared)
        return
    inside = [*own._parameters, *own._buffers, *own._modules]
    for part in inside:
        if getattr(shared, part, None) is not None:
            _share(own, part, getattr(shared, part))


def _is_called_alike(one: nn.Module, other: nn.Module) -> bool:
    if type(one) is type(other):
        return True
    return [*inspect.signature(type(one).forward).parameters] == [*inspect.signature(type(other).forward).parameters]


def transplant(adapted: Any, source: Any) -> None:
    """Put the adapted layers under the source's own head, in place; a weight they do not have stays the source's.

    The head is the last layer group: a normalisation above the blocks is part of it, wherever the network keeps it.
    """
    weights, (base, prefix) = by_plain_name(bare_body(adapted).state_dict()), find_bare_body(source)
    head = layer_groups(source)[-1]
    own = base.state_dict()
    carried = {name: weights[plain_name(name)] for name in own if plain_name(name) in weights}
    base.load_state_dict(own | {name: one for name, one in carried.items() if not head.owns(prefix + name)})
