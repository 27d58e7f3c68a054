"""What transformers' wrapper around timm's networks leaves to be put right: label names, arguments, random weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WRAPPED = "timm_wrapper"


def tidy(config: Any) -> Any:
    """Return a configuration without the second copies of what it says of its labels, in place.

    A configuration that was read from a file keeps the label names of the file and writes these again, whatever
    its labels are by then; and timm's newer files repeat the number of classes, which the wrapper then gives twice.
    """
    if config.model_type == WRAPPED:
        for name in ("label_names", "num_classes"):
            config.__dict__.pop(name, None)
        if config.model_args:
            config.model_args = {key: value for key, value in config.model_args.items() if key != "num_classes"}
    return config


@contextmanager
def own_weights(config: Any) -> Iterator[None]:
    """Let a network of timm keep the random weights that timm gives it, below the head.

    The wrapper draws all of them anew with a deviation of 0.02, however many inputs a layer has, where timm's own for
    VGG-11 is 0.06 in the first layer. VGG has nothing that normalises, so each layer then passes on less than it gets.
    """
    if (getattr(config, "network", None) or {}).get("model_type", config.model_type) != WRAPPED:  # or wrapped again
        yield
        return
    from transformers.models.timm_wrapper.modeling_timm_wrapper import TimmWrapperPreTrainedModel

    def draw_head(model: Any) -> None:
        head = model.timm_model.get_classifier() if hasattr(model.timm_model, "get_classifier") else None
        for module in head.modules() if head is not None else ():
            model._init_weights(module)
        model.tie_weights(recompute_mapping=False)

    TimmWrapperPreTrainedModel.init_weights = draw_head
    try:
        yield
    finally:
        del TimmWrapperPreTrainedModel.init_weights
