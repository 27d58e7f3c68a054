"""What became of a model, in one line."""

import pytest

from tasks.results import decision_headline

DECISION = {"model": "words", "version": 2, "promoted": False, "awaits_approval": False, "champion_after": 1}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"promoted": True, "champion_after": 2}, "words@2 is champion"),
        ({"champion_after": 2}, "words@2 stays champion"),
        ({}, "words@2 is registered, not promoted; words@1 stays champion"),
        ({"awaits_approval": True}, "words@2 awaits approval; words@1 stays champion"),
        ({"awaits_approval": True, "champion_after": None}, "words@2 awaits approval; there is no champion"),
    ],
)
def test_the_headline_says_who_is_champion_and_who_waits(changed, expected):
    assert decision_headline({**DECISION, **changed}) == expected
