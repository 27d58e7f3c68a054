import pandas as pd
import pytest

from graft.checks.rule import Rule
from graft.checks.validation import validate
from graft.errors import BadInput, GraftError

ROWS = pd.DataFrame({"width": [4, 20, 90], "deviation": [0.0, 3.0, None]})
FACTS = pd.DataFrame([{"leaked_share": 0.25}])
RULES = [
    Rule("small", "", "rows", "width", "warning", low=8),
    Rule("wide", "", "rows", "width", "warning", low=1, high=50),
    Rule("any", "", "rows", "width", "error", low=1),
    Rule("blank", "", "rows", "deviation", "warning", low=0, above=True),
    Rule("leakage", "", "facts", "leaked_share", "error", high=0.1),
    Rule("tolerant", "", "facts", "leaked_share", "error", high=0.25),
]


def test_outcomes_name_the_rows_and_what_was_observed():
    found = {outcome.rule.name: outcome for outcome in validate(RULES, ROWS, FACTS)}
    assert list(found) == [rule.name for rule in RULES]
    assert {name: outcome.success for name, outcome in found.items()} == {
        "small": False,
        "wide": False,
        "any": True,
        "blank": False,
        "leakage": False,
        "tolerant": True,
    }
    assert found["small"].offending == (0,)
    assert found["wide"].offending == (2,)
    assert found["blank"].offending == (0,)
    assert [found[name].observed for name in ("small", "wide", "blank", "leakage")] == [4, 90, 0, 0.25]


def test_a_broken_check_is_not_bad_data():
    with pytest.raises(GraftError, match="check 'odd' is broken") as error:
        validate([Rule("odd", "", "rows", "colour", "error", low=1)], ROWS, FACTS)
    assert not isinstance(error.value, BadInput)
