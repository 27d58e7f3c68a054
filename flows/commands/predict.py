"""graft predict."""

from __future__ import annotations

from dataclasses import asdict

from flows.terminal import print_json, print_table


def predict(reference: str, inputs: list[str], as_json: bool) -> None:
    """Print label and probability of each input."""
    from graft.registry import predict

    predictions = predict(reference, inputs)
    if as_json:
        print_json([asdict(prediction) for prediction in predictions])
        return
    rows = [(each.input, each.label, f"{each.probability:.3f}", each.note) for each in predictions]
    print_table(("input", "label", "probability", ""), rows, right=("probability",))
