"""Threads kept free for each provider."""

from contextlib import ExitStack

import pytest

from tasks.bulkhead import Bulkhead


def fill(stack: ExitStack, bulkhead: Bulkhead, provider: str) -> int:
    """Take places until there is no room: how many it were."""
    taken = 0
    while stack.enter_context(bulkhead.place(provider)):
        taken += 1
    return taken


def test_a_slow_provider_leaves_each_other_one_what_is_kept_for_it() -> None:
    bulkhead = Bulkhead(16, ["slow", "b", "c", "d"])
    with ExitStack() as stack:
        assert fill(stack, bulkhead, "slow") == 16 - 3 * 2
        assert [fill(stack, bulkhead, name) for name in "bcd"] == [2, 2, 2]


def test_however_many_are_slow_the_last_one_has_its_part() -> None:
    bulkhead = Bulkhead(5, ["a", "b", "c", "d", "e"])
    with ExitStack() as stack:
        assert [fill(stack, bulkhead, name) for name in "abcde"] == [1, 1, 1, 1, 1]


def test_alone_a_provider_has_all_threads() -> None:
    bulkhead = Bulkhead(8, ["alone"])
    with ExitStack() as stack:
        assert fill(stack, bulkhead, "alone") == 8


def test_who_has_no_part_gets_what_nobody_else_wants_and_always_one() -> None:
    bulkhead = Bulkhead(8, ["a", "b"])
    with ExitStack() as stack:
        assert fill(stack, bulkhead, "documents") == 8 - 2 * 2
        assert [fill(stack, bulkhead, name) for name in "ab"] == [2, 2]
    crowded = Bulkhead(1, ["a"])
    with ExitStack() as stack:
        assert fill(stack, crowded, "a") == 1
        assert fill(stack, crowded, "documents") == 1


def test_a_place_is_free_again_whatever_happened_in_it() -> None:
    bulkhead = Bulkhead(1, ["p"])
    with pytest.raises(ZeroDivisionError), bulkhead.place("p"):
        raise ZeroDivisionError
    with bulkhead.place("p") as room:
        assert room
