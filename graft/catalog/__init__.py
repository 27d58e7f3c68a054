"""The catalogue: every source and every target of the team, read from params.yaml.

Each section of an entry is a unit of currency: DVC tracks `data`, `study` and the rest separately, so
that another seed does not repeat the checks and another gate does not repeat the training.
"""

from graft.catalog.data import Checks, Data, Shift
from graft.catalog.decisions import Evaluation, Gates, Retraining, Verdict, Watch
from graft.catalog.entries import Catalog, Source, Target
from graft.catalog.naming import nearest
from graft.catalog.reading import load
from graft.catalog.section import NAME, Section
from graft.catalog.study import Probe, Study
from graft.catalog.training import Backbone, Optimization, Pretraining

__all__ = [
    "NAME",
    "Backbone",
    "Catalog",
    "Checks",
    "Data",
    "Evaluation",
    "Gates",
    "Optimization",
    "Pretraining",
    "Probe",
    "Retraining",
    "Section",
    "Shift",
    "Source",
    "Study",
    "Target",
    "Verdict",
    "Watch",
    "load",
    "nearest",
]
