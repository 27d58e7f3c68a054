"""What detectors return, as one tensor; their losses; and the detections that are read from it.

Two families: FCOS says something at every point of a pyramid (`graft.backbones.fcos`), the DETRs give a set of guesses
of which each box is matched with one (Carion et al. 2020). Matching and losses are those of torchvision and of
transformers. Boxes are in shares of the image's width and height throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

KINDS: Mapping[str, str | None] = {
    "fcos": None,
    "conditional_detr": "ConditionalDetrForObjectDetection",
    "dab_detr": "DabDetrForObjectDetection",
    "deformable_detr": "DeformableDetrForObjectDetection",
    "detr": "ForObjectDetection",
    "table_transformer": "ForObjectDetection",
    "yolos": "ForObjectDetection",
}
"""The modules whose networks are known, and which loss of transformers is theirs."""
ONE_OF = "ForObjectDetection"
"""The loss of those that choose between classes and no object; the others say of each class whether it is there."""
CENTRES = 1.5  # sizes of a cell that a point may be away from the middle of its box (Tian et al. 2022, section 3.1)
OVERLAP = 0.6  # intersection over union above which the weaker of two detections of a class is dropped, as torchvision
CANDIDATES, KEPT = 1000, 100  # before and after that, of an image
LEAST = 0.05  # score of a detection that is kept, as in the paper's own code
FINEST = 8  # pixels of a cell of the finest level, in the loss
DISTANCES, MIDDLE, CELL = slice(-9, -5), slice(-5, -4), slice(-4, None)
"""Of the numbers of a point, after its classes."""


def pack(output: Any) -> torch.Tensor:
    """Return float32 (rows, 1 + points or guesses, numbers): first a line that holds the place in `KINDS`.

    Of a guess the classes (and no object, where it is one of them), then the box: middle, width and height.
    Raises ValueError for the output of another network.
    """
    import torch

    kind = _kind(output)
    logits = output.logits.float()
    said = logits if kind == "fcos" else torch.cat([logits, output.pred_boxes.float()], dim=2)
    first = said.new_zeros(len(said), 1, said.shape[2])
    first[:, :, 0] = list(KINDS).index(kind)
    return torch.cat([first, said], dim=1)


def _kind(output: Any) -> str:
    """Return the module that an output is of: transformers.models.KIND.modeling_KIND, or Graft's own."""
    place = type(output).__module__.split(".")
    kind = place[-2] if place[-1].startswith("modeling_") else place[-1]
    if kind not in KINDS:
        raise ValueError(f"{type(output).__name__}: no detector that is known here; expected {', '.join(KINDS)}")
    return kind


def loss_of(packed: torch.Tensor, classes: list[torch.Tensor], boxes: list[torch.Tensor]) -> torch.Tensor:
    """Return the loss of a batch: of each row the classes (boxes,) and left, top, right and bottom (boxes, 4).

    Of FCOS the sum of focal loss, generalised intersection over union and nearness to the middle; of a DETR that of
    classes, distance and generalised intersection over union with the weights of its published configuration, of its
    last layer alone.
    """
    kind, said = list(KINDS)[int(packed[0, 0, 0])], packed[:, 1:]
    if kind == "fcos":
        return _loss_of_points(said, classes, boxes)
    return _loss_of_guesses(kind, said, classes, boxes)


def _loss_of_points(said: torch.Tensor, classes: list[torch.Tensor], boxes: list[torch.Tensor]) -> torch.Tensor:
    from torchvision.models.detection._utils import BoxLinearCoder
    from torchvision.models.detection.fcos import FCOS, FCOSHead

    cells = said[0, :, CELL]
    head = SimpleNamespace(box_coder=BoxLinearCoder(normalize_by_size=True))
    head.compute_loss = partial(FCOSHead.compute_loss, head)
    own = SimpleNamespace(center_sampling_radius=CENTRES, head=head)  # all of a FCOS that its loss reads
    # the loss is the same at any scale, but for which of two boxes is the smaller: that is found in numbers about 1
    pixels = (FINEST / (cells[0, 2:] - cells[0, :2])).repeat(2)
    outputs = {
        "cls_logits": said[:, :, : DISTANCES.start],
        "bbox_regression": said[:, :, DISTANCES],
        "bbox_ctrness": said[:, :, MIDDLE],
    }
    targets = [{"labels": one, "boxes": places * pixels} for one, places in zip(classes, boxes, strict=True)]
    parts = FCOS.compute_loss(own, targets, outputs, [cells * pixels] * len(said), _count_levels(cells))
    total: torch.Tensor = sum(parts.values(), start=said.new_zeros(()))
    return total


