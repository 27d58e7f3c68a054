"""Two networks over the same layers: what one learns below its head, the other has too."""

from __future__ import annotations

from typing import Any

from graft.backbones.groups import layer_groups


def share_layers(model: Any, source: Any) -> None:
    """Let `source` run the layers of `model` below its own head, in place: the modules themselves, not copies.

    Gradients and modes of the shared layers are those of `model`. A layer that it does not have stays the source's. A
    head that is tied to the embeddings, as a masked language model's is, is tied to the shared ones.
    """
    base = source.base_model
    prefix = path_of_base(source)
    for group in layer_groups(source)[:-1]:
        for path in group.prefixes:
            parent, _, name = path.removeprefix(prefix).rpartition(".")
            try:
                shared = getattr(model.base_model.get_submodule(parent), name)
            except AttributeError:
                continue
            setattr(base.get_submodule(parent), name, shared)
    source.tie_weights()


def path_of_base(model: Any) -> str:
    """Return what the names of the weights below a model's head begin with: a path and its point, or nothing."""
    base = model.base_model
    return "" if base is model else next(f"{path}." for path, module in model.named_modules() if module is base)
