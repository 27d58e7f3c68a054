import copy
from collections import Counter
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from graft.backbones import Freeze, layer_groups
from graft.training.activations import Activations
from graft.training.feed import Feed
from graft.training.recording import record
from tests.networks import NETWORKS, ROWS

ROOM = 2**30
BOUNDARIES = [(name, k) for name, network in NETWORKS.items() for k in range(1, network.blocks + 2)]


def feed(network):
    def inputs(rows):
        return {name: value for name, value in network.batch(rows).items() if name != "labels"}

    return Feed(inputs, [str(row) for row in range(ROWS)])


@pytest.fixture(scope="module")
def cached():
    """Return a function that gives a network's model with its prefix of all boundaries, both made once."""
    made = {}

    def get(name):
        if name not in made:
            torch.set_num_threads(1)
            network = NETWORKS[name]
            model = network.build()
            made[name] = model, record(model, feed(network), range(1, network.blocks + 2), Activations(ROOM), 5)
        return made[name]

    return get


def train_step(model, network, rows, replay):
    """Return loss and gradients of a step; dropout of what trains draws the same numbers each time."""
    model.zero_grad(set_to_none=True)
    torch.manual_seed(7)
    with replay as player:
        if player is not None:
            player(rows)
        loss = model(**network.batch(rows)).loss
        loss.backward()
    return loss.detach(), {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize(("name", "boundary"), BOUNDARIES)
def test_cached_equals_uncached_to_the_bit_loss_and_gradients(cached, name, boundary):
    model, prefix = cached(name)
    assert prefix.off == {}
    model = copy.deepcopy(model)  # training moves the statistics of what trains
    Freeze(model, [group.name for group in layer_groups(model)][boundary:]).set_train(model)
    rows = [7, 2, 11, 0, 5]
    expected, gradients = train_step(model, NETWORKS[name], rows, nullcontext())
    found, played = train_step(model, NETWORKS[name], rows, prefix.replay(model, boundary))
    assert torch.equal(found, expected)
    assert gradients.keys() == played.keys()
    for path, gradient in gradients.items():
        assert (gradient is None) == (played[path] is None), path
        assert gradient is None or torch.equal(gradient, played[path]), path
    assert any(gradient is not None for gradient in gradients.values())


def count_calls(model, groups):
    """Count how often each leaf module of some groups computes."""
    ran = Counter()
    for path, module in model.named_modules():
        if not list(module.children()) and any(group.owns(path) for group in groups):

            def forward(*args, path=path, own=module.forward, **kwargs):
                ran[path] += 1
                return own(*args, **kwargs)

            module.forward = forward
    return ran


@pytest.mark.parametrize("name", NETWORKS)
def test_recording_runs_the_prefix_once_for_all_boundaries(name, monkeypatch):
    network = NETWORKS[name]
    model = network.build()
    monkeypatch.setattr("graft.training.prefix.Prefix.verify", lambda *args: {})
    monkeypatch.setattr("graft.training.recording.RECORDED", 4)
    monkeypatch.setattr("graft.training.recording.FEWEST", 4)
    ran = count_calls(model, layer_groups(model)[:1])
    prefix = record(model, feed(network), range(1, network.blocks + 2), Activations(ROOM), 5)
    assert len(prefix.boundaries) == network.blocks + 1
    other = network.build()
    once = count_calls(other, layer_groups(other)[:1])
    other(**network.batch(range(4)))
    assert ran == {path: ROWS // 4 * count for path, count in once.items()}  # three batches of four rows


@pytest.mark.parametrize(("name", "boundary"), [(name, k) for name, k in BOUNDARIES if k in (1, 3)])
def test_replay_runs_no_frozen_module_and_all_others(cached, name, boundary):
    model, prefix = cached(name)
    model = copy.deepcopy(model).requires_grad_(False)
    groups = layer_groups(model)
    frozen, others = count_calls(model, groups[:boundary]), count_calls(model, groups[boundary:])
    with torch.no_grad(), prefix.replay(model, boundary) as player:
        player([3, 1])
        model(**NETWORKS[name].batch([3, 1]))
    assert not frozen
    assert others


def state(model):
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    attributes = [dict(module.__dict__) for module in model.modules()]
    return weights, modes, [weight.requires_grad for weight in model.parameters()], [set(one) for one in attributes]


def equal(first, second):
    weights = first[0].keys() == second[0].keys() and all(torch.equal(v, second[0][k]) for k, v in first[0].items())
    return weights and first[1:] == second[1:]


@pytest.mark.parametrize("name", ["bert", "resnet"])
def test_a_model_is_as_it_was_after_recording_and_replay_and_after_an_error(name):
    network = NETWORKS[name]
    model = network.build()
    Freeze(model, ["block 3", "head"]).set_train(model)
    before = state(model)
    prefix = record(model, feed(network), [1, 3], Activations(ROOM), 5)
    assert equal(state(model), before)
    with prefix.replay(model, 3):
        assert model.state_dict().keys() == before[0].keys()  # a checkpoint taken meanwhile is whole
    assert equal(state(model), before)
    with pytest.raises(RuntimeError, match="name the rows"), prefix.replay(model, 3):
        model(**network.batch([0, 1]))
    assert equal(state(model), before)


def test_frozen_modules_are_in_no_graph(cached):
    model, prefix = cached("bert")
    model = copy.deepcopy(model)
    Freeze(model, ["head"]).set_train(model)
    seen = []
    model.bert.encoder.layer[2].register_forward_hook(lambda module, args, output: seen.append(output))
    with prefix.replay(model, 4) as player:
        player([0, 1])
        model(**NETWORKS["bert"].batch([0, 1]))
    assert seen[0].grad_fn is None
    with prefix.replay(model, 4) as player:
        player([0, 1])
        first = model.bert.encoder.layer[0](None)
    assert first.untyped_storage().nbytes() == first.element_size()  # one zero, shown as a whole batch


def test_what_cannot_be_replayed_is_refused(cached):
    model, prefix = cached("bert")
    with pytest.raises(ValueError, match="stem trains"), prefix.replay(copy.deepcopy(model), 2):
        pass
    frozen = copy.deepcopy(model).requires_grad_(False)
    with pytest.raises(ValueError, match="boundary 7: was not recorded"), prefix.replay(frozen, 7):
        pass
    with prefix.replay(frozen, 1) as player:
        player([0])
        frozen(**NETWORKS["bert"].batch([0]))
        with pytest.raises(RuntimeError, match="name the rows of each pass"):
            frozen(**NETWORKS["bert"].batch([0]))
    frozen.bert.encoder.layer[0].output.dense.weight[0, 0] += 1
    with pytest.raises(ValueError, match="not those that were recorded"), prefix.replay(frozen, 2):
        pass


def test_a_trial_takes_the_deepest_boundary_that_it_keeps_frozen():
    network = NETWORKS["vit"]
    prefix = record(network.build(), feed(network), [1, 3], Activations(ROOM), 5)
    assert [prefix.deepest(frozen) for frozen in range(5)] == [0, 1, 1, 3, 3]


class Chain(nn.Module):
    """Blocks in a row; `mix` makes the output of what the blocks and the head gave."""

    def __init__(self, mix):
        super().__init__()
        self.stem, self.blocks = nn.Linear(4, 8), nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
        self.head, self.mix = nn.Linear(8, 4), mix

    def forward(self, x):
        seen = [self.stem(x)]
        for block in self.blocks:
            seen.append(torch.relu(block(seen[-1])))
        return self.mix(self, seen)


def build_chain(mix):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Chain(mix).eval()


def chain_feed():
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    return Feed(lambda rows: {"x": x[list(rows)]}, [str(row) for row in range(40)])


def test_the_last_output_alone_is_kept_where_it_is_enough():
    activations = Activations(ROOM)
    record(build_chain(lambda model, seen: model.head(seen[-1])), chain_feed(), [2, 4], activations, 16)
    assert activations.used_bytes == 2 * 40 * 8 * 4


def test_the_outputs_of_all_frozen_groups_are_kept_where_a_later_part_reads_two(caplog):
    activations = Activations(ROOM)
    model = build_chain(lambda model, seen: model.head(seen[1] + seen[-1]))  # as a feature pyramid does
    with caplog.at_level("INFO"):
        prefix = record(model, chain_feed(), [2, 4], activations, 16)
    assert prefix.boundaries == (2, 4)
    assert "boundary 4 needs more than 1 output(s): max difference" in caplog.text
    assert activations.used_bytes == 4 * 40 * 8 * 4  # of the stem and of three blocks
    model.requires_grad_(False)
    x = chain_feed().inputs([5, 9, 2])
    expected = model(**x)
    with prefix.replay(model, 4) as player:
        player([5, 9, 2])
        assert torch.equal(model(**x), expected)


def test_real_zeros_are_given_to_a_model_that_writes_into_them(caplog):
    def mix(model, seen):
        seen[0][:, 0] += 1
        return model.head(seen[-1])

    with caplog.at_level("INFO"):
        prefix = record(build_chain(mix), chain_feed(), [3], Activations(ROOM), 16)
    assert prefix.boundaries == (3,)
    assert "needs more than 1 output(s)" in caplog.text


def test_a_frozen_module_that_runs_after_a_trained_one_turns_the_cache_off(caplog):
    prefix = record(
        build_chain(lambda model, seen: model.head(model.blocks[0](seen[-1]))),
        chain_feed(),
        [1, 2],
        Activations(ROOM),
        16,
    )
    assert prefix.boundaries == (1,)
    assert "blocks.0 (block 1) runs after blocks.1, which trains" in prefix.off[2]
    assert "no prefix cache for the first 2 layer groups" in caplog.text


def test_a_network_whose_rows_depend_on_their_company_has_no_cache():
    prefix = record(
        build_chain(lambda model, seen: model.head(seen[-1])), mean_feed := chain_feed(), [2], Activations(ROOM), 16
    )
    assert prefix.boundaries == (2,)
    model = build_chain(lambda model, seen: model.head(seen[-1]))
    model.stem.register_forward_hook(lambda module, args, output: output - output.mean(0))
    prefix = record(model, mean_feed, [2], Activations(ROOM), 16)
    assert prefix.boundaries == ()
    assert "max difference" in prefix.off[2]


def test_an_output_that_holds_state_turns_the_cache_off():
    model = build_chain(lambda model, seen: model.head(seen[-1]))
    model.blocks[0].register_forward_hook(lambda module, args, output: Plain(output))
    model.blocks[1].register_forward_pre_hook(lambda module, args: args)
    model.forward = lambda x: model.head(model.blocks[0](model.stem(x)).value)
    prefix = record(model, chain_feed(), [1, 2], Activations(ROOM), 16)
    assert prefix.boundaries == (1,)
    assert "which cannot be stored" in prefix.off[2]


class Plain:
    def __init__(self, value):
        self.value = value


def test_a_block_that_is_called_twice_plays_its_second_call():
    model = build_chain(lambda model, seen: model.head(seen[-1]))
    model.forward = lambda x: model.head(model.blocks[0](torch.relu(model.blocks[0](model.stem(x)))))
    prefix = record(model, chain_feed(), [2], Activations(ROOM), 16)
    model.requires_grad_(False)
    expected = model(chain_feed().inputs([4, 7])["x"])
    with prefix.replay(model, 2) as player:
        player([4, 7])
        assert torch.equal(model(chain_feed().inputs([4, 7])["x"]), expected)


def test_boundaries_that_the_network_does_not_have_are_refused():
    network = NETWORKS["vit"]
    with pytest.raises(ValueError, match=r"boundaries \[0, 2, 9\] of 5 groups"):
        record(network.build(), feed(network), [0, 2, 9], Activations(ROOM), 5)


def test_what_is_recorded_is_what_the_module_gave_whatever_is_written_into_it_next():
    model = build_chain(lambda model, seen: model.head(seen[-1]))
    model.forward = lambda x: model.head(model.blocks[0](model.stem(x).add_(1)))
    prefix = record(model, chain_feed(), [1], Activations(ROOM), 16)
    assert prefix.boundaries == (1,)
