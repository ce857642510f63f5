"""Ids of tickets: each has one, no two are the same, and a ticket keeps its own."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from willcall.orders.model import Ticket, TicketKind, TicketStatus
from willcall.orders.ticket_ids import with_ids
from willcall.orders.ticket_merging import merge_polled

texts = st.none() | st.sampled_from("abcd")
tickets = st.lists(
    st.builds(
        Ticket,
        kind=st.sampled_from([TicketKind.PDF, TicketKind.BARCODE, TicketKind.WALLET, TicketKind.LINK]),
        url=st.none() | st.sampled_from(["https://a.example/1?s=1", "https://a.example/1?s=2", "https://a.example/2"]),
        code=texts,
        row=texts,
        seat=texts,
        wallet=st.none() | st.sampled_from(["apple", "google"]),
        extra=st.fixed_dictionaries({}, optional={"ticket": st.sampled_from("xyz"), "listing_id": st.just("l")}),
    ).map(lambda ticket: ticket if ticket.kind is TicketKind.WALLET else replace(ticket, wallet=None)),
    max_size=6,
)


@given(tickets, tickets)
def test_each_ticket_has_an_id_of_its_own(before: list[Ticket], after: list[Ticket]) -> None:
    found = with_ids(after, with_ids(before))
    assert len({ticket.id for ticket in found}) == len(after)
    assert all(ticket.id and ticket.entrance_id for ticket in found)
    assert [replace(ticket, id=None, entrance_id=None) for ticket in found] == after
    assert with_ids(found, found) == found


@given(tickets, st.integers(0, 100))
def test_ids_do_not_depend_on_the_sequence_of_a_later_list(listed: list[Ticket], seed: int) -> None:
    before = with_ids(merge_polled((), listed))
    shuffled = Random(seed).sample(listed, len(listed))
    after = with_ids(merge_polled(before, shuffled), before)
    assert {ticket.id for ticket in after} == {ticket.id for ticket in before}


def test_a_ticket_keeps_its_id_when_its_address_its_status_or_its_file_changes() -> None:
    first = Ticket(TicketKind.PDF, url="https://a.example/1?signed=1", row="V", seat="100", extra={"listing_id": "7"})
    (ticket,) = with_ids([first])
    for changed in (
        replace(first, url="https://a.example/1?signed=2"),
        replace(first, status=TicketStatus.VOID),
        replace(first, url="https://a.example/corrected"),
        replace(first, kind=TicketKind.IMAGE, document="doc_1"),
    ):
        assert with_ids([changed], [ticket])[0].id == ticket.id


def test_the_parts_of_one_entrance_share_its_id() -> None:
    pdf, apple, google, other = with_ids(
        [
            Ticket(TicketKind.PDF, url="https://a.example/1", extra={"ticket": "x"}),
            Ticket(TicketKind.WALLET, url="https://a.example/2", wallet="apple", extra={"ticket": "x"}),
            Ticket(TicketKind.WALLET, url="https://a.example/3", wallet="google", extra={"ticket": "x"}),
            Ticket(TicketKind.PDF, url="https://a.example/4", extra={"ticket": "y"}),
        ]
    )
    assert pdf.entrance_id == apple.entrance_id == google.entrance_id != other.entrance_id
    assert len({pdf.id, apple.id, google.id, other.id}) == 4
