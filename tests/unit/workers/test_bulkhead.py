"""Places: how many messages of each queue a worker may have in hand."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count

import pytest

from tasks.queues import DOCUMENTS, NOTIFY, SUBMIT, SWEEPS, poll_queue
from workers.bulkhead import LONGEST_HELD, LONGEST_WAIT, Bulkhead, bulkhead
from workers.host_lines import SOONEST

OTHERS = [SUBMIT, SWEEPS, NOTIFY, DOCUMENTS]


@dataclass
class Worker:
    """The places of a worker, by a clock of the test's own; it claims as `claim.lua` does."""

    places: Bulkhead
    now: float = 0.0
    tags: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.places.clock = lambda: self.now

    def claim(self, queue: str, most: int = 1_000) -> list[str]:
        """Claim what there is room for: the names of the messages."""
        claimed: list[str] = []
        while len(claimed) < most:
            spare, rooms = self.places.rooms()
            own, limit = rooms[queue]
            if not min(limit, own + spare):
                break
            claimed.append(f"message {next(self.tags)}")
            self.places.take(queue, claimed[-1])
        return claimed


def worker(concurrency: int, *providers: str) -> Worker:
    polls = [poll_queue(provider) for provider in providers]
    return Worker(bulkhead(concurrency, [*OTHERS, *polls], polls))


def test_a_slow_provider_leaves_each_other_queue_what_is_kept_for_it() -> None:
    crowded = worker(16, "slow", "b", "c", "d")
    assert len(crowded.claim(poll_queue("slow"))) == 16 - 3 * 2
    assert [len(crowded.claim(poll_queue(name))) for name in "bcd"] == [2, 2, 2]
    assert [len(crowded.claim(queue)) for queue in (SUBMIT, SWEEPS, DOCUMENTS)] == [1, 2, 1]
    assert len(crowded.claim(NOTIFY)) == 5, "one more than slow backends may hold"


def test_whatever_has_a_place_has_a_thread() -> None:
    for concurrency in (1, 4, 8, 32):
        for order in (1, -1):
            crowded = worker(concurrency, *"abcde")
            queues = [*OTHERS, *map(poll_queue, "abcde")][::order]
            assert sum(len(crowded.claim(queue)) for queue in queues) <= crowded.places.threads


def test_however_many_are_slow_the_last_one_has_its_part() -> None:
    crowded = worker(5, *"abcde")
    assert [len(crowded.claim(poll_queue(name))) for name in "abcde"] == [1, 1, 1, 1, 1]


def test_alone_a_provider_has_all_threads() -> None:
    assert len(worker(8, "alone").claim(poll_queue("alone"))) == 8


def test_sweeps_have_a_small_share_which_nobody_else_takes() -> None:
    idle, crowded = worker(16, "alone"), worker(16, "alone")
    assert len(idle.claim(SWEEPS)) == 4
    crowded.claim(poll_queue("alone"))
    assert len(crowded.claim(SWEEPS)) == 2


def test_a_worker_of_some_queues_keeps_nothing_for_the_others() -> None:
    polls = [poll_queue("a"), poll_queue("b")]
    places = bulkhead(8, [poll_queue("a")], polls)
    assert places.threads == 8
    assert len(Worker(places).claim(poll_queue("a"))) == 8
    assert bulkhead(4, [SWEEPS], polls).threads == 6


def test_a_place_is_free_again_when_its_message_is_done_with() -> None:
    crowded = worker(8, "slow", "b")
    held = crowded.claim(poll_queue("slow"))
    assert crowded.claim(poll_queue("slow")) == []
    for message in held[:2]:
        crowded.places.free(message)
        crowded.places.free(message)
    assert len(crowded.claim(poll_queue("slow"))) == 2


def test_a_place_whose_message_was_lost_is_free_again_at_last() -> None:
    crowded = worker(8, "slow")
    crowded.claim(poll_queue("slow"), 4)
    crowded.now += LONGEST_HELD / 2
    held = crowded.claim(poll_queue("slow"))
    crowded.now += LONGEST_HELD / 2
    assert len(crowded.claim(poll_queue("slow"))) == 4
    crowded.places.free(held[0])
    assert len(crowded.claim(poll_queue("slow"))) == 1


def test_what_was_claimed_into_a_place_needs_no_other() -> None:
    crowded = worker(8, "slow")
    crowded.places.claiming = True
    crowded.claim(poll_queue("slow"))
    with crowded.places.enter(poll_queue("slow")) as wait:
        assert wait == 0


def test_without_claims_those_without_a_place_come_back_one_after_the_other() -> None:
    """Over RabbitMQ, which delivers what it likes."""
    crowded = worker(8, "slow", "b")
    slow = poll_queue("slow")
    with crowded.places.enter(slow):
        crowded.now += 8
    with ExitStack() as stack:
        waits = [stack.enter_context(crowded.places.enter(slow)) for _ in range(200)]
        with crowded.places.enter(poll_queue("b")) as wait:
            assert wait == 0
    assert waits[:6] == [0.0] * 6
    put_off = waits[6:]
    assert min(put_off) >= SOONEST
    assert max(put_off) <= LONGEST_WAIT
    assert sorted(put_off[:40]) == put_off[:40]
    assert put_off[30] > 8, "no sooner than the place will be free"
    with crowded.places.enter(slow) as wait:
        assert wait == 0


def test_a_place_is_free_again_whatever_happened_in_it() -> None:
    small = worker(1, "p")
    with pytest.raises(ZeroDivisionError), small.places.enter(poll_queue("p")):
        raise ZeroDivisionError
    with small.places.enter(poll_queue("p")) as wait:
        assert wait == 0


def test_a_queue_that_nobody_has_a_share_of_is_not_limited() -> None:
    with worker(1, "p").places.enter("other") as wait:
        assert wait == 0


def test_whoever_frees_a_place_says_so_once_where_a_queue_has_none() -> None:
    crowded = worker(8, "slow", "b")
    said: list[str] = []
    crowded.places.on_free = lambda: said.append("free")
    held = crowded.claim(poll_queue("b"), 1)
    crowded.places.free(held.pop())
    assert said == [], "nobody waits"
    held = crowded.claim(poll_queue("slow"))
    for message in held[:3]:
        crowded.places.free(message)
    assert said == ["free"], "one look finds them all"
    crowded.claim(poll_queue("slow"))
    crowded.places.free(held[3])
    assert said == ["free", "free"]
