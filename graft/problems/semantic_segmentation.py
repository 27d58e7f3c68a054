"""Semantic segmentation: a class for every pixel of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples, Truths
from graft.problems.masks import pack, settle_masks, unpack
from graft.problems.overlays import coloured, draw_row, enlarge
from graft.problems.pixels import fit_processor, normalise, read_pixels, resize_mask
from graft.problems.problem import Batch, Modality, Problem, Said, Settled

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    import torch
    from PIL.Image import Image

    from graft.catalog import Pretraining
    from graft.problems.grades import Grades

SAME = 0.002  # share of pixels that another machine may answer otherwise: those where two classes are about as likely


class SemanticSegmentation(Problem):
    """Images in, masks of class indices out, learned and graded at the side that the network reads.

    Masks are resized as their images are, but by nearest neighbour, so that no index appears that was not there. An
    answer is the mask at that side, packed into few numbers (see `masks.pack`), and not counts of right and wrong
    pixels: models answer before anyone knows the truth, as those of the label curve do.
    """

    name = "semantic-segmentation"
    modality: Modality = "image"
    columns: tuple[str, ...] = ("image", "mask")
    truths: tuple[str, ...] = ("mask",)
    metric = "mean_iou"
    higher_is_better = True
    auto_model = "AutoModelForSemanticSegmentation"
    frames = True

    def around(self, channels: Sequence[int]) -> Mapping[str, Any]:
        """Return an UperNet (Xiao et al. 2018), no wider than the backbone's widest stage."""
        return {"model_type": "upernet", "hidden_size": min(512, max(channels)), "use_auxiliary_head": False}

    def settle(self, splits: Mapping[str, pa.Table], folder: Path, known: Sequence[str]) -> Settled:
        """Return the rows, the names of their classes, and what is wrong with any mask."""
        return settle_masks(splits, folder, known)

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return an image processor that resizes and normalises by the training pixels' mean and deviation."""
        return fit_processor(table, config.get("backbone_config") or config, recipe)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return resized uint8 pixels (channels, height, width), and masks (height, width) of the same side.

        The mask of an image that nothing is known of is void.
        """
        import numpy as np

        from graft.reading import VOID, mask_image, open_mask

        pixels = read_pixels(table, processor)
        if "mask" not in table.column_names:
            shape = (len(pixels), *np.shape(pixels)[2:]) if len(pixels) else (0, 0, 0)
            return Examples(pixels, np.full(shape, VOID, dtype=np.uint8))
        masks = [resize_mask(mask_image(open_mask(cell)), processor) for cell in table["mask"].to_pylist()]
        return Examples(pixels, np.stack(masks) if masks else np.zeros((0, 0, 0), np.uint8))

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `pixel_values` (rows, channels, height, width) and `labels` (rows, height, width)."""
        import numpy as np
        import torch

        masks = np.asarray(examples.labels)[list(rows)]
        return {
            "pixel_values": normalise(torch.from_numpy(examples.stack(rows)).float(), processor),
            "labels": torch.from_numpy(masks).long(),
        }

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean cross-entropy in nats of the pixels that are not void, at the masks' side."""
        from torch.nn.functional import cross_entropy

        from graft.reading import VOID

        total = cross_entropy(
            _enlarged(logits, labels), labels, ignore_index=VOID, label_smoothing=smoothing, reduction="sum"
        )
        return total / max(self.weigh(labels), 1)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of pixels that are not void."""
        from graft.reading import VOID

        return int((labels != VOID).sum())

    def answer(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return the likeliest class of each pixel, packed: see `masks.pack` for what that takes."""
        import torch

        if labels is None:
            raise ValueError("a network's output needs to know the side of its image")
        return torch.from_numpy(pack(_enlarged(logits, labels).argmax(dim=1).numpy(), logits.shape[1]))

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return for each row and class the pixels in both masks, of the pixels in either; void counts in none."""
        import numpy as np

        from graft.problems.grades import Grades

        tables = np.stack([_confusion(row, truth) for row, truth in _pairs(answers, truths)])
        both = np.diagonal(tables, axis1=1, axis2=2)
        return Grades.of(both[None], (tables.sum(axis=1) + tables.sum(axis=2) - both)[None])

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return mean IoU, Dice (which is F1 over pixels, the mean over classes) and the share of right pixels."""
        import numpy as np
        import torch
        from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

        from graft.reading import VOID

        pairs = [*_pairs(answers, truths)]
        said, true = (torch.from_numpy(np.stack(side)).long().flatten() for side in
                      ([unpack(row)[0] for row, _ in pairs], [truth for _, truth in pairs]))  # fmt: skip
        classes, options = int(answers[0, 0]), {"ignore_index": VOID, "validate_args": False}
        return {
            "mean_iou": self.grade(answers, truths).mean,
            "dice": float(multiclass_f1_score(said, true, classes, average="macro", **options)),
            "pixel_accuracy": float(multiclass_accuracy(said, true, classes, average="micro", **options)),
        }

    def same(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Say whether two masks differ in no more pixels than rounding explains."""
        if one.shape != other.shape or not (one[:3] == other[:3]).all():
            return False
        return bool((unpack(one)[0] != unpack(other)[0]).mean() <= SAME)

    def tell(self, answers: np.ndarray, truths: Truths) -> list[Said]:
        """Return the share of the image that each class but 0 takes, in truth and as answered."""
        true = [None] * len(answers) if truths is None else list(truths)
        masks = (unpack(row) for row in answers)
        return [
            Said("" if truth is None else _shares(truth, classes), _shares(mask, classes))
            for truth, (mask, classes) in zip(true, masks, strict=True)
        ]

    def predict(self, answers: np.ndarray, examples: Examples) -> list[dict[str, Any]]:
        """Return the share of the image that each class but 0 takes; the mask itself is a picture."""
        return [{"covered": _shares(*unpack(row), self.labels)} for row in answers]

    def pictures(self, row: Mapping[str, Any], answer: np.ndarray) -> Mapping[str, Image]:
        """Return the mask in the size of the image, as indices with a palette."""
        from graft.reading import open_image

        return {"mask": coloured(enlarge(unpack(answer)[0], open_image(row["image"]).size))}

    def draw(self, row: Mapping[str, Any], answer: np.ndarray) -> Image:
        """Return the image with the answered mask in colour, and the true one's outline where it is known."""
        return draw_row(row, unpack(answer)[0])


def _enlarged(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return logits (rows, classes, height, width) at the side of the labels, as transformers' own losses have it."""
    from torch.nn.functional import interpolate

    size = tuple(labels.shape[-2:])
    logits = logits.float()
    if tuple(logits.shape[-2:]) == size:
        return logits
    return interpolate(logits, size=size, mode="bilinear", align_corners=False)


def _pairs(answers: np.ndarray, truths: Truths) -> list[tuple[np.ndarray, np.ndarray]]:
    if truths is None:
        raise ValueError("without a mask an answer is neither right nor wrong")
    return [*zip(answers, truths, strict=True)]


def _confusion(answer: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return how many pixels of each true class (row) were answered as each class (column)."""
    import numpy as np

    from graft.reading import VOID

    mask, classes = unpack(answer)
    known = truth != VOID
    cells = truth[known].astype(np.int64) * classes + mask[known]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def _shares(mask: np.ndarray, classes: int, names: Sequence[str] = ()) -> str:
    """Return the shares in words; a class that the data do not name is called by its index."""
    import numpy as np

    given = names or [*map(str, range(classes))]
    called = [f"class {index}" if name == str(index) else name for index, name in enumerate(given)]
    shares = np.bincount(mask.ravel(), minlength=256)[1:classes] / max(mask.size, 1)
    found = [f"{called[index]} {share:.1%}" for index, share in enumerate(shares, 1) if share]
    return ", ".join(found) or f"nothing but {called[0]}"
