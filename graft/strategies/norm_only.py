"""Of every layer group only what belongs to a normalisation trains."""

from graft.strategies.strategy import Phase, Strategy

NORM_ONLY = Strategy(
    name="norm-only",
    title="the head and every normalisation train",
    citation="Frankle et al. 2021, Training BatchNorm and Only BatchNorm",
    phases=(Phase("all", scope="norms"),),
)
