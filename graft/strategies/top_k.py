"""The head and the last blocks train, everything below stays as the source left it."""

import re

from graft.strategies.strategy import Phase, Strategy

CITATION = "Yosinski et al. 2014, How transferable are features in deep neural networks?"

TOP_1 = Strategy("top-1", "the head and the last block train", CITATION, (Phase(1),))
TOP_2 = Strategy("top-2", "the head and the last two blocks train", CITATION, (Phase(2),))
TOP_HALF = Strategy("top-half", "the head and the upper half of the blocks train", CITATION, (Phase("half"),))


def top_k(name: str) -> Strategy:
    """Return the strategy `top-K` for any number K of blocks; raises KeyError for another name."""
    found = re.fullmatch(r"top-([1-9]\d*)", name)
    if found is None:
        raise KeyError(name)
    return Strategy(name, f"the head and the last {found[1]} blocks train", CITATION, (Phase(int(found[1])),))
