"""First the head alone, then everything: a random head does not distort the features below it."""

from graft.strategies.strategy import Phase, Strategy

LP_FT = Strategy(
    name="lp-ft",
    title="the head alone, then everything",
    citation="Kumar et al. 2022, Fine-Tuning can Distort Pretrained Features, section 3.4",
    phases=(Phase(0, share=0.5), Phase("all", share=0.5)),
)
