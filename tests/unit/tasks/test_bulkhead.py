"""Threads kept free for each provider and for callbacks."""

from contextlib import ExitStack

import pytest

from tasks.bulkhead import CALLBACKS, SLOW_CALLBACKS, Bulkhead, shares


def fill(stack: ExitStack, bulkhead: Bulkhead, name: str) -> int:
    """Take places until there is no room: how many it were."""
    taken = 0
    while stack.enter_context(bulkhead.place(name)):
        taken += 1
    return taken


def bulkhead(threads: int, *providers: str) -> Bulkhead:
    return Bulkhead(threads, shares(threads, providers))


def test_a_slow_provider_leaves_each_other_one_what_is_kept_for_it() -> None:
    crowded = bulkhead(16, "slow", "b", "c", "d")
    with ExitStack() as stack:
        assert fill(stack, crowded, "slow") == 16 - 3 * 2
        assert [fill(stack, crowded, name) for name in "bcd"] == [2, 2, 2]
        assert fill(stack, crowded, CALLBACKS) == 1


def test_however_many_are_slow_the_last_one_has_its_part() -> None:
    crowded = bulkhead(5, *"abcde")
    with ExitStack() as stack:
        assert [fill(stack, crowded, name) for name in "abcde"] == [1, 1, 1, 1, 1]


def test_alone_a_provider_has_all_threads() -> None:
    with ExitStack() as stack:
        assert fill(stack, bulkhead(8, "alone"), "alone") == 8


def test_callbacks_have_half_of_the_threads_at_most() -> None:
    with ExitStack() as stack:
        assert fill(stack, bulkhead(8, "alone"), CALLBACKS) == 4


def test_slow_backends_have_what_nobody_else_wants_but_always_one() -> None:
    idle, crowded = bulkhead(8, "alone"), bulkhead(8, "alone")
    with ExitStack() as stack:
        assert fill(stack, idle, SLOW_CALLBACKS) == 2
        assert fill(stack, crowded, "alone") == 8
        assert fill(stack, crowded, SLOW_CALLBACKS) == 1
        assert fill(stack, crowded, CALLBACKS) == 1


def test_slow_backends_take_nothing_that_is_kept_for_others() -> None:
    crowded = bulkhead(8, "a", "b")
    with ExitStack() as stack:
        fill(stack, crowded, SLOW_CALLBACKS)
        assert fill(stack, crowded, "a") >= 2
        assert fill(stack, crowded, "b") >= 2
        assert fill(stack, crowded, CALLBACKS) >= 1


def test_a_worker_of_one_thread_does_everything() -> None:
    for name in ("alone", CALLBACKS, SLOW_CALLBACKS):
        with bulkhead(1, "alone").place(name) as room:
            assert room


def test_a_place_is_free_again_whatever_happened_in_it() -> None:
    small = bulkhead(1, "p")
    with pytest.raises(ZeroDivisionError), small.place("p"):
        raise ZeroDivisionError
    with small.place("p") as room:
        assert room
