"""The search over strategies for one target."""

from graft.study.study import StudyResult, count_steps, plan, search, train_finals
from graft.study.trial import Bench, Outcome

__all__ = ["Bench", "Outcome", "StudyResult", "count_steps", "plan", "search", "train_finals"]
