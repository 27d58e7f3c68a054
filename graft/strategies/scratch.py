"""Everything from random weights: the control, what one would have had without transfer."""

from graft.strategies.strategy import Phase, Strategy

SCRATCH = Strategy(
    name="scratch",
    title="random weights, everything trains",
    citation="He, Girshick and Dollár 2019, Rethinking ImageNet Pre-training",
    phases=(Phase("all", head=1.0),),
    begins="nothing",
)
