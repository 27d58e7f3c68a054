"""A registered model behind HTTP: batches, limits, health, and a change of model without a pause."""

from graft.serving.app import make_app
from graft.serving.champion import Champion
from graft.serving.limits import Limits
from graft.serving.server import listen, run

__all__ = ["Champion", "Limits", "listen", "make_app", "run"]
