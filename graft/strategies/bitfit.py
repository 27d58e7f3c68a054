"""Of every layer group only the biases train."""

from graft.strategies.strategy import Phase, Strategy

BITFIT = Strategy(
    name="bitfit",
    title="the head and every bias train",
    citation="Ben Zaken et al. 2022, BitFit: Simple Parameter-efficient Fine-tuning, section 3",
    phases=(Phase("all", scope="biases"),),
)
