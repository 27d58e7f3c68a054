"""The head and the layer groups that the user names train; all others are frozen, those above them too."""

from graft.strategies.strategy import Phase, Strategy

CITATION = "Lee et al. 2023, Surgical Fine-Tuning Improves Adaptation to Distribution Shifts"
PREFIX = "layers:"


def named_layers(name: str) -> Strategy:
    """Return the strategy `layers:WORDS`: what `graft layers --match` takes, several joined by `+`.

    Raises KeyError for a name that is no such strategy.
    """
    words = tuple(filter(None, (" ".join(word.split()) for word in name.removeprefix(PREFIX).split("+"))))
    if not name.startswith(PREFIX) or not words:
        raise KeyError(name)
    return Strategy(name, f"the head and {' + '.join(words)} train", CITATION, (Phase(words),))
