"""Everything trains, held near the source's weights."""

from graft.strategies.strategy import Phase, Strategy

L2_SP = Strategy(
    name="l2-sp",
    title="everything trains, pulled back towards the source's weights",
    citation="Li, Grandvalet and Davoine 2018, Explicit Inductive Bias for Transfer Learning, section 3 (alpha 0.1)",
    phases=(Phase("all", anchor=0.1),),
)
