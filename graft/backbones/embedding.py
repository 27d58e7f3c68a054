"""A network that gives embeddings: any image classifier of transformers, whose last layer gives the embedding instead.

What a classifier does between its blocks and its classes (which token or pool it reads, what normalises it) is what its
checkpoint was trained with, so its head is kept as it is but for the size of what leaves it. Below that lie the learned
directions of the training identities, which nothing but the loss reads. It is a network of transformers like any
other: a folder of safetensors and a configuration, and no code travels with it. To import this module makes the kind
known to transformers, which `graft.backbones` does wherever it loads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers
from torch import nn
from torch.nn.functional import linear, normalize
from transformers.utils import ModelOutput

from graft.backbones.groups import LayerGroup, layer_groups
from graft.backbones.wrapped import tidy
from graft.problems.face_verification import WIDTH

INNER = "AutoModelForImageClassification"
OWN = ("id2label", "label2id", "num_labels", "architectures", "dtype", "transformers_version")
"""Of a classifier's configuration: what the whole network says itself."""


class EmbedderConfig(transformers.PretrainedConfig):  # type: ignore[misc]
    """The classifier's configuration, and the size of the embedding; its labels are the training identities."""

    model_type = "graft-embedder"
    network: dict[str, Any] | None = None
    width: int = WIDTH


@dataclass
class Embedded(ModelOutput):  # type: ignore[misc]
    """What the network returns."""

    logits: torch.Tensor | None = None
    """Cosines to the direction of each training identity (rows, identities)."""
    embeddings: torch.Tensor | None = None
    """Of length 1 (rows, numbers)."""


class Identities(nn.Module):
    """A direction for each training identity, the class weights of ArcFace (Deng et al. 2019, section 2.2)."""

    def __init__(self, identities: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(identities, width) / width**0.5)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return the cosines (rows, identities) of embeddings of length 1."""
        return linear(embeddings, normalize(self.weight, dim=1))


class Embedder(transformers.PreTrainedModel):  # type: ignore[misc]
    """A classifier's network whose last layer gives an embedding, and the directions of the training identities."""

    config_class = EmbedderConfig

    def __init__(self, config: EmbedderConfig, network: Any = None) -> None:
        super().__init__(config)
        if network is None:
            network = getattr(transformers, INNER).from_config(_inner(config))
        self.network = network
        self.identities = Identities(config.num_labels, config.width)
        self.post_init()

    def init_weights(self) -> None:
        """Leave every weight as it is: the network and the directions were drawn when they were made."""

    def _init_weights(self, module: nn.Module) -> None:
        """Draw the directions anew, where a checkpoint has those of other identities."""
        if isinstance(module, Identities):
            nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)

    @property
    def base_model(self) -> nn.Module:
        """The classifier's layers, which a source's head can be put on (see `transplant`)."""
        base: nn.Module = self.network.base_model
        return base

    def forward(self, **inputs: Any) -> Embedded:
        """Return embeddings and cosines of what the classifier takes; labels are not read."""
        inputs.pop("labels", None)
        embeddings = normalize(self.network(**inputs).logits.float(), dim=1)
        return Embedded(logits=self.identities(embeddings), embeddings=embeddings)

    def own_layer_groups(self) -> tuple[LayerGroup, ...]:
        """Return the classifier's groups; the directions belong to its head."""
        *below, head = (_inside("network", group) for group in layer_groups(self.network))
        own = {f"identities.{name}": weight.numel() for name, weight in self.identities.named_parameters()}
        head = replace(
            head,
            prefixes=(*head.prefixes, "identities"),
            parameters=head.parameters + sum(own.values()),
            weights=(*head.weights, *own),
        )
        return (*below, head)


class AutoModelForImageEmbedding:
    """Builds and loads such networks, as an `AutoModel` of transformers does: from its own kind or any classifier's."""

    @classmethod
    def from_config(cls, config: Any, **options: Any) -> Embedder:
        """Return a network of random weights."""
        return Embedder(wrap(config))

    @classmethod
    def from_pretrained(cls, folder: Any, config: Any, **options: Any) -> tuple[Embedder, dict[str, Any]]:
        """Return the network of a folder, and what transformers says of its weights, by the names they have here.

        Of a classifier's folder the directions are missing.
        """
        if isinstance(config, EmbedderConfig):
            options.pop("trust_remote_code", None)
            model, report = Embedder.from_pretrained(folder, config=config, **options)
            return model, report
        whole = wrap(config)
        options["ignore_mismatched_sizes"] = True  # the last layer has another size; whoever keeps a head is told
        network, report = getattr(transformers, INNER).from_pretrained(folder, config=_inner(whole), **options)
        missing = {f"network.{name}" for name in report["missing_keys"]} | {"identities.weight"}
        odd = {(f"network.{name}", *shapes) for name, *shapes in report["mismatched_keys"]}
        return Embedder(whole, network), {**report, "missing_keys": missing, "mismatched_keys": odd}


def wrap(config: Any) -> EmbedderConfig:
    """Return the configuration of an embedding network around a classifier's; its own kind as it is."""
    if isinstance(config, EmbedderConfig):
        return config
    plain = {name: value for name, value in tidy(config).to_diff_dict().items() if name not in OWN}
    plain["model_type"] = config.model_type
    return EmbedderConfig(network=plain, id2label=config.id2label, label2id=config.label2id)


def _inner(config: EmbedderConfig) -> Any:
    """Return the configuration of the classifier, whose classes are the numbers of an embedding."""
    plain = dict(config.network or {})
    return tidy(transformers.AutoConfig.for_model(plain.pop("model_type"), **plain, num_labels=config.width))


def _inside(parent: str, group: LayerGroup) -> LayerGroup:
    prefixes, weights = (tuple(f"{parent}.{path}" for path in paths) for paths in (group.prefixes, group.weights))
    return replace(group, prefixes=prefixes, weights=weights)


transformers.AutoConfig.register(EmbedderConfig.model_type, EmbedderConfig)
