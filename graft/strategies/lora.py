"""Low-rank adapters beside every linear layer of the blocks; they are merged into the weights at the end."""

from graft.strategies.strategy import Phase, Strategy

LORA = Strategy(
    name="lora",
    title="the head and adapters of rank 8 on the blocks' linear layers train",
    citation="Hu et al. 2022, LoRA: Low-Rank Adaptation of Large Language Models, section 4.1",
    phases=(Phase("all", rank=8),),
)
