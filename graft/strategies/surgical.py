"""One block beside the head: which one depends on what differs between source and target."""

from graft.strategies.strategy import Phase, Strategy

SURGICAL = Strategy(
    name="surgical",
    title="the head and the one block with the largest gradients relative to its weights",
    citation="Lee et al. 2023, Surgical Fine-Tuning Improves Adaptation to Distribution Shifts, section 4 (Auto-RGN)",
    phases=(Phase("proposed"),),
)
