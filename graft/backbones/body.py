"""The body of a network: the layers below its head, wherever it keeps them, under names that several kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graft.backbones.unfolding import unfolds

if TYPE_CHECKING:
    from torch import nn


def find_body(model: Any) -> tuple[nn.Module, str]:
    """Return the network without its head, and its path in the model."""
    base = getattr(model, "base_model", model)
    if base is not model:
        return base, next(path for path, module in model.named_modules() if module is base)
    # one that is put together of any backbone and a head has no base: the head of an UperNet holds lists, too
    return (model.backbone, "backbone") if hasattr(model, "backbone") else (model, "")


def bare_body(model: Any) -> nn.Module:
    """Return the body without what transformers and timm wrap around one of timm's that is cut into stages."""
    return find_bare_body(model)[0]


def find_bare_body(model: Any) -> tuple[nn.Module, str]:
    """Return `bare_body`, and what the names of its weights begin with in the model.

    Of a DETR it is the whole: what places the boxes lies beside the rest, and is carried over with it.
    """
    if unfolds(model):
        return model, ""
    body, path = find_body(model)
    inner = getattr(body, "_backbone", None)
    parts = [part for part in (path, "" if inner is None else "_backbone") if part]
    return (body if inner is None else inner), "".join(f"{part}." for part in parts)


def plain_name(name: str) -> str:
    """Return the name of a weight or module as it is the same in a network and in one that is cut into stages.

    timm flattens the names of those: `features.0.weight` becomes `features_0.weight`.
    """
    return name.replace(".", "_")
