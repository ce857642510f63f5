"""Which tickets are the same, whom they let in, and what becomes of an order's tickets."""

from dataclasses import replace
from typing import Any

import pytest

from willcall.orders import ticket_merging
from willcall.orders.model import Ticket, TicketKind, TicketStatus
from willcall.orders.seating import Place, place_of
from willcall.orders.ticket_merging import added, reconciled
from willcall.orders.tickets import admitted, as_pushed, entrances, listed_urls, unique

LISTING = {"listing_id": "15454542"}


def pushed(name: str, kind: TicketKind = TicketKind.PDF, **fields: Any) -> Ticket:
    """A pushed file, or a pushed address, with content of its own."""
    extra = fields.pop("extra", LISTING)
    if kind is TicketKind.PDF:
        return as_pushed(Ticket(kind, extra=extra, **fields), f"doc-{name}", name)
    return as_pushed(Ticket(kind, url=f"https://m.example/{name}", extra=extra, **fields))


def polled(name: str, **fields: Any) -> Ticket:
    kind = fields.pop("kind", TicketKind.PDF)
    return Ticket(kind, url=f"https://t.example/{name}", row="V", extra={"listing_id": "9211231"}, **fields)


def barcode(code: str | None, **fields: Any) -> Ticket:
    return Ticket(TicketKind.BARCODE, code=code, **fields)


@pytest.mark.parametrize("other", ["ABC123", "abc123", "ABC 123", " abc\t123\n"])
def test_one_barcode_lets_one_person_in_however_it_is_written(other: str) -> None:
    assert admitted([barcode("ABC123"), barcode(other)]) == 1
    assert len(unique([barcode("ABC123"), barcode(other)])) == 1


def test_a_barcode_of_two_events_is_two_tickets() -> None:
    one, two = (barcode("ABC", extra={"event_uid": uid}) for uid in "xy")
    assert admitted([one, two]) == 2


def test_the_parts_of_one_entrance_let_one_person_in() -> None:
    parts = [
        Ticket(TicketKind.PDF, url="https://t.example/1.pdf", extra={"ticket": "t-1"}),
        Ticket(TicketKind.WALLET, url="https://t.example/1.pkpass", extra={"ticket": "t-1"}),
        Ticket(TicketKind.WALLET, url="https://t.example/2.pkpass", extra={"ticket": "t-2"}),
    ]
    assert admitted(parts) == 2
    assert [len(entrance) for entrance in entrances(parts)] == [2, 1]
    assert unique(parts) == tuple(parts)


def test_tickets_in_one_file_are_told_apart_by_their_codes_and_nothing_else() -> None:
    url = "https://t.example/all.pdf"
    assert admitted([barcode("A", url=url), barcode("B", url=url)]) == 2
    assert admitted([Ticket(TicketKind.PDF, url=url), Ticket(TicketKind.PDF, url=url)]) == 1


def test_a_void_ticket_and_a_parcel_let_nobody_in() -> None:
    void = barcode("A", status=TicketStatus.VOID)
    assert admitted([void, Ticket(TicketKind.SHIPMENT, code="T-1")]) == 0
    assert admitted([void, barcode("B"), barcode("C", status=TicketStatus.USED)]) == 2


def test_four_files_without_seats_are_four() -> None:
    four = [pushed(f"{n}", row="TBC", seat="TBC") for n in range(4)]
    assert admitted(four) == 4
    assert added(four[:1], four[1:]) == tuple(four)


def test_a_file_and_a_link_may_be_one_persons() -> None:
    file, link = pushed("a", row="V", seat="100"), pushed("b", TicketKind.LINK, row="V")
    assert admitted([file, link]) == 1
    assert admitted([file, replace(link, seat="101")]) == 2
    assert admitted([file, link, pushed("c", TicketKind.LINK, row="V")]) == 2


def test_a_pushed_and_a_polled_copy_count_once_and_one_is_kept() -> None:
    tickets = reconciled([pushed("a", row="V", seat="100")], [polled("1")])
    assert admitted(tickets) == 1
    assert [ticket.seat for ticket in tickets] == ["100"]
    assert listed_urls(tickets[0]) == ["https://t.example/1"]


