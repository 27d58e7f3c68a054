"""How candidates are compared without spending labels that were not given.

Validation labels cost as much as training labels (Perez et al. 2021, True Few-Shot Learning): selection
happens inside the labelled budget, by stratified k-fold while labels are few, by a part of them once they
are many.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from graft.catalog import Data, Study
from graft.reading.splitting import strata, together


@dataclass(frozen=True)
class Fold:
    """Rows to train on and rows to compare on; `number` is -1 for a single validation part."""

    number: int
    train: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class Selection:
    """The rule by which a study's candidates are compared."""

    folds: int
    """Number of folds; a validation part is the first of them alone."""
    single: bool
    grouped: bool
    unseen: tuple[int, ...] | None = None
    """Numbers of the rows to compare on, where not all will do: those that the champion has not met."""

    @property
    def trials_per_seed(self) -> int:
        """Trials that a candidate has with each seed."""
        return 1 if self.single else self.folds

    def __str__(self) -> str:
        groups = ", groups kept together" if self.grouped else ""
        rule = (f"validation part of 1/{self.folds}" if self.single else f"{self.folds}-fold") + groups
        return rule if self.unseen is None else f"{rule}, of the {len(self.unseen)} rows that the champion has not met"


def choose_selection(train: pa.Table, data: Data, study: Study, unseen: tuple[int, ...] | None = None) -> Selection:
    """Return the rule for these rows: as many folds as every class (and every class's groups) can fill.

    Identities are what is counted where there are some, and each fold has two of them, or there is nothing to compare.
    Where only some rows may be compared on, numbered in `unseen`, it is they that fill the folds.
    """
    train = train if unseen is None else train.take(pa.array(unseen))
    labels = strata(train)
    units = together(train)
    rarest = int(np.unique(labels, return_counts=True)[1].min())
    if "identity" in train.column_names:
        rarest = len(set(units or ())) // 2
    single = rarest >= study.few_labels
    wanted = max(2, round(1 / data.validation_share)) if single else study.folds
    groups = labels if units is None else np.asarray(units)
    spread = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    grouped = units is not None and spread >= 2
    return Selection(max(2, min(wanted, rarest, spread if grouped else rarest)), single, grouped, unseen)


def split(train: pa.Table, selection: Selection, seed: int) -> Iterator[Fold]:
    """Yield the folds of one seed; another seed divides the same rows anew.

    Rows that may not be compared on are trained on in every fold.
    """
    rows = np.arange(len(train)) if selection.unseen is None else np.asarray(selection.unseen)
    divided = train.take(pa.array(rows))
    labels = strata(divided)
    if selection.grouped:
        splitter = StratifiedGroupKFold(selection.folds, shuffle=True, random_state=seed)
        parts = splitter.split(labels, labels, together(divided))
    else:
        parts = StratifiedKFold(selection.folds, shuffle=True, random_state=seed).split(labels, labels)
    for number, (_, places) in enumerate(parts):
        held = rows[places]
        yield Fold(-1 if selection.single else number, np.setdiff1d(np.arange(len(train)), held), held)
        if selection.single:
            return
