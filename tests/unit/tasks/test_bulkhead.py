"""A provider's share of the threads."""

import pytest

from tasks.bulkhead import Bulkhead


@pytest.mark.parametrize(("threads", "providers", "share"), [(32, 5, 6), (4, 5, 1), (8, 1, 8), (8, 0, 8)])
def test_threads_are_shared_equally_and_nobody_gets_none(threads: int, providers: int, share: int) -> None:
    assert Bulkhead(threads, providers).share == share


def test_a_full_provider_has_no_room_and_the_others_do() -> None:
    bulkhead = Bulkhead(4, 2)
    with bulkhead.place("slow") as first, bulkhead.place("slow") as second, bulkhead.place("slow") as third:
        assert (first, second, third) == (True, True, False)
        with bulkhead.place("quick") as other:
            assert other


def test_a_place_is_free_again_whatever_happened_in_it() -> None:
    bulkhead = Bulkhead(1, 1)
    with pytest.raises(ZeroDivisionError), bulkhead.place("p"):
        raise ZeroDivisionError
    with bulkhead.place("p") as room:
        assert room
