"""Multi-label image classification: for an image every label that fits, which may be none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.problems.classification import CHANCE
from graft.problems.examples import Examples, Truths
from graft.problems.image_classification import ImageClassification
from graft.problems.label_sets import read_names, settle_labels
from graft.problems.problem import Said, Settled

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from graft.problems.grades import Grades

THRESHOLD = 0.0
"""Logit from which on a label is said: a probability of one half, where the loss changes sides."""
NOTHING = "no label"


class MultiLabelImageClassification(ImageClassification):
    """Images in, a yes or no for each label out, each by a logit of its own.

    The headline is the AUROC, the mean over labels, as for chest X-rays since Wang et al. 2017: guessing has 0.5 of any
    label, however rare, so that the mean compares like with like, and it needs no threshold. Average precision depends
    on how common a label is, F1 on where the threshold lies.
    """

    name = "multi-label-image-classification"
    columns: tuple[str, ...] = ("image", "labels")
    truths: tuple[str, ...] = ("labels",)
    metric = "auroc"
    metrics: tuple[str, ...] = ("auroc", "macro_f1")
    row_metric: str | None = "label_accuracy"
    problem_type: str | None = "multi_label_classification"

    def convert(self, name: str, values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
        """Return the names of each row's labels, and what is wrong with which row's."""
        return read_names(values)

    def settle(self, splits: Mapping[str, pa.Table], folder: Path, known: Sequence[str]) -> Settled:
        """Return the rows with 1 or 0 for each label, the labels, and every name that is none of them."""
        return settle_labels(splits, folder, known)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return resized uint8 pixels (channels, height, width), and float32 labels (rows, labels) of 1 and 0."""
        import numpy as np

        examples = super().encode(table, processor)
        if "labels" not in table.column_names:
            return examples
        given = table["labels"].to_pylist()
        return Examples(examples.features, np.asarray(given, dtype=np.float32).reshape(len(given), -1))

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean binary cross-entropy in nats, over rows and labels."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(logits.float(), labels * (1 - smoothing) + smoothing / 2)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of rows times that of labels."""
        return labels.numel()

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return what rows show of each label for its AUROC; or a part for each label, whose ratio of sums is its F1.

        Labels that no row has, or every row, have no AUROC; those that no row has or is given have no F1. Both are left
        out of the mean.
        """
        import numpy as np

        from graft.problems.auroc import mean_auroc
        from graft.problems.grades import Grades
        from graft.problems.pooled import Pooled

        true = np.asarray(truths, dtype=np.float64)
        if self.metric == "auroc":
            shown = np.stack([np.asarray(answers, dtype=np.float64), true], axis=1)
            return Pooled.of_rows(mean_auroc, [*shown], chance=CHANCE)
        said = answers >= THRESHOLD
        return Grades.of((2 * said * true)[None], (said + true)[None])

    def grade_rows(self, answers: np.ndarray, truths: Truths) -> np.ndarray:
        """Return the share of labels that are right, for each row."""
        import numpy as np

        found: np.ndarray = ((answers >= THRESHOLD) == (np.asarray(truths) > 0)).mean(axis=1)
        return found

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return AUROC, macro-F1, micro-F1, the share of rows right in every label, and the AUROC of each label.

        Labels have theirs where their names are known (see `named`) and they have one at all.
        """
        import numpy as np
        import torch
        from torchmetrics.functional.classification import multilabel_exact_match, multilabel_f1_score

        from graft.problems.auroc import area

        said, true = torch.from_numpy(answers >= THRESHOLD).int(), torch.from_numpy(np.asarray(truths)).int()
        labels, whole = said.shape[1], np.ones((1, len(answers)))
        own = {
            f"auroc of {name}": float(area(answers[:, place], np.asarray(truths)[:, place], whole)[0])
            for place, name in enumerate(self.labels)
        }
        return {
            **{name: self.graded_by(name).grade(answers, truths).mean for name in self.metrics},
            "micro_f1": float(multilabel_f1_score(said, true, labels, average="micro")),
            "exact_match": float(multilabel_exact_match(said, true, labels)),
            **{name: value for name, value in own.items() if np.isfinite(value)},
        }

    def tell(self, answers: np.ndarray, truths: Truths) -> list[Said]:
        """Return the names of the labels that were expected and answered."""
        import numpy as np

        expected = [None] * len(answers) if truths is None else [*np.asarray(truths)]
        return [
            Said("" if true is None else self._listed(true > 0), self._listed(row >= THRESHOLD))
            for true, row in zip(expected, answers, strict=True)
        ]

    def predict(self, answers: np.ndarray, examples: Examples) -> list[dict[str, Any]]:
        """Return every label from one half on with its probability, the likeliest first, and all probabilities."""
        from scipy.special import expit

        found = []
        for row in answers:
            shares = {self._name(place): float(share) for place, share in enumerate(expit(row.astype("float64")))}
            ranked = sorted(shares.items(), key=lambda pair: -pair[1])
            said = [f"{name} {share:.3f}" for name, share in ranked if share >= expit(THRESHOLD)]
            found.append({"answer": ", ".join(said) or NOTHING, "probabilities": shares})
        return found

    def _listed(self, there: np.ndarray) -> str:
        return ", ".join(self._name(place) for place, one in enumerate(there) if one) or NOTHING

    def _name(self, place: int) -> str:
        return self.labels[place] if self.labels else f"label {place}"
