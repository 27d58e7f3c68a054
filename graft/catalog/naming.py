"""What to write in place of a name that nobody knows."""

import difflib
from collections.abc import Iterator


def nearest(word: str, known: Iterator[str] | list[str]) -> str:
    """Return a `did you mean` clause for `word`, or the known names when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(names) or 'none yet'}"
