"""One file per transferability score; this literal is their registry."""

from graft.transferability.distance import a_distance
from graft.transferability.h_score import H_SCORE
from graft.transferability.knn import KNN
from graft.transferability.leep import LEEP
from graft.transferability.logistic_probe import LOGISTIC_PROBE
from graft.transferability.logme import LOGME
from graft.transferability.n_leep import N_LEEP
from graft.transferability.ridge_probe import RIDGE_PROBE
from graft.transferability.sample import Sample
from graft.transferability.score import Score, UndefinedScore, Value
from graft.transferability.transrate import TRANSRATE

SCORES: dict[str, Score] = {
    score.name: score for score in (LOGME, H_SCORE, LEEP, N_LEEP, KNN, RIDGE_PROBE, LOGISTIC_PROBE, TRANSRATE)
}

__all__ = ["SCORES", "Sample", "Score", "UndefinedScore", "Value", "a_distance"]
