"""A network whose head reads every boundary: the layers of any classifier under one linear layer over all of them.

Each layer group below the head gives a vector a row (see `boundaries`); the head is linear over all these vectors, each
divided by its length (Evci et al. 2022, Head2Toe, section 3). The layers are those of a plain network, whose own
head is there but computes nothing. It is a network of transformers like any other: a folder of safetensors and a
configuration, `AutoModelFor...` builds it, and no code travels with it. Its configuration holds the plain network's.
To import this module makes the kind known to transformers, which `graft.backbones` does wherever it loads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch import nn
from torch.nn.functional import normalize
from transformers.modeling_outputs import SequenceClassifierOutput

from graft.backbones.boundaries import hear_boundaries, pool
from graft.backbones.build import construct, renew_head
from graft.backbones.groups import LayerGroup, layer_groups

if TYPE_CHECKING:
    from graft.problems import Problem

OWN = ("id2label", "label2id", "num_labels", "architectures", "dtype", "transformers_version")
"""Of a plain configuration: what the whole network says itself."""


class AllBoundariesConfig(transformers.PretrainedConfig):  # type: ignore[misc]
    """The plain network's configuration, and what leaves each of its groups."""

    model_type = "graft-all-boundaries"
    network: dict[str, Any] | None = None
    auto_model: str = ""
    """The transformers class that builds the plain network."""
    widths: dict[str, int] | None = None
    """Features of each layer group below the head, by its name; a group that gives none is not in it."""


class Boundaries(nn.Module):
    """The last of the frozen part: what leaves the groups, pooled, side by side. Its output is all that a cache keeps.

    It has no weights.
    """

    def forward(self, outputs: Sequence[torch.Tensor], mask: torch.Tensor | None) -> torch.Tensor:
        """Return the features (rows, sum of the groups' widths) in float32."""
        return torch.cat([pool(output, mask) for output in outputs], dim=1)


