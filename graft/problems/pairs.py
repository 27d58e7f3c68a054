"""Pairs of rows, of one identity or of two: how well the similarity of their embeddings tells which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from graft.problems.pooled import Pooled, Shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from graft.problems.examples import Truths

MOST_ROWS = 2000
"""Rows of which every pair is looked at; of more, as many pairs of two identities are drawn as these would have."""
KNOTS = 256
"""Thresholds at most, of either kind of pair, between which an equal error rate is looked for in a bootstrap's draw."""
EXACT = 64
"""Identities up to which a draw weighs a pair by the product of its two counts; with more, by its linear part."""
PARTS = 10  # of the identities, for a threshold that is set on other ones than it is tried on
RATES = {"1e-2": 1e-2, "1e-3": 1e-3}
"""The false accept rates at which true accepts are told."""


class Face(NamedTuple):
    """What is true of a row: whose it is, and which rows it is compared with."""

    person: int
    number: int = 0
    """The number of the row among those that `partners` names."""
    partners: tuple[int, ...] | None = None
    """Numbers of the rows that a list of pairs has it compared with; None where every pair counts."""


def faces_of(truths: Truths) -> list[Face]:
    """Return what is true of some rows; raises ValueError where nothing is known."""
    if truths is None:
        raise ValueError("without identities an embedding is neither right nor wrong")
    return [*truths]


@dataclass(frozen=True)
class Compared:
    """Pairs of rows with the cosine of the angle between their embeddings."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]
    """Whether both rows are of one identity: a genuine pair; the others are impostors'."""
    similarity: npt.NDArray[np.float64]

    @property
    def tells(self) -> bool:
        """Say whether there are pairs of both kinds; without, there is nothing to tell apart."""
        return bool(self.same.any() and not self.same.all())


def compare(embeddings: npt.NDArray[Any], faces: Sequence[Face]) -> Compared:
    """Return the pairs of rows, embeddings (rows, numbers) of length 1: those that are listed, else all."""
    import numpy as np

    first, second = _listed(faces) if any(face.partners is not None for face in faces) else _all(faces)
    persons = np.array([face.person for face in faces], dtype=np.int64)
    vectors = np.asarray(embeddings, dtype=np.float64)
    similarity = np.concatenate(
        [np.zeros(0)]
        + [
            np.einsum("pn,pn->p", vectors[first[at : at + 2**17]], vectors[second[at : at + 2**17]])
            for at in range(0, len(first), 2**17)
        ]
    )
    return Compared(first, second, persons[first] == persons[second], similarity)


