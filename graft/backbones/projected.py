"""Any image network under a small projection, which is what a contrastive loss looks at (Chen et al. 2020, section 2).

The layers keep the names that they have under any other head, and the configuration stays theirs: a checkpoint is one
of the plain network with a projection beside it, and every image problem can take the layers from it.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import transformers
from torch import nn
from transformers.utils import ModelOutput

from graft.backbones.boundaries import pool
from graft.backbones.wrapped import WRAPPED
from graft.problems.networks import PROJECTION_SIZE

SIZE = "projection_size"
"""The key of a configuration that says how many numbers a projection has; other heads do not know it."""


@dataclass
class Projected(ModelOutput):  # type: ignore[misc]
    """What a projection makes of images."""

    logits: torch.Tensor | None = None
    """(images, numbers), or (rows, views, numbers) where the images were views of rows."""


class Projecting(nn.Module):
    """What every network under a projection has; the rest of its class is the plain network's own."""

    config: Any
    base_model_prefix: str
    projection: nn.Sequential

    def forward(self, pixel_values: torch.Tensor) -> Projected:
        """Return projections of images (images, channels, height, width), or of views (rows, views, channels, ...)."""
        images = pixel_values.flatten(0, 1) if pixel_values.ndim == 5 else pixel_values
        logits: torch.Tensor = self.projection(self.represent(images))
        return Projected(logits.reshape(*pixel_values.shape[:2], -1) if pixel_values.ndim == 5 else logits)

    def represent(self, images: torch.Tensor) -> torch.Tensor:
        """Return one vector an image: what a classifier above the same layers reads, as far as that can be told."""
        network = getattr(self, self.base_model_prefix)
        if self.config.model_type == WRAPPED:
            found: torch.Tensor = network(images)  # timm's networks pool by themselves
            return found.flatten(1)
        output = network(images)
        if (pooled := getattr(output, "pooler_output", None)) is not None:
            return torch.as_tensor(pooled).flatten(1)
        if output.last_hidden_state.ndim == 3 and hasattr(getattr(network, "embeddings", None), "cls_token"):
            return torch.as_tensor(output.last_hidden_state[:, 0])
        return pool(output.last_hidden_state, None)

    def load_state_dict(self, state_dict: Any, *arguments: Any, **options: Any) -> Any:
        """Load weights by the names that they have here; timm's wrapper would take a projection for timm's."""
        return nn.Module.load_state_dict(self, state_dict, *arguments, **options)


class AutoModelForProjection:
    """What `AutoModelFor...` is for transformers' own heads."""

    @staticmethod
    def from_config(config: Any, **_: Any) -> Any:
        """Return a network of random weights."""
        return _kind(config.model_type)(config)

    @staticmethod
    def from_pretrained(folder: Any, config: Any, trust_remote_code: bool = False, **options: Any) -> Any:
        """Return what transformers reads from a folder."""
        return _kind(config.model_type).from_pretrained(folder, config=config, **options)


def without_projection(config: Any) -> Any:
    """Return a configuration that does not speak of a projection, in place."""
    config.__dict__.pop(SIZE, None)
    return config


@cache
def _kind(model_type: str) -> Any:
    """Return the class of a plain network under a projection; raises ValueError where it is not an image network."""
    bare = transformers.AutoModel._model_mapping[transformers.CONFIG_MAPPING[model_type]]
    if getattr(bare, "main_input_name", "") != "pixel_values":
        raise ValueError(f"{bare.__name__} reads no images")
    family = next(base for base in bare.__mro__[1:] if issubclass(base, transformers.PreTrainedModel))

    def begin(self: Any, config: Any) -> None:
        family.__init__(self, config)
        network = _bare(bare, config)
        setattr(self, self.base_model_prefix, network)
        width = _width(network, config)
        numbers = int(getattr(config, SIZE, PROJECTION_SIZE))
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, numbers))
        self.post_init()

    name = bare.__name__.removesuffix("Model")
    return type(f"{name}ForProjection", (Projecting, family), {"__init__": begin, "forward": Projecting.forward})


def _bare(bare: Any, config: Any) -> Any:
    """Return the layers as they are below any head: of timm's networks the network in its wrapper."""
    if config.model_type == WRAPPED:
        return bare(config).timm_model
    pools = "add_pooling_layer" in inspect.signature(bare.__init__).parameters
    # the pooling of BERT's kind, a dense layer that no classifier of images reads
    return bare(config, **({"add_pooling_layer": False} if pools else {}))


def _width(network: Any, config: Any) -> int:
    """Return how many numbers represent an image; raises ValueError where the configuration does not say."""
    if config.model_type == WRAPPED:
        return int(getattr(network, "head_hidden_size", None) or network.num_features)
    if sizes := getattr(config, "hidden_sizes", None):
        return int(sizes[-1])
    if size := getattr(config, "hidden_size", None):
        return int(size)
    raise ValueError(f"a {config.model_type} does not say how wide its last layer is: no hidden_size, no hidden_sizes")