class Head(nn.Module):
    """A linear layer over selected features; those of each group have length 1 together, or 0 where all are 0."""

    selected: torch.Tensor
    """1 for each feature that is read, 0 for the others."""

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        self.widths = list(widths)
        self.linear = nn.Linear(sum(widths), classes)
        self.register_buffer("selected", torch.ones(sum(widths)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return logits (rows, classes) of features (rows, sum of the widths)."""
        parts = torch.split(features * self.selected, self.widths, dim=1)
        logits: torch.Tensor = self.linear(torch.cat([normalize(part, dim=1) for part in parts], dim=1))
        return logits

    @torch.no_grad()
    def shrink(self, strength: float) -> None:
        """Add to the gradient that of `strength` times the sum over the features of their weights' l2 norm.

        The group lasso of section 3.2, equation 2; a feature whose weights are all 0 is left alone.
        """
        weight = self.linear.weight
        assert weight.grad is not None
        weight.grad.add_(normalize(weight, dim=0), alpha=strength)

    @torch.no_grad()
    def select(self, share: float, seed: int, spread: float = 0.02) -> None:
        """Keep that share of the features, at least one, and begin anew with weights that the seed draws.

        Kept are those whose weights have the largest l2 norms (section 3.2); of equal ones the first.
        """
        norms = torch.linalg.vector_norm(self.linear.weight, dim=0)
        kept = torch.argsort(norms, descending=True, stable=True)[: max(1, round(share * len(norms)))]
        self.selected.zero_()
        self.selected[kept] = 1.0
        drawn = torch.randn(self.linear.weight.shape, generator=torch.Generator().manual_seed(seed))
        self.linear.weight.copy_(spread * drawn.to(self.selected) * self.selected)
        self.linear.bias.zero_()


class AllBoundaries(transformers.PreTrainedModel):  # type: ignore[misc]
    """The layers of a plain network under a head that reads every boundary."""

    config_class = AllBoundariesConfig

    def __init__(self, config: AllBoundariesConfig) -> None:
        super().__init__(config)
        plain, widths = dict(config.network or {}), config.widths or {}
        auto = getattr(transformers, config.auto_model)
        self.network = auto.from_config(transformers.AutoConfig.for_model(plain.pop("model_type"), **plain))
        *self._below, own_head = layer_groups(self.network)
        self._idle = own_head.prefixes
        self.widths = {group.name: widths[group.name] for group in self._below if group.name in widths}
        _silence(self.network, own_head)
        self.boundaries = Boundaries()
        self.head = Head(list(self.widths.values()), config.num_labels)
        self.post_init()

    @property
    def base_model(self) -> nn.Module:
        """The plain network's layers, which a source's head can be put on (see `transplant`)."""
        base: nn.Module = self.network.base_model
        return base

    def forward(self, **inputs: Any) -> SequenceClassifierOutput:
        """Return the logits (rows, classes) of what the plain network takes; labels are not read."""
        inputs.pop("labels", None)
        with hear_boundaries(self.network, self._below) as heard:
            self.network(**inputs)
        features = self.boundaries([heard[name] for name in self.widths], inputs.get("attention_mask"))
        return SequenceClassifierOutput(logits=self.head(features))

    def own_layer_groups(self) -> tuple[LayerGroup, ...]:
        """Return the plain network's groups under this head; what is left of its own head goes with the last block."""
        groups = [_inside("network", group) for group in self._below]
        idle = tuple(f"network.{path}" for path in self._idle)
        groups[-1] = replace(groups[-1], prefixes=(*groups[-1].prefixes, *idle, "boundaries"))
        weights = {f"head.{name}": weight.numel() for name, weight in self.head.named_parameters()}
        return (*groups, LayerGroup("head", ("head",), sum(weights.values()), tuple(weights)))


def widen(
    model: Any, problem: Problem, labels: tuple[str, ...], seed: int, inputs: Mapping[str, torch.Tensor]
) -> AllBoundaries:
    """Return a network with the layers of `model` and a random head that reads all of their boundaries.

    `inputs` are some rows as the problem collates them, without labels: they tell how wide each boundary is.
    """
    if isinstance(model, AllBoundaries):
        same: AllBoundaries = renew_head(model, problem, labels, seed)
        return same
    below = layer_groups(model)[:-1]
    was_training = model.training
    with torch.no_grad(), hear_boundaries(model.eval(), below) as heard:
        model(**inputs)
    model.train(was_training)
    mask = inputs.get("attention_mask")
    widths = {group.name: pool(heard[group.name], mask).shape[1] for group in below if group.name in heard}
    plain = {name: value for name, value in model.config.to_diff_dict().items() if name not in OWN}
    config = AllBoundariesConfig(network=plain, auto_model=problem.auto_model, widths=widths)
    wide: AllBoundaries = construct(problem, config, labels, seed)
    known = {f"network.{name}": value for name, value in model.state_dict().items()}
    wide.load_state_dict({name: known.get(name, value) for name, value in wide.state_dict().items()})
    return wide


def _silence(network: nn.Module, head: LayerGroup) -> None:
    """Take the weights out of a head, in place: what has some passes on what it is given."""
    paths = [
        path
        for path, module in network.named_modules()
        if head.owns(path) and next(module.parameters(recurse=False), None) is not None
    ]
    for path in paths:
        parent, _, name = path.rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())


def _inside(parent: str, group: LayerGroup) -> LayerGroup:
    prefixes, weights = (tuple(f"{parent}.{path}" for path in paths) for paths in (group.prefixes, group.weights))
    return replace(group, prefixes=prefixes, weights=weights)


READABLE = ("AutoModelForImageClassification", "AutoModelForSequenceClassification")
"""The classes of transformers for which such a network is known."""
transformers.AutoConfig.register(AllBoundariesConfig.model_type, AllBoundariesConfig)
for kind in READABLE:
    getattr(transformers, kind).register(AllBoundariesConfig, AllBoundaries)