def test_what_a_poll_listed_before_is_known_again() -> None:
    first = reconciled([pushed("a", row="V", seat="100")], [polled("1?signed=x")])
    second = reconciled(first, [polled("2?signed=y"), polled("1?signed=y")])
    assert admitted(second) == 2
    assert [ticket.url for ticket in second] == ["https://t.example/2?signed=y", None]


def test_where_nobody_can_tell_which_is_a_copy_all_are_kept_and_none_counts_twice() -> None:
    tickets = reconciled([pushed("a", row="V", seat="100")], [polled("1"), polled("2")])
    assert len(tickets) == 3
    assert admitted(tickets) == 2


def test_a_copy_is_known_by_its_content() -> None:
    tickets = reconciled([pushed("a", row="V", seat="100")], [polled("1"), polled("2", document="doc-a")])
    assert [ticket.document for ticket in tickets] == [None, "doc-a"]
    assert admitted(tickets) == 2


def test_a_file_of_another_row_is_no_copy() -> None:
    tickets = reconciled([pushed("a", row="W", seat="100")], [polled("1")])
    assert (len(tickets), admitted(tickets)) == (2, 2)


def test_a_poll_replaces_what_an_earlier_one_said_of_an_open_order() -> None:
    assert reconciled([barcode("A")], [barcode("B")]) == (barcode("B"),)


def test_a_final_order_keeps_what_a_later_list_lacks() -> None:
    before = [barcode("A"), barcode("B")]
    kept = reconciled(before, [barcode("B")], final=True)
    assert [ticket.code for ticket in kept] == ["A", "B"]


def test_a_final_order_takes_the_same_files_under_new_addresses() -> None:
    before = [polled("1"), polled("2")]
    after = [polled("3"), polled("4")]
    assert reconciled(before, after, final=True) == tuple(after)


def test_a_void_ticket_takes_the_place_of_all_parts_of_its_entrance() -> None:
    before = [
        Ticket(TicketKind.PDF, url="https://t.example/1.pdf", extra={"ticket": "t-1"}),
        Ticket(TicketKind.WALLET, url="https://t.example/1.pkpass", extra={"ticket": "t-1"}),
        barcode("B", extra={"ticket": "t-2"}),
    ]
    void = barcode("A", status=TicketStatus.VOID, extra={"ticket": "t-1"})
    assert reconciled(before, [void], final=True) == (before[2], void)


def test_a_push_takes_nothing_from_tickets_that_only_look_alike() -> None:
    four = [Ticket(TicketKind.LINK, url=f"https://m.example/{n}", row="TBC", seat="TBC") for n in range(4)]
    assert len(added(four, [pushed("new", TicketKind.LINK, row="TBC", seat="TBC")])) == 5


def test_a_corrected_file_is_remembered_under_the_address_of_the_first() -> None:
    known = reconciled([pushed("a", row="V", seat="100")], [polled("1")])
    corrected = added(known, [pushed("b", row="V", seat="100")])
    assert [ticket.document for ticket in corrected] == ["doc-b"]
    assert reconciled(corrected, [polled("1")]) == corrected


@pytest.mark.parametrize("seats", [True, False])
def test_merging_a_crowd_of_tickets_compares_each_with_few(*, seats: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order of 10,000 must not take minutes: the number of comparisons grows with that of tickets alone."""
    calls = 0

    def counting(ticket: Ticket) -> Place:
        nonlocal calls
        calls += 1
        return place_of(ticket)

    monkeypatch.setattr(ticket_merging, "place_of", counting)
    listed = tuple(
        Ticket(TicketKind.LINK, url=f"https://x.example/{n}", row="V", seat=str(n) if seats else None)
        for n in range(400)
    )
    ours = tuple(map(as_pushed, listed))
    assert len(added(ours, ours)) == 400
    assert len(reconciled(ours, listed)) == 400
    assert len(reconciled(listed, listed, final=True)) == 400
    assert calls < 50 * 400
