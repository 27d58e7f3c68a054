"""Several writers with views of their own, interrupted by each other at the worst moment, against a list of events.

A stateful test: hypothesis chooses who does what, and what another writer does between the look and the write.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from graft.errors import Fenced, RegistryError
from graft.registry.claims import claimed
from graft.registry.events import Promoted, RolledBack, dump
from graft.registry.fold import fold
from graft.registry.log import Log
from graft.storage import MemoryStore
from tests.graft.registry.writers import (
    about,
    promote_newest,
    propose_newest,
    register,
    reject_newest,
    roll_back,
)

BY_HAND = st.sampled_from([register, promote_newest, propose_newest, reject_newest, roll_back])
WRITERS = st.integers(0, 2)


class Writers(RuleBasedStateMachine):
    """`told` is what was acknowledged, in order; `holder` is the writer whose claim is the newest."""

    def __init__(self):
        super().__init__()
        self.store = MemoryStore()
        self.logs = [Log(self.store) for _ in range(3)]
        self.claims = {}
        self.told, self.holder = [], None

    def say(self, writer, decide):
        event = self.logs[writer].append("m", decide)[1]
        if event is not None:
            self.told.append(event)
        return event

    @rule(writer=WRITERS, action=BY_HAND)
    def decide_by_hand(self, writer, action):
        self.say(writer, action)

    @rule(writer=WRITERS)
    def begin_a_run(self, writer):
        self.claims[writer] = self.say(writer, lambda state: claimed(state, f"run of {writer}")).claim
        self.holder = writer

    @rule(writer=WRITERS)
    def publish_under_a_claim(self, writer):
        if writer not in self.claims:
            return
        if self.holder == writer:
            self.say(writer, lambda state: register(state, f"run {writer}", self.claims[writer]))
            return
        with pytest.raises(Fenced, match=f"run of {self.holder}"):
            self.logs[writer].append("m", lambda state: register(state, f"run {writer}", self.claims[writer]))

    @rule(writer=WRITERS, other=WRITERS, mine=BY_HAND, theirs=BY_HAND)
    def be_overtaken(self, writer, other, mine, theirs):
        """Another writer is done between this one's look and its write: this one has to look again."""
        if writer == other:
            return
        looks = []

        def decide(state):
            looks.append(state)
            if len(looks) == 1:
                self.say(other, theirs)
            assert len(looks) == 1 or len(state.history) == len(self.told)
            return mine(state)

        self.say(writer, decide)

    @rule(writer=WRITERS)
    def try_what_cannot_follow(self, writer):
        """Nothing that the fold refuses reaches the store."""
        before = self.store.list()
        with pytest.raises(RegistryError, match="no such version"):
            self.logs[writer].append("m", lambda state: Promoted(**about(state, len(state.versions) + 1, "x")))
        assert self.store.list() == before

    @invariant()
    def every_reader_sees_what_was_told_in_that_order(self):
        states = [log.read("m") for log in [*self.logs, Log(self.store)]]
        assert all(state == states[0] for state in states)
        assert list(states[0].history) == self.told
        assert states[0] == fold("m", self.told)
        assert [self.store.get(key) for key in self.store.list("events/m")] == [dump(event) for event in self.told]

    @invariant()
    def the_champion_is_the_last_promotion_that_was_not_rolled_back(self):
        champions = []
        for event in self.told:
            if isinstance(event, Promoted):
                champions.append(event.version)
            elif isinstance(event, RolledBack):
                champions.pop()
        assert self.logs[0].read("m").champion == (champions[-1] if champions else None)


Writers.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestWriters = Writers.TestCase
