"""Selecting an order's tickets from a user's list."""

import pytest

from willcall.orders.model import Ticket, TicketKind
from willcall.orders.user_lists import Ownership, Purchase, select_tickets, ticket_keys


def purchase(name: str, size: int = 1, at: float | None = None) -> Purchase:
    return Purchase(tuple(Ticket(TicketKind.BARCODE, code=f"{name}-{n}") for n in range(size)), at)


def test_a_purchase_of_the_right_size_is_preferred_to_parts_of_others() -> None:
    lists = [purchase("a", 3, at=1), purchase("b", 2, at=2), purchase("c", 2, at=3)]
    assert select_tickets(lists, 2, Ownership()) == lists[1].tickets
    others = ticket_keys(lists[1].tickets[:1])
    assert select_tickets(lists, 2, Ownership(other_orders=others)) == lists[2].tickets


@pytest.mark.parametrize("quantity", [1, 2, 1_000])
def test_a_long_list_is_not_compared_pair_by_pair(quantity: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [purchase(f"p{n}") for n in range(1_000)]
    compared = 0
    equal = Ticket.__eq__

    def counting(one: Ticket, two: object) -> bool:
        nonlocal compared
        compared += 1
        return equal(one, two)

    monkeypatch.setattr(Ticket, "__eq__", counting)
    assert len(select_tickets(lists, quantity, Ownership())) == quantity
    assert compared < 20_000
