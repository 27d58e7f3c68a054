"""Versions, aliases, decisions, history, rollback. Listing needs no torch: what loads a model imports it late."""

from graft.registry.answering import Prediction
from graft.registry.audit import Finding, audit
from graft.registry.prediction import predict
from graft.registry.publication import Candidate, Decision, publish
from graft.registry.registry import Registry, Verification, open_registry

__all__ = [
    "Candidate",
    "Decision",
    "Finding",
    "Prediction",
    "Registry",
    "Verification",
    "audit",
    "open_registry",
    "predict",
    "publish",
]
