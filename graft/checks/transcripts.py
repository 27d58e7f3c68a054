"""What is looked at in transcripts of clips, and what is expected of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from graft.checks.rule import Rule

if TYPE_CHECKING:
    import pandas as pd

    from graft.catalog import Checks


def describe_transcripts(texts: Sequence[str], seconds: Iterable[float | None]) -> dict[str, Sequence[Any]]:
    """Return the transcripts and their pace, in characters for each second of their clip; none where it is unknown."""
    pace = [len(text) / time if time else None for text, time in zip(texts, seconds, strict=True)]
    return {"transcript": texts, "pace": pace}


def find_strange(rows: pd.DataFrame) -> tuple[int, dict[int, str]]:
    """Return how many characters no training transcript has, and the rows that have some: a model never writes them."""
    known = {one for text in rows[rows["split"] == "train"]["transcript"] for one in text}
    others = rows[rows["split"] != "train"]
    places = zip(others.index, others["transcript"], strict=True)
    strange = {index: sorted({*text} - known) for index, text in places}
    reasons = {
        index: f"{', '.join(map(repr, found))} in no training transcript" for index, found in strange.items() if found
    }
    return len({one for found in strange.values() for one in found}), reasons


def transcript_rules(checks: Checks) -> list[Rule]:
    """Return what is expected of transcripts."""
    title = "Characters of transcripts that no training transcript has"
    return [
        Rule("alphabet", title, "facts", "strange_characters", "warning", high=0),
        Rule("pace", "Characters of a transcript for each second", "rows", "pace", "warning", high=checks.max_pace),
    ]
