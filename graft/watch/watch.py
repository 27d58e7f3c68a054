"""Hold recent inputs against those that a target's champion was made with, and say whether they have drifted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.errors import BadInput
from graft.evaluation.bootstrap import Interval
from graft.watch.inputs import Rows, gather, inputs_of
from graft.watch.stability import Shift, compare_categories, compare_numbers
from graft.watch.two_sample import separate

if TYPE_CHECKING:
    from graft.catalog import Catalog, Watch
    from graft.registry import Registry
    from graft.registry.package import Model, Package

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": ("width", "height", "mode", "mean", "deviation"),
    "text": ("characters", "words", "replaced", "tokens", "unknown"),
    "audio": ("seconds", "decibels", "clipped", "sampling_rate", "channels"),
}
"""Derived columns (graft/checks) that are watched, by kind of input."""
CATEGORIES = ("mode", "sampling_rate", "channels")
CALLED = {
    "mean": "brightness",
    "deviation": "contrast",
    "replaced": "characters lost",
    "unknown": "unknown tokens",
    "decibels": "level (dB)",
    "clipped": "clipped share",
}


@dataclass(frozen=True)
class Watched:
    """What was found."""

    target: str
    champion: str
    when: str
    """UTC, ISO 8601."""
    data: str
    rows: Mapping[str, int]
    """How many rows were compared: `trained`, `held`, `recent`; and `known`, which were left out."""
    features: Interval
    """AUC of a classifier that tells recent inputs from held ones by the champion's frozen features."""
    fit: Interval
    """The same for training rows and held ones: what the champion's training alone does to its features."""
    columns: tuple[Shift, ...]
    predictions: Shift | None
    """None where the problem has no classes."""
    max_auc: float
    max_psi: float
    reasons: tuple[str, ...] = field(default=())
    """What is above its threshold, in words."""

    @property
    def drift(self) -> bool:
        """Whether anything is above its threshold."""
        return bool(self.reasons)

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        if self.drift:
            return f"The inputs have drifted: {'; '.join(self.reasons)}."
        return (
            f"No drift: recent inputs are told from those of then with an AUC of {self.features.value:.2f} "
            f"({self.features.low:.2f} to {self.features.high:.2f}; drift is above {self.max_auc:g})."
        )

    def content(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        told = {"target": self.target, "drift": self.drift, "sentence": self.sentence}
        return {**told, **asdict(self), "table": self.table()}

    def table(self) -> list[dict[str, str]]:
        """Return one row for everything that was compared, with its threshold and whether it drifted."""
        found, most = self.features, f"{self.max_auc:g}"
        told = f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
        rows = [_line("frozen features", "AUC", told, most, exceeds(found, self.max_auc), "0.5", "")]
        shifts = [*([self.predictions] if self.predictions else []), *self.columns]
        rows += [
            _line(one.name, "PSI", f"{one.psi:.3f}", f"{max(self.max_psi, one.chance):.3g}",
                  one.is_drift(self.max_psi), one.then, one.now)
            for one in shifts
        ]  # fmt: skip
        return rows


def watch(name: str, catalog: Catalog, registry: Registry, data: str | None = None) -> Watched:
    """Compare recent inputs with those of the target's champion; `data` overrules the path of the catalogue.

    The features are those just below the champion's head, frozen. A champion's features know the rows it was trained
    on from all others, so recent ones are compared with rows of the same dataset that it has not learned from.
    Raises RegistryError without a champion, BadInput without data or with too few rows, DataError for what cannot be
    read.
    """
    from graft.registry.package import load

    target = catalog.target(name)
    path = data or target.watch.data
    if path is None:
        raise BadInput(
            f"{name}: no recent inputs are named",
            advice=f"`graft watch {name} --data PATH`, or set `targets.{name}.watch.data` in params.yaml.",
        )
    version = registry.show(f"{name}@champion")
    package = registry.package(version.name)
    rows = gather(name, target, package, path)
    model = load(package)
    features, labels = _look(model, rows)
    found = Watched(
        target=name,
        champion=version.name,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        data=path,
        rows={part: getattr(rows, part).num_rows for part in ("trained", "held", "recent")} | {"known": rows.known},
        features=separate(features["held"], features["recent"]),
        fit=separate(features["held"], features["trained"]),
        columns=tuple(_columns(model, package, rows)),
        predictions=compare_categories("predicted labels", labels["held"], labels["recent"]) if labels else None,
        max_auc=target.watch.max_auc,
        max_psi=target.watch.max_psi,
    )
    return Watched(**{**vars(found), "reasons": tuple(_reasons(found, target.watch))})


def exceeds(found: Interval, most: float) -> bool:
    """Say whether an AUC is above a threshold, and surely above guessing."""
    return found.value > most and found.low > 0.5


def _look(model: Model, rows: Rows) -> tuple[dict[str, npt.NDArray[np.float32]], dict[str, list[str]]]:
    """Return the features of all rows below the head, and the labels that are said of them where there are any."""
    from graft.problems.problem import has_classes
    from graft.transferability.features import extract

    inputs, classes = inputs_of(model.problem), has_classes(model.problem)
    features, labels = {}, {}
    for part in ("trained", "held", "recent"):
        table = getattr(rows, part).select(inputs.columns)
        frozen = extract(model.network, model.problem, inputs.encode(table, model.processor), model.processor, classes)
        features[part] = frozen.boundaries[frozen.last]
        if frozen.probabilities is not None:
            labels[part] = [model.labels[place] for place in _said(model, frozen.probabilities)]
    return features, labels


def _said(model: Model, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the place of the label that is said of each row: by the threshold, where the model has one."""
    if model.positive is None:
        return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
    calibrated = probabilities.astype(np.float64) ** (1 / model.temperature)
    share = calibrated[:, model.positive] / calibrated.sum(axis=1)
    return np.where(share >= model.threshold, model.positive, 1 - model.positive)


def _columns(model: Model, package: Package, rows: Rows) -> Iterator[Shift]:
    """Yield how each derived column has moved, from all rows of the target's dataset to the recent ones."""
    from graft.checks.rows import derive
    from graft.reading import Dataset

    inputs, tokenizer = inputs_of(model.problem), package.folder / "tokenizer.json"
    then = pa.concat_tables([rows.trained, rows.held])
    dataset = Dataset({"train": then, "test": rows.recent}, (), "")
    frame = derive(dataset, inputs, tokenizer if tokenizer.is_file() else None)
    old, new = frame[frame["split"] == "train"], frame[frame["split"] == "test"]
    for column in COLUMNS[inputs.modality]:
        if column in frame:
            compare = compare_categories if column in CATEGORIES else compare_numbers
            yield compare(CALLED.get(column, column.replace("_", " ")), old[column].tolist(), new[column].tolist())


def _reasons(found: Watched, asked: Watch) -> Iterator[str]:
    if exceeds(found.features, asked.max_auc):
        yield (
            f"a classifier tells recent inputs from those of then with an AUC of {found.features.value:.2f} "
            f"({found.features.low:.2f} to {found.features.high:.2f}), above {asked.max_auc:g}"
        )
    shifts: Sequence[Shift] = [*([found.predictions] if found.predictions else []), *found.columns]
    for one in shifts:
        if one.is_drift(asked.max_psi):
            most = max(asked.max_psi, one.chance)
            yield f"{one.name}: PSI {one.psi:.2f}, above {most:.2g} ({one.then} then, {one.now} now)"


def _line(what: str, measure: str, found: str, most: str, drift: bool, then: str, now: str) -> dict[str, str]:
    return {
        "what": what,
        "measure": measure,
        "found": found,
        "drift above": most,
        "drift": "yes" if drift else "no",
        "then": then,
        "now": now,
    }
