"""The head and the last blocks train, everything below stays as the source left it."""

import re

from graft.strategies.strategy import Phase, Strategy

CITATION = "Yosinski et al. 2014, How transferable are features in deep neural networks?"
WORDS = re.compile(r"(?:top-|last +)(?P<number>\d+(?:\.\d+)?)(?P<percent> *%)?(?: blocks?)?")

TOP_1 = Strategy("top-1", "the head and the last block train", CITATION, (Phase(1),))
TOP_2 = Strategy("top-2", "the head and the last two blocks train", CITATION, (Phase(2),))
TOP_HALF = Strategy("top-half", "the head and the upper half of the blocks train", CITATION, (Phase("half"),))


def top_k(name: str) -> Strategy:
    """Return the strategy `top-K` for any number K of blocks, or `top-P%` for any share of them; "last" is "top-".

    Raises KeyError for another name, and for none of the blocks or more than all of them.
    """
    found = WORDS.fullmatch(name)
    number = float(found["number"]) if found else 0.0
    if found is None or not number:
        raise KeyError(name)
    if found["percent"] and number <= 100:
        share = f"last {found['number']} %"  # as `graft layers --match` takes it
        return Strategy(name, f"the head and the {share} of the blocks train", CITATION, (Phase((share,)),))
    if found["percent"] or not number.is_integer():
        raise KeyError(name)
    return Strategy(name, f"the head and the last {number:.0f} blocks train", CITATION, (Phase(int(number)),))
