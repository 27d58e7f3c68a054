"""What is expected of the rows and of the dataset, for each kind of input, with the catalogue's thresholds."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from graft.catalog import Checks
from graft.problems.problem import Modality

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Rule:
    """One expectation: values of a column of `rows`, or a fact, lie within bounds."""

    name: str
    title: str
    """What is expected, as a sentence."""
    table: Literal["rows", "facts"]
    column: str
    severity: Severity
    low: float | None = None
    high: float | None = None
    above: bool = False
    """Values must be greater than `low`, not only as great."""

    @property
    def threshold(self) -> str:
        """Return the bounds as a person would write them."""
        low = [f"{'>' if self.above else '≥'} {self.low:g}"] if self.low is not None else []
        return ", ".join([*low, *([f"≤ {self.high:g}"] if self.high is not None else [])])


def rules(modality: Modality, checks: Checks, columns: Collection[str], facts: Collection[str]) -> list[Rule]:
    """Return the suite for a kind of input, errors first, without rules on what these data do not have."""
    suite = [*_dataset(checks), *(_images(checks) if modality == "image" else _texts(checks))]
    known = {"rows": columns, "facts": facts}
    present = [rule for rule in suite if rule.column in known[rule.table]]
    return sorted(present, key=lambda rule: rule.severity)


def _dataset(checks: Checks) -> list[Rule]:
    return [
        Rule("unseen-labels", "Every label of a row has training rows", "facts", "unseen_labels", "error", high=0),
        Rule("groups", "No group is both in train and in test", "facts", "shared_groups", "error", high=0),
        Rule(
            "leakage",
            "Share of test rows that also occur in train",
            "facts",
            "leaked_share",
            "error",
            high=checks.max_leaked_share,
        ),
        Rule(
            "contamination",
            "Share of test rows that occur in the source's training data",
            "facts",
            "contaminated_share",
            "error",
            high=checks.max_contaminated_share,
        ),
        Rule(
            "duplicates",
            "Share of rows that repeat another of their split",
            "facts",
            "duplicate_share",
            "warning",
            high=checks.max_duplicate_share,
        ),
        Rule(
            "conflicts",
            "Share of rows whose identical input has another label elsewhere",
            "facts",
            "conflict_share",
            "warning",
            high=checks.max_conflict_share,
        ),
        Rule(
            "balance",
            "Rows of the largest training class for each of the smallest",
            "facts",
            "imbalance",
            "warning",
            high=checks.max_imbalance,
        ),
    ]


def _images(checks: Checks) -> list[Rule]:
    return [
        Rule("decodable", "Every image can be read", "rows", "decodable", "error", low=1),
        Rule(
            "near-duplicates",
            "Share of images that look like another one",
            "facts",
            "near_duplicate_share",
            "warning",
            high=checks.max_near_duplicate_share,
        ),
        Rule("blank", "No image is of one colour", "rows", "deviation", "warning", low=0, above=True),
        *(
            Rule(
                side,
                f"The {side} of every image in pixels",
                "rows",
                side,
                "warning",
                low=checks.min_image_side,
                high=checks.max_image_side,
            )
            for side in ("width", "height")
        ),
    ]


def _texts(checks: Checks) -> list[Rule]:
    return [
        Rule("short", "Characters of the shortest text", "rows", "characters", "error", low=checks.min_characters),
        Rule("long", "Characters of the longest text", "rows", "characters", "warning", high=checks.max_characters),
        Rule(
            "unknown-tokens",
            "Share of tokens that the tokenizer does not know",
            "facts",
            "unknown_share",
            "warning",
            high=checks.max_unknown_share,
        ),
    ]
