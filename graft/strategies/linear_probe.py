"""Only the new head trains; the backbone is a fixed feature extractor."""

from graft.strategies.strategy import Phase, Strategy

LINEAR_PROBE = Strategy(
    name="linear-probe",
    title="only the head trains",
    citation="Donahue et al. 2014, DeCAF; Alain and Bengio 2016, Understanding intermediate layers using linear probes",
    phases=(Phase(0),),
)
