"""All groups train, but of each only a few parameters: biases, or what belongs to a normalisation."""

from graft.strategies.strategy import Phase, Strategy

BITFIT = Strategy(
    name="bitfit",
    title="the head and every bias train",
    citation="Ben Zaken et al. 2022, BitFit: Simple Parameter-efficient Fine-tuning, section 3",
    phases=(Phase("all", scope="biases"),),
)

NORM_ONLY = Strategy(
    name="norm-only",
    title="the head and every normalisation train",
    citation="Frankle et al. 2021, Training BatchNorm and Only BatchNorm",
    phases=(Phase("all", scope="norms"),),
)
