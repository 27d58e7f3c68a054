"""FCOS (Tian et al. 2019): at every point of a feature pyramid the classes, the distances to the sides of a box, and
how near the point is to the middle of it.

The backbone is any network that transformers or timm can cut into stages; the pyramid and the heads are torchvision's.
It is a network of transformers like any other: a folder of safetensors and a configuration, of which
`AutoModelForObjectDetection` builds it, and no code travels with it. To import this module makes the kind known to
transformers, which `graft.backbones` does wherever it loads.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
import transformers
from torch import nn
from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSRegressionHead
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool
from transformers import initialization as init
from transformers.backbone_utils import load_backbone

PRIOR = 0.01  # probability of a class at a point before anything is learned (Lin et al. 2017, section 3.3)
SPREAD = 0.01  # of the heads' first weights, as torchvision has it
GROUPS = 32  # of the normalisation in the heads, at the most


class FcosConfig(transformers.PretrainedConfig):  # type: ignore[misc]
    """The backbone's configuration, and the size of what is put on it."""

    model_type = "graft-fcos"
    sub_configs: ClassVar[dict[str, Any]] = {"backbone_config": transformers.AutoConfig}
    backbone_config: dict[str, Any] | transformers.PretrainedConfig | None = None
    """Of any network that can be cut into stages; none: a ResNet-50 with all of its stages."""
    pyramid_channels: int = 64
    head_layers: int = 2
    """Convolutions of each of the two heads below their last ones."""
    coarser_level: bool = True
    """Whether the pyramid has one level more than the backbone has stages, of half the resolution."""

    def __post_init__(self, **kwargs: Any) -> None:
        """Take the backbone's configuration as transformers has it, wherever it was read from."""
        given = self.backbone_config
        if not isinstance(given, transformers.PretrainedConfig):
            options = dict(given or {"model_type": "resnet", "out_features": [f"stage{i}" for i in range(1, 5)]})
            self.backbone_config = transformers.AutoConfig.for_model(options.pop("model_type"), **options)
        super().__post_init__(**kwargs)


@dataclass
class FcosOutput(transformers.utils.ModelOutput):  # type: ignore[misc]
    """What the network says at each point of every level, the finest level first."""

    logits: torch.Tensor | None = None
    """(rows, points, classes + 9): classes, distances, nearness to the middle (see `FCOSHead` of torchvision), and
    left, top, right and bottom of the point's cell in shares of the image."""


class Fcos(transformers.PreTrainedModel):  # type: ignore[misc]
    """A backbone below a feature pyramid and the two heads that all its levels share."""

    config_class = FcosConfig
    main_input_name = "pixel_values"

    def __init__(self, config: FcosConfig) -> None:
        super().__init__(config)
        width = config.pyramid_channels
        self.backbone = load_backbone(config)
        coarser = LastLevelMaxPool() if config.coarser_level else None
        self.pyramid = FeaturePyramidNetwork(list(self.backbone.channels), width, coarser)
        norm = partial(nn.GroupNorm, math.gcd(GROUPS, width))
        self.class_head = FCOSClassificationHead(width, 1, config.num_labels, config.head_layers, PRIOR, norm)
        self.box_head = FCOSRegressionHead(width, 1, config.head_layers, norm)
        self.post_init()

    def forward(self, pixel_values: torch.Tensor, **ignored: Any) -> FcosOutput:
        """Return what is said at each point of images (rows, channels, height, width); labels are not read."""
        maps = self.backbone.forward_with_filtered_kwargs(pixel_values).feature_maps
        levels = [*self.pyramid(OrderedDict((str(place), one) for place, one in enumerate(maps))).values()]
        said = [self.class_head(levels), *self.box_head(levels)]
        places = cells([tuple(level.shape[-2:]) for level in levels]).to(pixel_values.device)
        shared = places.expand(len(pixel_values), -1, -1)
        # in full precision whatever the layers compute in: 8 bits do not tell the cells of a large image apart
        return FcosOutput(logits=torch.cat([*(part.float() for part in said), shared], dim=2))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            if any(module is one for one in self.pyramid.modules()):  # nothing normalises there: torchvision's own
                init.kaiming_uniform_(module.weight, a=1)
            else:
                init.normal_(module.weight, std=SPREAD)
            last = module is self.class_head.cls_logits
            init.constant_(module.bias, -math.log((1 - PRIOR) / PRIOR) if last else 0.0)
        elif isinstance(module, nn.GroupNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)


def cells(shapes: Sequence[tuple[int, ...]]) -> torch.Tensor:
    """Return left, top, right and bottom (points, 4) of the cells of several grids (height, width) over one image."""
    made = []
    for height, width in shapes:
        down, across = (torch.arange(size + 1) / size for size in (height, width))
        left, top = (side.expand(height, width) for side in (across[:-1], down[:-1, None]))
        right, bottom = (side.expand(height, width) for side in (across[1:], down[1:, None]))
        made.append(torch.stack([left, top, right, bottom], dim=2).reshape(-1, 4))
    return torch.cat(made)


transformers.AutoConfig.register(FcosConfig.model_type, FcosConfig)
transformers.AutoModelForObjectDetection.register(FcosConfig, Fcos)
