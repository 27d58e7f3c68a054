import pytest

from graft.backbones import layer_groups, select_groups
from graft.errors import CatalogError
from tests.conftest import BERT
from tests.networks import LANGUAGE, from_config


@pytest.fixture(scope="module")
def groups():
    return layer_groups(from_config(LANGUAGE, BERT, num_hidden_layers=8)())


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (0, ["head"]),
        (2, ["block 7", "block 8", "head"]),
        ("2", ["block 7", "block 8", "head"]),
        ("last 1", ["block 8", "head"]),
        ("top-1", ["block 8", "head"]),
        ("top-25%", ["block 7", "block 8", "head"]),
        ("last 3 blocks", ["block 6", "block 7", "block 8", "head"]),
        ("last 25 %", ["block 7", "block 8", "head"]),
        ("25%", ["block 7", "block 8", "head"]),
        (0.25, ["block 7", "block 8", "head"]),
        ("1 %", ["block 8", "head"]),
        ("block 3", ["block 3"]),
        (["head", "block 3", "stem", "head"], ["stem", "block 3", "head"]),
        ("block *", [f"block {i}" for i in range(1, 9)]),
        ("block [12]", ["block 1", "block 2"]),
        ("*.layer.2.*", ["block 3"]),
        ("*.layer.2", ["block 3"]),
        ("bert.pooler.*", ["head"]),
        ("*.word_embeddings.weight", ["stem"]),
        (["*.layer.0.attention.*", "head"], ["block 1", "head"]),
    ],
)
def test_groups_are_named_by_number_share_name_or_pattern(groups, wanted, names):
    assert select_groups(groups, wanted) == tuple(names)


def test_all_is_a_name(groups):
    assert select_groups(groups, "all") == tuple(group.name for group in groups)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (9, "'9': 9 blocks are asked for; this backbone has 8"),
        ("block 9", "'block 9': no group of that name; this backbone has 8"),
        ("haed", "'haed': no group of that name"),
        ("*.layer.8.*", r"matches no group and no module path, such as 'bert\.encoder\.layer"),
        ("*", "'\\*': matches every group; write 'all'"),
        ("150 %", "a share lies above 0"),
        (0.0, "a share lies above 0"),
        (True, "expected a number"),
        ([], "nothing is named"),
    ],
)
def test_what_cannot_be_resolved_is_said_with_the_groups_there_are(groups, wanted, message):
    with pytest.raises(CatalogError, match=message) as raised:
        select_groups(groups, wanted)
    assert "stem, block 1, block 2" in str(raised.value)


def test_every_problem_is_listed_at_once(groups):
    with pytest.raises(CatalogError) as raised:
        select_groups(groups, ["block 12", "head", "*.nothing.*", 30])
    assert len(raised.value.problems) == 3
