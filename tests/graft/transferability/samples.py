"""Rows whose classes lie apart by as much as is asked."""

import numpy as np

from graft.transferability import Sample


def make_sample(rows=40, dimensions=12, classes=3, apart=1.0, seed=0, source_classes=5):
    """Return rows of normal features around a centre for each class, and predictions of a source that sees them."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(rows) % classes)
    centres = apart * rng.normal(size=(classes, dimensions))
    features = centres[labels] + rng.normal(size=(rows, dimensions))
    logits = apart * rng.normal(size=(classes, source_classes))[labels] + rng.normal(size=(rows, source_classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Sample(features, labels, probabilities)