def _count_levels(cells: torch.Tensor) -> list[int]:
    """Return how many cells each level has; neighbours of one width are of one."""
    import torch

    across = (1 / (cells[:, 2] - cells[:, 0])).round()
    return [int(count) for count in torch.unique_consecutive(across, return_counts=True)[1]]


def _loss_of_guesses(
    kind: str, said: torch.Tensor, classes: list[torch.Tensor], boxes: list[torch.Tensor]
) -> torch.Tensor:
    from torchvision.ops import box_convert
    from transformers.loss.loss_utils import LOSS_MAPPING

    logits, guesses = said[:, :, :-4], said[:, :, -4:]
    count = logits.shape[2] - (KINDS[kind] == ONE_OF)
    targets = [
        {"class_labels": one, "boxes": box_convert(places, "xyxy", "cxcywh")}
        for one, places in zip(classes, boxes, strict=True)
    ]
    loss: torch.Tensor = LOSS_MAPPING[KINDS[kind]](logits, targets, said.device, guesses, _published(kind, count))[0]
    return loss


@lru_cache
def _published(kind: str, classes: int) -> Any:
    """Return the configuration that transformers has for a kind, which says how its losses are weighed."""
    from transformers import CONFIG_MAPPING

    name = next(name for name in CONFIG_MAPPING if name.replace("-", "_") == kind)
    return CONFIG_MAPPING[name](num_labels=classes, auxiliary_loss=False)


def detect(packed: torch.Tensor) -> list[torch.Tensor]:
    """Return the best detections of each row, (detections, 6), best first: class, score, left, top, right, bottom.

    At most `KEPT` of an image, none below a score of `LEAST`; of FCOS after non-maximum suppression within each class.
    """
    kind = list(KINDS)[int(packed[0, 0, 0])]
    if kind == "fcos":
        return [_of_points(one) for one in packed[:, 1:]]
    return [_of_guesses(one, KINDS[kind] == ONE_OF) for one in packed[:, 1:]]


def _of_points(said: torch.Tensor) -> torch.Tensor:
    import torch
    from torchvision.models.detection._utils import BoxLinearCoder
    from torchvision.ops import batched_nms

    certain = (said[:, : DISTANCES.start].sigmoid() * said[:, MIDDLE].sigmoid()).sqrt()
    scores, points, classes = _best(certain, CANDIDATES)
    boxes = BoxLinearCoder(normalize_by_size=True).decode(said[points, DISTANCES], said[points, CELL]).clamp(0, 1)
    kept = batched_nms(boxes, scores, classes, OVERLAP)[:KEPT]
    return torch.cat([classes[kept, None].float(), scores[kept, None], boxes[kept]], dim=1)


def _of_guesses(said: torch.Tensor, one_of: bool) -> torch.Tensor:
    import torch
    from torchvision.ops import box_convert

    logits = said[:, :-4]
    if one_of:  # the published reading: the likeliest class of each guess, and how likely it is
        best, its = logits.softmax(dim=1)[:, :-1].max(dim=1)
        certain = torch.zeros_like(logits[:, :-1]).scatter(1, its[:, None], best[:, None])
    else:
        certain = logits.sigmoid()
    scores, guesses, classes = _best(certain, KEPT)
    boxes = box_convert(said[guesses, -4:], "cxcywh", "xyxy").clamp(0, 1)
    return torch.cat([classes[:, None].float(), scores[:, None], boxes], dim=1)


def _best(certain: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return scores, places and classes of the largest of (places, classes) that are not too small, best first."""
    scores, order = certain.flatten().sort(descending=True, stable=True)
    kept = order[:most][scores[:most] >= LEAST]
    return certain.flatten()[kept], kept // certain.shape[1], kept % certain.shape[1]
