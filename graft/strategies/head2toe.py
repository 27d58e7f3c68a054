"""Nothing below the head trains, and the head reads every boundary, not the last alone.

Of the paper: the linear head on the pooled outputs of all groups, each of length 1; the group lasso that ranks
features, the fraction kept by the norms of their weights, and a new head on those alone (section 3.2). Left out:
features within a block (the paper reads every layer, here what leaves a layer group), pooling to several places of a
map (here to one), and the choice of fraction and strength for each target.
"""

from graft.strategies.strategy import Phase, Strategy

LASSO = 1e-4  # the default of the authors' code
KEPT = 0.8  # they keep 0.01 to 0.2, of a thousand times as many features; of 128 on the digits, 0.5 was worse
HEAD2TOE = Strategy(
    name="head2toe",
    title="only the head trains, on the outputs of all groups: on every feature, then on the 80 % that matter most",
    citation="Evci et al. 2022, Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning",
    phases=(
        Phase(0, share=0.25, reads="all", lasso=LASSO),
        Phase(0, share=0.75, reads="all", kept=KEPT),
    ),
)
