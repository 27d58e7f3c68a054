"""graft predict."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flows.terminal import print_json, print_table


def predict(reference: str, inputs: list[str], question: str | None, as_json: bool) -> None:
    """Print what the model says of each input: label and probability, or its answer."""
    from graft.registry import predict

    predictions = predict(reference, inputs, question=question)
    if as_json:
        print_json([{key: value for key, value in asdict(one).items() if value is not None} for one in predictions])
        return
    if all(each.label is not None for each in predictions):
        rows = [(each.input, str(each.label), f"{each.probability:.3f}", each.note) for each in predictions]
        print_table(("input", "label", "probability", ""), rows, right=("probability",))
        return
    names = list(dict.fromkeys(name for each in predictions for name in each.facts or {}))
    answers = [
        (each.input, *(_cell((each.facts or {}).get(name)) for name in names), each.note) for each in predictions
    ]
    print_table(("input", *names, ""), answers)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
