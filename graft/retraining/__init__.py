"""Retraining that decides: what changed, what it should bring, what it should cost, and what then came of it."""
