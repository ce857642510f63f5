"""Slots: how many messages of each queue a worker may process at once."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count

import pytest

from tasks.queues import DOCUMENTS, NOTIFY, SUBMIT, SWEEPS, poll_queue
from workers.bulkhead import MAX_DELAY, MIN_DELAY, SLOT_TIMEOUT, Bulkhead, create_bulkhead

OTHERS = [SUBMIT, SWEEPS, NOTIFY, DOCUMENTS]


@dataclass
class Worker:
    """The slots of a worker, with a clock of its own; it claims as `claim_messages.lua` does."""

    slots: Bulkhead
    now: float = 0.0
    tags: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.slots.clock = lambda: self.now

    def claim(self, queue: str, most: int = 1_000) -> list[str]:
        """Claim as many messages as there are free slots; return their names."""
        claimed: list[str] = []
        while len(claimed) < most:
            shared, queues = self.slots.capacity()
            reserved, total = queues[queue]
            if not min(total, reserved + shared):
                break
            claimed.append(f"message {next(self.tags)}")
            self.slots.occupy(queue, claimed[-1])
        return claimed


def worker(concurrency: int, *providers: str) -> Worker:
    polls = [poll_queue(provider) for provider in providers]
    return Worker(create_bulkhead(concurrency, [*OTHERS, *polls], polls))


def test_a_slow_provider_leaves_every_other_queue_its_reserved_slots() -> None:
    crowded = worker(16, "slow", "b", "c", "d")
    assert len(crowded.claim(poll_queue("slow"))) == 16 - 3 * 2
    assert [len(crowded.claim(poll_queue(name))) for name in "bcd"] == [2, 2, 2]
    assert [len(crowded.claim(queue)) for queue in (SUBMIT, SWEEPS, DOCUMENTS)] == [1, 2, 1]
    assert len(crowded.claim(NOTIFY)) == 5, "one more than slow backends may occupy"


def test_every_slot_has_a_thread() -> None:
    for concurrency in (1, 4, 8, 32):
        for order in (1, -1):
            crowded = worker(concurrency, *"abcde")
            queues = [*OTHERS, *map(poll_queue, "abcde")][::order]
            assert sum(len(crowded.claim(queue)) for queue in queues) <= crowded.slots.threads


def test_however_many_providers_are_slow_the_last_one_has_its_slot() -> None:
    crowded = worker(5, *"abcde")
    assert [len(crowded.claim(poll_queue(name))) for name in "abcde"] == [1, 1, 1, 1, 1]


def test_a_single_provider_has_all_slots() -> None:
    assert len(worker(8, "alone").claim(poll_queue("alone"))) == 8


def test_sweeps_have_reserved_slots_that_polls_cannot_take() -> None:
    idle, crowded = worker(16, "alone"), worker(16, "alone")
    assert len(idle.claim(SWEEPS)) == 4
    crowded.claim(poll_queue("alone"))
    assert len(crowded.claim(SWEEPS)) == 2


def test_a_worker_of_some_queues_reserves_nothing_for_the_others() -> None:
    polls = [poll_queue("a"), poll_queue("b")]
    slots = create_bulkhead(8, [poll_queue("a")], polls)
    assert slots.threads == 8
    assert len(Worker(slots).claim(poll_queue("a"))) == 8
    assert create_bulkhead(4, [SWEEPS], polls).threads == 6


def test_a_slot_is_free_again_when_its_message_is_acknowledged() -> None:
    crowded = worker(8, "slow", "b")
    held = crowded.claim(poll_queue("slow"))
    assert crowded.claim(poll_queue("slow")) == []
    for message in held[:2]:
        crowded.slots.release(message)
        crowded.slots.release(message)
    assert len(crowded.claim(poll_queue("slow"))) == 2


def test_the_slot_of_a_lost_message_is_free_again_after_the_timeout() -> None:
    crowded = worker(8, "slow")
    crowded.claim(poll_queue("slow"), 4)
    crowded.now += SLOT_TIMEOUT / 2
    held = crowded.claim(poll_queue("slow"))
    crowded.now += SLOT_TIMEOUT / 2
    assert len(crowded.claim(poll_queue("slow"))) == 4
    crowded.slots.release(held[0])
    assert len(crowded.claim(poll_queue("slow"))) == 1


def test_a_message_that_got_its_slot_when_claimed_needs_no_other() -> None:
    crowded = worker(8, "slow")
    crowded.slots.assigned_on_claim = True
    crowded.claim(poll_queue("slow"))
    with crowded.slots.slot(poll_queue("slow")) as wait:
        assert wait == 0


def test_without_claims_messages_without_a_slot_are_retried_one_by_one() -> None:
    """Over RabbitMQ, which delivers without asking."""
    crowded = worker(8, "slow", "b")
    slow = poll_queue("slow")
    with crowded.slots.slot(slow):
        crowded.now += 8
    with ExitStack() as stack:
        waits = [stack.enter_context(crowded.slots.slot(slow)) for _ in range(200)]
        with crowded.slots.slot(poll_queue("b")) as wait:
            assert wait == 0
    assert waits[:6] == [0.0] * 6
    postponed = waits[6:]
    assert min(postponed) >= MIN_DELAY
    assert max(postponed) <= MAX_DELAY
    assert sorted(postponed[:40]) == postponed[:40]
    assert postponed[30] > 8, "no sooner than the slot will be free"
    with crowded.slots.slot(slow) as wait:
        assert wait == 0


def test_a_slot_is_free_again_after_an_exception() -> None:
    small = worker(1, "p")
    with pytest.raises(ZeroDivisionError), small.slots.slot(poll_queue("p")):
        raise ZeroDivisionError
    with small.slots.slot(poll_queue("p")) as wait:
        assert wait == 0


def test_a_queue_without_a_quota_is_not_limited() -> None:
    with worker(1, "p").slots.slot("other") as wait:
        assert wait == 0


def test_a_released_slot_is_reported_once_where_a_queue_has_none() -> None:
    crowded = worker(8, "slow", "b")
    reported: list[str] = []
    crowded.slots.on_release = lambda: reported.append("free")
    held = crowded.claim(poll_queue("b"), 1)
    crowded.slots.release(held.pop())
    assert reported == [], "nobody waits"
    held = crowded.claim(poll_queue("slow"))
    for message in held[:3]:
        crowded.slots.release(message)
    assert reported == ["free"], "one claim finds them all"
    crowded.claim(poll_queue("slow"))
    crowded.slots.release(held[3])
    assert reported == ["free", "free"]


def test_slots_are_divided_anew_while_messages_keep_theirs() -> None:
    crowded = worker(8, "slow")
    held = crowded.claim(poll_queue("slow"))
    assert len(held) == 8
    crowded.slots.divide(worker(8, "slow", "new").slots)
    assert len(crowded.claim(poll_queue("new"))) == 2, "its reserved slots, though the slow provider has all others"
    for message in held:
        crowded.slots.release(message)
    assert len(crowded.claim(poll_queue("slow"))) == 6


def test_a_message_of_a_queue_that_is_no_longer_served_frees_its_slot() -> None:
    crowded = worker(8, "old", "b")
    [message] = crowded.claim(poll_queue("old"), 1)
    crowded.slots.divide(worker(8, "b").slots)
    assert len(crowded.claim(poll_queue("b"))) == 8
    crowded.slots.release(message)
    assert crowded.claim(poll_queue("b")) == []
