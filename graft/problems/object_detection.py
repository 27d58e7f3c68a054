"""Object detection: the objects of an image, each a class and a box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems import average_precision
from graft.problems.boxes import convert_objects, settle_boxes
from graft.problems.examples import Examples, Truths
from graft.problems.pixels import fit_processor, image_size, normalise, read_pixels, square
from graft.problems.problem import Batch, Modality, Problem, Said, Settled

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    import torch
    from PIL.Image import Image

    from graft.catalog import Pretraining
    from graft.problems.grades import Grades

SHOWN = 0.4
"""Score from which on a detection is told and drawn; the metric counts the weaker ones too."""
WIDEST = 256  # channels of the pyramid that is put on a backbone, as published
NOTHING, SIZE = -1.0, -2.0
"""In place of a class, in a row's lines: one that holds no box, and one that holds the image's width and height."""
SLACK = 0.02  # of score, and of intersection over union, in which another machine may answer otherwise
SURE = 0.1  # score below which detections come and go between machines


class ObjectDetection(Problem):
    """Images in, classes and boxes out, with a score for each.

    Images are brought to a square of the processor's side; boxes are in shares of their width and height, so that they
    fit the image at any side. An answer is the best detections of an image, one after the other.
    """

    name = "object-detection"
    modality: Modality = "image"
    columns: tuple[str, ...] = ("image", "objects")
    truths: tuple[str, ...] = ("objects",)
    metric = "map"
    higher_is_better = True
    auto_model = "AutoModelForObjectDetection"
    frames = True
    separable = False  # a term is the mean over boxes, another over cells, a third over weighted classes

    def around(self, channels: Sequence[int]) -> Mapping[str, Any]:
        """Return an FCOS (Tian et al. 2019), no wider than the backbone's widest stage."""
        return {"model_type": "graft-fcos", "pyramid_channels": min(WIDEST, max(channels))}

    def convert(self, name: str, values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
        """Return the objects in canonical form, and what is wrong with them."""
        return convert_objects(values)

    def settle(self, splits: Mapping[str, pa.Table], folder: Path, known: Sequence[str]) -> Settled:
        """Return the rows with classes as indices, their names, and what is wrong with any box."""
        return settle_boxes(splits, known)

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return an image processor that resizes and normalises by the training pixels' mean and deviation."""
        return fit_processor(table, config.get("backbone_config") or config, recipe)

    def fit(self, processor: Any, table: pa.Table, config: Mapping[str, Any]) -> Any:
        """Return the processor with nothing cropped or padded: images are brought to a square, so that boxes fit.

        Where it is kept as it was stored, as by a source that is not trained, `encode` makes the same of it.
        """
        return square(processor)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return resized uint8 pixels, and for each row lines of six numbers (rows, 1 + boxes, 6).

        The first is `SIZE`, width and height of the image as it was. The others are class, left, top, right, bottom and
        whether the box counts (see `average_precision.COUNTED`), or `NOTHING`. Where nothing is known there is no box.
        """
        import numpy as np

        known = "objects" in table.column_names
        rows = table.select(["image", "objects"] if known else ["image"]).to_pylist()
        most = max((len(row["objects"]) for row in rows), default=0) if known else 0
        lines = np.full((len(rows), 1 + most, 6), NOTHING, dtype=np.float32)
        for row, place in zip(rows, lines, strict=True):
            width, height = image_size(row["image"]) or (0, 0)
            place[0] = SIZE, width, height, 0, 0, 0
            for line, one in zip(place[1:], row.get("objects", []), strict=False):
                line[:] = _line(one, width, height)
        return Examples(read_pixels(table, square(processor)), lines)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `pixel_values` (rows, channels, height, width) and `labels` (rows, 1 + boxes, 6): see `encode`."""
        import numpy as np
        import torch

        return {
            "pixel_values": normalise(torch.from_numpy(examples.stack(rows)).float(), square(processor)),
            "labels": torch.from_numpy(np.asarray(examples.labels)[list(rows)]),
        }

    def read(self, output: Any) -> torch.Tensor:
        """Return all that a detector says, as one tensor: see `detectors.pack`."""
        from graft.problems.detectors import pack

        return pack(output)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the detector's own loss over boxes that count, see `detectors.loss_of`; no label is smoothed."""
        from graft.problems.detectors import loss_of

        counted = [row[_counts(row)] for row in labels]
        return loss_of(logits, [row[:, 0].long() for row in counted], [row[:, 1:5] for row in counted])

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of boxes that count."""
        return int(_counts(labels).sum())

    def answer(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return the best detections of each row (rows, 6 x detections): class, score, left, top, right, bottom."""
        import torch
        from torch.nn.functional import pad

        from graft.problems.detectors import detect

        found = [one.flatten() for one in detect(logits)]
        most = max(6, *map(len, found))
        return torch.stack([pad(one, (0, most - len(one)), value=float("nan")) for one in found])

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return what mean average precision is made of; see `average_precision`."""
        return average_precision.grade(_shown(answers, truths))

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return mean average precision as COCO has it, that at an overlap of 0.5, and that of each class by name."""
        import numpy as np

        shown = _shown(answers, truths)
        once = np.ones((1, len(shown)))
        found = {
            "map": float(average_precision.average_precision(shown, once)[0]),
            "map_50": float(average_precision.at(0.5)(shown, once)[0]),
        }
        each = {kind: float(value[0]) for kind, value, _ in average_precision.by_class(shown, once)}
        return found | {f"ap_{name}": each[kind] for kind, name in enumerate(self.labels) if kind in each}

    def same(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Say whether each surer detection of either is in the other too, but for what rounding explains."""
        import numpy as np

        sides = [unpack(one), unpack(other)]
        for mine, theirs in (sides, sides[::-1]):
            for line in mine[mine[:, 1] >= SURE]:
                near = (theirs[:, 0] == line[0]) & (np.abs(theirs[:, 1] - line[1]) <= SLACK)
                shares = average_precision.overlap(line[None, 2:], theirs[near, 2:], np.zeros(near.sum(), dtype=bool))
                if shares.max(initial=0.0) < 1 - SLACK:
                    return False
        return True

    def tell(self, answers: np.ndarray, truths: Truths) -> list[Said]:
        """Return how many objects of each class there are, in truth and among the detections that are told."""
        true = [None] * len(answers) if truths is None else list(truths)
        return [
            Said("" if truth is None else self._counted(truth[_counts(truth), 0]), self._counted(_sure(answer)[:, 0]))
            for answer, truth in zip(answers, true, strict=True)
        ]

    def predict(self, answers: np.ndarray, examples: Examples) -> list[dict[str, Any]]:
        """Return the detections that are told: label, score, and the box in pixels of the image as it was given."""
        import numpy as np

        sizes = np.asarray(examples.labels)[:, 0, 1:3].astype(float)
        return [{"objects": [self._object(line, size) for line in _sure(answer)]}
                for answer, size in zip(answers, sizes, strict=True)]  # fmt: skip

    def draw(self, row: Mapping[str, Any], answer: np.ndarray) -> Image:
        """Return the image with the told detections, and which are right where the row has its objects."""
        from graft.problems.box_drawings import draw_boxes
        from graft.reading import open_image

        image = open_image(row["image"])
        truth = [_line(one, *image.size) for one in row["objects"]] if row.get("objects") is not None else None
        return draw_boxes(image, _sure(answer), truth, self._name)

    def _object(self, line: np.ndarray, size: np.ndarray) -> dict[str, Any]:
        left, top, right, bottom = (float(side) for side in line[2:] * [*size, *size])
        box = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        return {"label": self._name(line[0]), "score": round(float(line[1]), 4),
                **{side: round(value, 1) for side, value in box.items()}}  # fmt: skip

    def _counted(self, classes: np.ndarray) -> str:
        counts = sorted(Counter(classes.tolist()).items())
        return ", ".join(f"{count} {self._name(kind)}" for kind, count in counts) or "nothing"

    def _name(self, kind: float) -> str:
        return self.labels[int(kind)] if int(kind) < len(self.labels) else f"class {int(kind)}"


def unpack(answer: np.ndarray) -> np.ndarray:
    """Return an answer (numbers,) as float64 (detections, 6)."""
    import numpy as np

    lines = np.asarray(answer, dtype=np.float64)
    return lines[np.isfinite(lines)].reshape(-1, 6)


def _sure(answer: np.ndarray) -> np.ndarray:
    lines = unpack(answer)
    return lines[lines[:, 1] >= SHOWN]


def _line(one: Mapping[str, Any], width: int, height: int) -> list[float]:
    """Return class, left, top, right, bottom in shares of the image, and whether the box counts."""
    kind = average_precision.CROWD if one["crowd"] else average_precision.COUNTED
    kind = average_precision.DIFFICULT if one["difficult"] and not one["crowd"] else kind
    left, top = one["x"] / width, one["y"] / height
    return [one["category"], left, top, left + one["width"] / width, top + one["height"] / height, kind]


def _counts(lines: Any) -> Any:
    """Say of lines (..., 6) of tensors or arrays whether each is a box that counts."""
    return (lines[..., 0] >= 0) & (lines[..., 5] == average_precision.COUNTED)


def _shown(answers: np.ndarray, truths: Truths) -> list[np.ndarray]:
    import numpy as np

    if truths is None:
        raise ValueError("without true boxes an answer is neither right nor wrong")
    lines = (np.asarray(truth, dtype=np.float64) for truth in truths)
    return [average_precision.show(unpack(answer), line[line[:, 0] >= 0])
            for answer, line in zip(answers, lines, strict=True)]  # fmt: skip