def _listed(faces: Sequence[Face]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the listed pairs of which both rows are there."""
    import numpy as np

    places = {face.number: place for place, face in enumerate(faces)}
    found = [(row, places[one]) for row, face in enumerate(faces) for one in face.partners or () if one in places]
    first, second = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return first, second


def _all(faces: Sequence[Face]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return every pair; of many rows every pair of one identity, and drawn ones of two."""
    import numpy as np

    if len(faces) <= MOST_ROWS:
        first, second = np.triu_indices(len(faces), 1)
        return first, second
    persons = np.array([face.person for face in faces], dtype=np.int64)
    members = [np.flatnonzero(persons == person) for person in np.unique(persons)]
    genuine = np.concatenate([rows[np.stack(np.triu_indices(len(rows), 1))] for rows in members], axis=1)
    drawn = np.random.default_rng(0).integers(len(faces), size=(2, MOST_ROWS * (MOST_ROWS - 1) // 2))
    first, second = np.concatenate([genuine, drawn[:, persons[drawn[0]] != persons[drawn[1]]]], axis=1)
    return first, second


class PairGrades(Pooled):
    """The equal error rate of some rows' pairs. Rows of one identity are drawn together: see `Grades.units`."""

    @classmethod
    def of_faces(cls, embeddings: npt.NDArray[Any], faces: Sequence[Face]) -> PairGrades:
        """Return the grades of one model's embeddings (rows, numbers)."""
        return cls.of_rows(draw_errors, [_pack(*row) for row in zip(faces, embeddings, strict=True)])

    @property
    def units(self) -> npt.NDArray[np.int64]:
        """The identity of each row (rows,)."""
        import numpy as np

        return np.array([row[0] for row in self.shown[0][0]], dtype=np.int64)

    @property
    def by_row(self) -> npt.NDArray[np.float64]:
        """The share of each row's own pairs that are told wrongly where both errors of all are equal (models, rows)."""
        import numpy as np

        return np.stack([np.mean([_own_errors(rows) for rows in model], axis=0) for model in self.shown])


def draw_errors(rows: Shown, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the equal error rate (draws,) where rows are there `counts` times (draws, rows).

    It is the mean of the two error rates at the threshold where they are nearest to each other. An identity that was
    drawn twice counts as two people: its own pairs count twice, and those between its copies are none. 0.5, which is
    nothing told apart, where a draw has no pairs of both kinds.
    """
    import numpy as np

    faces, embeddings = _unpack(rows)
    found = compare(embeddings, faces)
    if not found.tells:
        return np.full(len(counts), 0.5)
    persons, person_of = np.unique([face.person for face in faces], return_inverse=True)
    sizes = np.bincount(person_of)
    drawn = (counts @ np.eye(len(persons))[person_of]) / sizes  # the rows of a person have one count
    thresholds = _thresholds(found)
    passed = np.searchsorted(thresholds, found.similarity, side="right")
    one, other = person_of[found.first], person_of[found.second]
    genuine = _accepted(one[found.same], passed[found.same], len(persons), len(thresholds))
    accepts = _shares(drawn @ genuine)
    apart = ~found.same
    pair = np.minimum(one, other)[apart] * len(persons) + np.maximum(one, other)[apart]
    if len(persons) <= EXACT:
        cells, cell_of = np.unique(pair, return_inverse=True)
        impostors = _accepted(cell_of, passed[apart], len(cells), len(thresholds))
        weights = drawn[:, cells // len(persons)] * drawn[:, cells % len(persons)]
        false_accepts = _shares(weights @ impostors)
    else:  # c_a c_b = c_a + c_b - 1 + (c_a - 1)(c_b - 1): of many identities the last part, of mean 0, hardly counts
        ends = [_accepted(side[apart], passed[apart], len(persons), len(thresholds)) for side in (one, other)]
        both = ends[0] + ends[1]
        false_accepts = _shares(np.maximum(drawn @ both - both.sum(axis=0) / 2, 0.0))
    errors = np.stack([1 - accepts, false_accepts])
    nearest = np.abs(errors[0] - errors[1]).argmin(axis=1)
    rates = errors[:, np.arange(len(counts)), nearest].mean(axis=0)
    return np.asarray(np.where(np.isfinite(rates), rates, 0.5), dtype=np.float64)


def _thresholds(found: Compared) -> npt.NDArray[np.float64]:
    """Return similarities to decide at, ascending, the first of which accepts all and the last none.

    All that tell pairs apart where these are few; else quantiles of both kinds, dense where either kind errs.
    """
    import numpy as np

    sides = found.similarity[found.same], found.similarity[~found.same]
    spaced = np.linspace(0, 1, KNOTS) ** 2
    quantiles = (spaced, 1 - spaced)
    knots = [
        side if len(side) <= KNOTS else np.quantile(side, at, method="higher")
        for side, at in zip(sides, quantiles, strict=True)
    ]
    return np.unique(np.concatenate([*knots, [-np.inf, np.inf]]))


def _accepted(
    of: npt.NDArray[np.int64], passed: npt.NDArray[np.int64], kinds: int, thresholds: int
) -> npt.NDArray[np.float64]:
    """Return how many pairs of each kind are accepted at each threshold (kinds, thresholds)."""
    import numpy as np

    width = thresholds + 1
    table = np.bincount(of * width + passed, minlength=kinds * width).reshape(kinds, width)
    return np.asarray(table[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:], dtype=np.float64)


def _shares(accepted: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the shares accepted (draws, thresholds); NaN for a draw that has no such pairs."""
    import numpy as np

    total = accepted[:, :1]
    shares = np.full(accepted.shape, np.nan)
    np.divide(accepted, total, out=shares, where=total > 0)
    return shares


def _own_errors(rows: Shown) -> npt.NDArray[np.float64]:
    import numpy as np

    faces, embeddings = _unpack(rows)
    found = compare(embeddings, faces)
    if not found.tells:
        return np.full(len(rows), 0.5)
    wrong = found.same != (found.similarity >= equal_error_threshold(found))
    ends = np.concatenate([found.first, found.second])
    pairs = np.bincount(ends, minlength=len(rows))
    errors = np.bincount(ends, weights=np.concatenate([wrong, wrong]), minlength=len(rows))
    return np.asarray(errors / np.maximum(pairs, 1), dtype=np.float64)


def _pack(face: Face, embedding: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return a row in one array: person, number, how many partners (-1: all rows), partners, embedding."""
    import numpy as np

    listed = face.partners is not None
    header = [face.person, face.number, len(face.partners or ()) if listed else -1, *(face.partners or ())]
    return np.concatenate([np.array(header, dtype=np.float64), np.asarray(embedding, dtype=np.float64)])


def _unpack(rows: Shown) -> tuple[list[Face], npt.NDArray[np.float64]]:
    import numpy as np

    faces, embeddings = [], []
    for row in rows:
        listed, most = int(row[2]) >= 0, max(int(row[2]), 0)
        partners = tuple(int(one) for one in row[3 : 3 + most]) if listed else None
        faces.append(Face(int(row[0]), int(row[1]), partners))
        embeddings.append(row[3 + most :])
    return faces, np.stack(embeddings)


def roc(
    found: Compared, corners: bool = False
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return false accept rates, true accept rates and the thresholds they are at, from the strictest on.

    With `corners` only those points that a drawing needs.
    """
    from sklearn.metrics import roc_curve

    false_accepts, accepts, thresholds = roc_curve(found.same, found.similarity, drop_intermediate=corners)
    return false_accepts, accepts, thresholds


def equal_error_threshold(found: Compared) -> float:
    """Return the similarity at which as large a share of either kind of pair is told wrongly."""
    import numpy as np

    false_accepts, accepts, thresholds = roc(found)
    return float(thresholds[np.abs(1 - accepts - false_accepts).argmin()])


def best_threshold(found: Compared) -> float:
    """Return the similarity that tells the largest mean share of both kinds rightly, and the middle of all that do."""
    false_accepts, accepts, thresholds = roc(found)
    least = float(thresholds[(accepts - false_accepts).argmax()])
    return (least + float(found.similarity[found.similarity < least].max(initial=-1.0))) / 2


def measure_pairs(embeddings: npt.NDArray[Any], faces: Sequence[Face]) -> dict[str, float]:
    """Return every metric of one model's embeddings (rows, numbers) beside the equal error rate."""
    import numpy as np
    import torch
    from torchmetrics.functional.classification import binary_sensitivity_at_specificity

    found = compare(embeddings, faces)
    rates = dict.fromkeys(RATES, 0.0)
    if found.tells:
        scores = torch.from_numpy((1 + np.clip(found.similarity, -1, 1)) / 2)  # they are taken for probabilities
        truth = torch.from_numpy(found.same.astype(np.int64))
        rates = {
            name: float(binary_sensitivity_at_specificity(scores, truth, min_specificity=1 - rate)[0])
            for name, rate in RATES.items()
        }
    return {
        "verification_accuracy": verification_accuracy(found, faces),
        **{f"tar_at_far_{name}": value for name, value in rates.items()},
        "rank_1": identify(embeddings, [face.person for face in faces]),
    }


def verification_accuracy(found: Compared, faces: Sequence[Face]) -> float:
    """Return the mean of the shares of both kinds of pair that are told rightly, 0.5 by chance.

    As the protocol of Labeled Faces in the Wild has it (Huang et al. 2007, section 4) the threshold is set on other
    people than it is tried on: the identities are cut into ten parts, and it is the best one of the pairs that no part
    in turn has any row of. The mean of both shares, because there are far more pairs of two identities than of one.
    """
    import numpy as np

    persons, person_of = np.unique([face.person for face in faces], return_inverse=True)
    parts = min(PARTS, len(persons))
    right, tried = np.zeros(2), np.zeros(2)
    for part in range(parts):
        inside = (person_of % parts == part)[np.stack([found.first, found.second])].any(axis=0)
        known = Compared(*(side[~inside] for side in (found.first, found.second, found.same, found.similarity)))
        if not known.tells:
            continue
        said = found.similarity >= best_threshold(known)
        for kind in (0, 1):
            asked = inside & (found.same == bool(kind))
            right[kind] += (said[asked] == bool(kind)).sum()
            tried[kind] += asked.sum()
    return float((right / tried).mean()) if tried.all() else 0.5


def identify(embeddings: npt.NDArray[Any], persons: Sequence[int]) -> float:
    """Return the share of rows whose most similar other row is of the same identity, of those that have such a row."""
    import numpy as np

    vectors, own = np.asarray(embeddings, dtype=np.float32), np.asarray(persons)
    _, place, sizes = np.unique(own, return_inverse=True, return_counts=True)
    asked = np.flatnonzero(sizes[place] > 1)
    hits = 0
    for start in range(0, len(asked), 1000):
        rows = asked[start : start + 1000]
        similarity = vectors[rows] @ vectors.T
        similarity[np.arange(len(rows)), rows] = -np.inf
        hits += int((own[similarity.argmax(axis=1)] == own[rows]).sum())
    return hits / len(asked) if len(asked) else 0.0


def set_thresholds(held: Sequence[tuple[npt.NDArray[Any], Sequence[int]]]) -> dict[str, float | None]:
    """Return the least similarity at which no larger share of impostors is accepted, by name of the rate.

    `held` are embeddings (rows, numbers) of rows held out of training, model by model, with their identities: only
    embeddings of one model can be compared. None where there are too few pairs to see such a rate.
    """
    import numpy as np

    compared = [compare(embeddings, [Face(person) for person in persons]) for embeddings, persons in held]
    impostors = np.sort(np.concatenate([np.zeros(0), *(one.similarity[~one.same] for one in compared)]))[::-1]
    allowed = {name: int(rate * len(impostors)) for name, rate in RATES.items()}
    return {name: float(np.nextafter(impostors[most], np.inf)) if most else None for name, most in allowed.items()}


def hold_thresholds(
    embeddings: npt.NDArray[Any], faces: Sequence[Face], thresholds: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Return flat facts: each threshold, and the shares of both kinds of pair that are accepted at it."""
    found, facts = compare(embeddings, faces), dict[str, float | None]()
    for name, least in thresholds.items():
        said = None if least is None or not found.tells else found.similarity >= least
        facts[f"threshold_{name}"] = least
        facts[f"threshold_{name}_tar"] = None if said is None else float(said[found.same].mean())
        facts[f"threshold_{name}_far"] = None if said is None else float(said[~found.same].mean())
    return facts
