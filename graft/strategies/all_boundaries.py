"""As head2toe without the selection: one linear head on all that leaves the layer groups.

With a vector for each group there are hundreds of features or a few thousand, not the paper's hundred thousands, and a
study's steps are few: there selection can cost more than it brings.
"""

from graft.strategies.strategy import Phase, Strategy

ALL_BOUNDARIES = Strategy(
    name="all-boundaries",
    title="only the head trains, on the outputs of all groups",
    citation="Evci et al. 2022, Head2Toe (its baseline of all features)",
    phases=(Phase(0, reads="all"),),
)
