"""The head first, then one layer group more at a time, from the top down."""

from graft.strategies.strategy import Phase, Strategy

GRADUAL = Strategy(
    name="gradual",
    title="the head first, then one group more at a time from the top down",
    citation="Howard and Ruder 2018, Universal Language Model Fine-tuning (ULMFiT), section 3.3",
    phases=(Phase("each"),),
)
