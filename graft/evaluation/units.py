"""What a metric is counted in: shares in per cent and points, what is no share as it is."""

AS_IT_IS = {"loss": "nats", "perplexity": "", "bits_per_byte": "bits"}
"""Metrics that are no shares, with what they are counted in."""


def scale(metric: str) -> int:
    """Return what a value is multiplied by before it is shown."""
    return 1 if metric in AS_IT_IS else 100


def unit(metric: str) -> str:
    """Return what a difference of a metric is counted in."""
    return AS_IT_IS.get(metric, "points")


def digits(metric: str) -> int:
    """Return how many digits after the point are shown, of a value in its scale."""
    return 3 if metric in AS_IT_IS else 1


def percent(metric: str) -> str:
    """Return what an axis of the metric says of its unit: ` in %`, or ` in nats`."""
    return f" in {AS_IT_IS[metric]}".removesuffix(" in ") if metric in AS_IT_IS else " in %"
