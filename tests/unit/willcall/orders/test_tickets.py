"""Identity, counting and merging of tickets."""

from dataclasses import replace
from typing import Any

import pytest

from willcall.orders import ticket_merging
from willcall.orders.model import Ticket, TicketKind, TicketStatus
from willcall.orders.seating import Seating, seating_of
from willcall.orders.ticket_admissions import count_admissions, group_by_admission
from willcall.orders.ticket_identity import listed_urls, mark_pushed, without_duplicates
from willcall.orders.ticket_merging import merge_polled, merge_pushed

LISTING = {"listing_id": "15454542"}


def pushed(name: str, kind: TicketKind = TicketKind.PDF, **fields: Any) -> Ticket:
    """A pushed file, or a pushed address, with content of its own."""
    extra = fields.pop("extra", LISTING)
    if kind is TicketKind.PDF:
        return mark_pushed(Ticket(kind, extra=extra, **fields), f"doc-{name}", name)
    return mark_pushed(Ticket(kind, url=f"https://m.example/{name}", extra=extra, **fields))


def polled(name: str, **fields: Any) -> Ticket:
    kind = fields.pop("kind", TicketKind.PDF)
    return Ticket(kind, url=f"https://t.example/{name}", row="V", extra={"listing_id": "9211231"}, **fields)


def barcode(code: str | None, **fields: Any) -> Ticket:
    return Ticket(TicketKind.BARCODE, code=code, **fields)


@pytest.mark.parametrize("other", ["ABC123", "abc123", "ABC 123", " abc\t123\n"])
def test_one_barcode_is_one_admission_however_it_is_written(other: str) -> None:
    assert count_admissions([barcode("ABC123"), barcode(other)]) == 1
    assert len(without_duplicates([barcode("ABC123"), barcode(other)])) == 1


def test_a_barcode_of_two_events_is_two_tickets() -> None:
    one, two = (barcode("ABC", extra={"event_uid": uid}) for uid in "xy")
    assert count_admissions([one, two]) == 2


def test_the_parts_of_one_ticket_are_one_admission() -> None:
    parts = [
        Ticket(TicketKind.PDF, url="https://t.example/1.pdf", extra={"ticket": "t-1"}),
        Ticket(TicketKind.WALLET, url="https://t.example/1.pkpass", extra={"ticket": "t-1"}),
        Ticket(TicketKind.WALLET, url="https://t.example/2.pkpass", extra={"ticket": "t-2"}),
    ]
    assert count_admissions(parts) == 2
    assert [len(entrance) for entrance in group_by_admission(parts)] == [2, 1]
    assert without_duplicates(parts) == tuple(parts)


def test_tickets_in_one_file_are_distinguished_only_by_their_codes() -> None:
    url = "https://t.example/all.pdf"
    assert count_admissions([barcode("A", url=url), barcode("B", url=url)]) == 2
    assert count_admissions([Ticket(TicketKind.PDF, url=url), Ticket(TicketKind.PDF, url=url)]) == 1


def test_a_void_ticket_and_a_parcel_are_no_admission() -> None:
    void = barcode("A", status=TicketStatus.VOID)
    assert count_admissions([void, Ticket(TicketKind.SHIPMENT, code="T-1")]) == 0
    assert count_admissions([void, barcode("B"), barcode("C", status=TicketStatus.USED)]) == 2


def test_four_files_without_seats_are_four_tickets() -> None:
    four = [pushed(f"{n}", row="TBC", seat="TBC") for n in range(4)]
    assert count_admissions(four) == 4
    assert merge_pushed(four[:1], four[1:]) == tuple(four)


def test_a_file_and_a_link_may_be_one_admission() -> None:
    file, link = pushed("a", row="V", seat="100"), pushed("b", TicketKind.LINK, row="V")
    assert count_admissions([file, link]) == 1
    assert count_admissions([file, replace(link, seat="101")]) == 2
    assert count_admissions([file, link, pushed("c", TicketKind.LINK, row="V")]) == 2


def test_a_pushed_and_a_polled_copy_count_once_and_one_is_stored() -> None:
    tickets = merge_polled([pushed("a", row="V", seat="100")], [polled("1")])
    assert count_admissions(tickets) == 1
    assert [ticket.seat for ticket in tickets] == ["100"]
    assert listed_urls(tickets[0]) == ["https://t.example/1"]


