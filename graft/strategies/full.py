"""Everything trains from the source's weights: plain fine-tuning."""

from graft.strategies.strategy import Phase, Strategy

FULL = Strategy(
    name="full",
    title="everything trains, from the source's weights",
    citation="Girshick et al. 2014, Rich feature hierarchies for accurate object detection",
    phases=(Phase("all"),),
)
