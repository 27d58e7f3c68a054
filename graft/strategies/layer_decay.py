"""Everything trains, a little slower from group to group."""

from graft.strategies.strategy import Phase, Strategy

LAYER_DECAY = Strategy(
    name="layer-decay",
    title="everything trains, each group at 0.8 of the learning rate above it",
    citation="Clark et al. 2020, ELECTRA, appendix B (layerwise learning-rate decay)",
    phases=(Phase("all", decay=0.8),),
)