def test_a_listed_copy_of_an_earlier_poll_is_recognized() -> None:
    first = merge_polled([pushed("a", row="V", seat="100")], [polled("1?signed=x")])
    second = merge_polled(first, [polled("2?signed=y"), polled("1?signed=y")])
    assert count_admissions(second) == 2
    assert [ticket.url for ticket in second] == ["https://t.example/2?signed=y", None]


def test_ambiguous_copies_are_all_stored_and_none_counts_twice() -> None:
    tickets = merge_polled([pushed("a", row="V", seat="100")], [polled("1"), polled("2")])
    assert len(tickets) == 3
    assert count_admissions(tickets) == 2


def test_a_copy_is_recognized_by_its_content() -> None:
    tickets = merge_polled([pushed("a", row="V", seat="100")], [polled("1"), polled("2", document="doc-a")])
    assert [ticket.document for ticket in tickets] == [None, "doc-a"]
    assert count_admissions(tickets) == 2


def test_a_file_of_another_row_is_not_a_copy() -> None:
    tickets = merge_polled([pushed("a", row="W", seat="100")], [polled("1")])
    assert (len(tickets), count_admissions(tickets)) == (2, 2)


def test_a_poll_replaces_the_tickets_of_an_earlier_one_while_the_order_is_open() -> None:
    assert merge_polled([barcode("A")], [barcode("B")]) == (barcode("B"),)


def test_a_final_order_keeps_tickets_that_a_later_list_lacks() -> None:
    before = [barcode("A"), barcode("B")]
    kept = merge_polled(before, [barcode("B")], final=True)
    assert [ticket.code for ticket in kept] == ["A", "B"]


@pytest.mark.parametrize("final", [True, False])
def test_a_list_without_files_takes_none_away(*, final: bool) -> None:
    stored = replace(barcode("A"), url="https://t.example/a.pdf", document="doc-a", content_type="image/png")
    assert merge_polled([stored], [barcode("A"), barcode("B")], final=final) == (stored, barcode("B"))
    signed_anew = replace(barcode("A"), url="https://t.example/a.pdf?s=2")
    assert merge_polled([stored], [signed_anew], final=final) == (signed_anew,)


def test_a_final_order_accepts_new_urls_of_the_same_files() -> None:
    before = [polled("1"), polled("2")]
    after = [polled("3"), polled("4")]
    assert merge_polled(before, after, final=True) == tuple(after)


def test_a_void_ticket_replaces_all_parts_of_its_admission() -> None:
    before = [
        Ticket(TicketKind.PDF, url="https://t.example/1.pdf", extra={"ticket": "t-1"}),
        Ticket(TicketKind.WALLET, url="https://t.example/1.pkpass", extra={"ticket": "t-1"}),
        barcode("B", extra={"ticket": "t-2"}),
    ]
    void = barcode("A", status=TicketStatus.VOID, extra={"ticket": "t-1"})
    assert merge_polled(before, [void], final=True) == (before[2], void)


def test_a_push_removes_no_ticket_that_is_only_similar() -> None:
    four = [Ticket(TicketKind.LINK, url=f"https://m.example/{n}", row="TBC", seat="TBC") for n in range(4)]
    assert len(merge_pushed(four, [pushed("new", TicketKind.LINK, row="TBC", seat="TBC")])) == 5


def test_a_corrected_file_keeps_the_url_of_the_first() -> None:
    known = merge_polled([pushed("a", row="V", seat="100")], [polled("1")])
    corrected = merge_pushed(known, [pushed("b", row="V", seat="100")])
    assert [ticket.document for ticket in corrected] == ["doc-b"]
    assert merge_polled(corrected, [polled("1")]) == corrected


@pytest.mark.parametrize("seats", [True, False])
def test_merging_many_tickets_compares_each_with_few(*, seats: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order of 10,000 must not take minutes: the number of comparisons grows with that of tickets alone."""
    calls = 0

    def counting(ticket: Ticket) -> Seating:
        nonlocal calls
        calls += 1
        return seating_of(ticket)

    monkeypatch.setattr(ticket_merging, "seating_of", counting)
    listed = tuple(
        Ticket(TicketKind.LINK, url=f"https://x.example/{n}", row="V", seat=str(n) if seats else None)
        for n in range(400)
    )
    ours = tuple(map(mark_pushed, listed))
    assert len(merge_pushed(ours, ours)) == 400
    assert len(merge_polled(ours, listed)) == 400
    assert len(merge_polled(listed, listed, final=True)) == 400
    assert calls < 50 * 400
