"""Everything trains, the lower the slower: early layers hold what is general."""

from graft.strategies.strategy import Phase, Strategy

DISCRIMINATIVE = Strategy(
    name="discriminative",
    title="everything trains, each group 2.6 times slower than the one above it",
    citation="Howard and Ruder 2018, Universal Language Model Fine-tuning (ULMFiT), section 3.2",
    phases=(Phase("all", decay=1 / 2.6),),
)
