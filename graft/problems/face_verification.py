"""Face verification: whether two images are of one identity, by the angle between their embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples, Truths
from graft.problems.identities import number_identities, read_identities, settle_identities
from graft.problems.pixels import fit_processor, normalise, read_pixels
from graft.problems.problem import Batch, Modality, Problem, Settled

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining
    from graft.problems.grades import Grades

WIDTH = 128
"""Numbers of an embedding (FaceNet, Schroff et al. 2015, section 5.4: more did not verify better)."""


class FaceVerification(Problem):
    """Images in, embeddings of length 1 out; identities of test rows are never those of training rows.

    A network learns to tell the training identities apart (see `margin`), and is asked about others: an answer is the
    embedding, and what it is worth shows in pairs of rows (see `pairs`). The headline is the equal error rate: it needs
    no threshold from elsewhere, both errors count alike whatever the number of pairs of either kind, and it can be had
    of the few pairs that a fold holds, where a rate of false accepts of one in a hundred cannot.
    """

    name = "face-verification"
    modality: Modality = "image"
    columns: tuple[str, ...] = ("image", "identity")
    truths: tuple[str, ...] = ("identity",)
    metric = "equal_error_rate"
    higher_is_better = False
    auto_model = "AutoModelForImageEmbedding"
    compares = True

    def convert(self, name: str, values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
        """Return identities as strings; none may be missing."""
        return read_identities(values)

    def settle(self, splits: Mapping[str, pa.Table], folder: Path, known: Sequence[str]) -> Settled:
        """Return the rows, those of test with the pairs that are listed beside them."""
        return settle_identities(splits, folder, known)

    def conclude(
        self, splits: Mapping[str, pa.Table], known: Sequence[str]
    ) -> tuple[Mapping[str, pa.Table], tuple[str, ...]]:
        """Return the rows with the number of their identity, and the identities of training rows."""
        return number_identities(splits, known)

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return an image processor that resizes and normalises by the training pixels' mean and deviation."""
        return fit_processor(table, config, recipe)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return resized uint8 pixels (channels, height, width), the number of each identity, and what is compared."""
        import numpy as np

        from graft.problems.pairs import Face

        pixels = read_pixels(table, processor)
        if "identity" not in table.column_names:
            return Examples(pixels, None)
        persons = np.asarray(table["person"], dtype=np.int64)
        if "partners" not in table.column_names:
            return Examples(pixels, persons, truths=[Face(int(person)) for person in persons])
        rows = zip(persons.tolist(), table["number"].to_pylist(), table["partners"].to_pylist(), strict=True)
        return Examples(pixels, persons, truths=[Face(who, number, tuple(others)) for who, number, others in rows])

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `pixel_values` (rows, channels, height, width) and `labels` (rows,), the numbers of the identities.

        Below zero (-1 for the first identity, -2 for the second) where nothing is learned: held rows are of identities
        that no direction was learned for.
        """
        import numpy as np
        import torch

        batch = {"pixel_values": normalise(torch.from_numpy(examples.stack(rows)).float(), processor)}
        if examples.labels is not None:
            persons = torch.from_numpy(np.asarray(examples.labels)[list(rows)])
            batch["labels"] = persons if training else -1 - persons
        return batch

    def read(self, output: Any) -> torch.Tensor:
        """Return embeddings and cosines to the learned identities, side by side (rows, numbers + identities)."""
        import torch

        return torch.cat([output.embeddings.float(), output.logits.float()], dim=1)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean margin loss in nats: against the learned identities, or of held rows against each other."""
        from graft.problems.margin import against_others, arcface

        embeddings, cosines, targets = logits[:, :WIDTH], logits[:, WIDTH:], labels
        if bool((labels < 0).any()):
            cosines, targets = against_others(embeddings, labels)
        return arcface(cosines, targets, smoothing) if len(targets) else embeddings.sum() * 0

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of rows; of held ones those whose identity has another row in the batch."""
        if bool((labels >= 0).all()):
            return len(labels)
        sizes = (-1 - labels).bincount()
        return int(sizes[sizes > 1].sum())

    def answer(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return the embeddings."""
        return logits[:, :WIDTH]

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return the equal error rate of all pairs; what is drawn in a bootstrap are identities."""
        from graft.problems.pairs import PairGrades, faces_of

        return PairGrades.of_faces(answers, faces_of(truths))

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return the equal error rate, accuracy, true accepts at two rates of false ones, and rank-1 identification."""
        from graft.problems.pairs import faces_of, measure_pairs

        return {self.metric: self.grade(answers, truths).mean, **measure_pairs(answers, faces_of(truths))}

    def predict(self, answers: np.ndarray, examples: Examples) -> list[dict[str, Any]]:
        """Return the embedding of each image; what it is like, only a comparison tells."""
        return [{"embedding": [round(float(number), 6) for number in row]} for row in answers]
