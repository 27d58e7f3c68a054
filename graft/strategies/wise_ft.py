"""As lp-ft, then half way back: the mean of the probed and the fine-tuned weights."""

from graft.strategies.strategy import Phase, Strategy

WISE_FT = Strategy(
    name="wise-ft",
    title="the head alone, then everything, then the mean of both weights",
    citation="Wortsman et al. 2022, Robust fine-tuning of zero-shot models, section 3 (alpha 0.5)",
    phases=(Phase(0, share=0.5), Phase("all", share=0.5)),
    blend=0.5,
)
