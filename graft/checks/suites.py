"""What is expected of the rows and of the dataset, for each kind of input, with the catalogue's thresholds."""

from collections.abc import Callable, Collection

from graft.catalog import Checks
from graft.checks.boxes import box_rules
from graft.checks.identities import identity_rules
from graft.checks.images import image_rules
from graft.checks.label_sets import set_rules
from graft.checks.masks import mask_rules
from graft.checks.rule import Rule
from graft.checks.sounds import clip_rules
from graft.checks.texts import text_rules
from graft.checks.transcripts import transcript_rules
from graft.problems.problem import Modality

CONTENT: dict[Modality, Callable[[Checks], list[Rule]]] = {
    "image": lambda checks: [
        *image_rules(checks),
        *mask_rules(checks),
        *box_rules(checks),
        *set_rules(checks),
        *identity_rules(),
    ],
    "text": text_rules,
    "audio": lambda checks: [*clip_rules(checks), *transcript_rules(checks)],
}
"""What is expected of each kind of input."""


def rules(modality: Modality, checks: Checks, columns: Collection[str], facts: Collection[str]) -> list[Rule]:
    """Return the suite for a kind of input, errors first, without rules on what these data do not have."""
    suite = [*_dataset(checks), *CONTENT[modality](checks)]
    known = {"rows": columns, "facts": facts}
    present = [rule for rule in suite if rule.column in known[rule.table]]
    return sorted(present, key=lambda rule: rule.severity)


def _dataset(checks: Checks) -> list[Rule]:
    return [
        Rule("labels", "Labels that training rows have", "facts", "learned_labels", "error", low=2),
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
            "untested-labels",
            "Labels that no test row has: not measured",
            "facts",
            "untested_labels",
            "warning",
            high=0,
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
