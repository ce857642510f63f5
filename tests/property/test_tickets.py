"""Counting people, against a model that tries every assignment of tickets to people."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from willcall.orders.model import Ticket, TicketKind, TicketStatus
from willcall.orders.seating import seating_of
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import listed_urls, mark_pushed, without_duplicates
from willcall.orders.ticket_merging import merge_polled, merge_pushed

ROWS, SEATS, LISTINGS = (st.sampled_from(each) for each in (["V", "W", "TBC"], ["1", "2", None, "0"], ["x", "y"]))


@st.composite
def lists(draw: st.DrawFn, kinds: Sequence[TicketKind], most: int) -> list[Ticket]:
    """Tickets of pushes and of one poll, no two of the same content."""
    number = draw(st.integers(0, most))
    tickets = []
    for index in range(number):
        place = {"row": draw(ROWS), "seat": draw(SEATS), "extra": {"listing_id": draw(LISTINGS)}}
        ticket = Ticket(draw(st.sampled_from(kinds)), url=f"https://t.example/{index}", **place)
        tickets.append(mark_pushed(ticket, f"doc-{index}", f"{index}") if draw(st.booleans()) else ticket)
    return tickets


def _partitions(items: list[Ticket]) -> Iterator[list[list[Ticket]]]:
    """Yield every way to give the tickets to people."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for others in _partitions(rest):
        yield [[first], *others]
        for index in range(len(others)):
            yield [*others[:index], [first, *others[index]], *others[index + 1 :]]


def _one_seat(one: Ticket, two: Ticket) -> bool:
    a, b = seating_of(one), seating_of(two)
    return a.seat is not None and a == b


def _pushed(ticket: Ticket) -> bool:
    return bool(ticket.extra.get("pushed"))


def _plausible(tickets: list[Ticket]) -> bool:
    """Return whether all of these may be one admission."""
    for one, two in combinations(tickets, 2):
        if _one_seat(one, two):
            continue
        same_list = _pushed(one) == _pushed(two)
        if same_list and (one.kind is two.kind or seating_of(one).listing != seating_of(two).listing):
            return False
        if seating_of(one).differs(seating_of(two)):
            return False
    return True


def _fewest(tickets: list[Ticket]) -> int:
    """Return the number of people below which the tickets cannot be explained."""
    return min(len(people) for people in _partitions(tickets) if all(map(_plausible, people)))


@given(lists([TicketKind.PDF], 7))
def test_the_count_of_pushed_and_polled_files_is_a_lower_bound(tickets: list[Ticket]) -> None:
    assert count_admissions(tickets) == _fewest(tickets)


@given(lists([TicketKind.PDF, TicketKind.LINK], 6))
def test_files_and_links_never_count_more_people_than_there_must_be(tickets: list[Ticket]) -> None:
    assert count_admissions(tickets) <= _fewest(tickets)


@given(lists([TicketKind.PDF, TicketKind.LINK], 7), st.randoms(use_true_random=False))
def test_neither_sequence_nor_repetition_changes_the_count(tickets: list[Ticket], random: Random) -> None:
    again = [*tickets, *random.sample(tickets, len(tickets) // 2)]
    random.shuffle(again)
    assert count_admissions(again) == count_admissions(tickets) == count_admissions(without_duplicates(again))
    assert len(without_duplicates(again)) == len(tickets)


@given(lists([TicketKind.PDF, TicketKind.LINK], 6), lists([TicketKind.PDF], 3))
def test_a_void_ticket_never_reduces_the_count(tickets: list[Ticket], more: list[Ticket]) -> None:
    void = [Ticket(one.kind, url=one.url, row=one.row, status=TicketStatus.VOID) for one in more]
    assert count_admissions([*tickets, *void]) == count_admissions(tickets)


@given(lists([TicketKind.PDF, TicketKind.LINK], 7))
def test_merging_a_poll_loses_no_push_and_counts_as_all_tickets_together(tickets: list[Ticket]) -> None:
    ours, theirs = [t for t in tickets if _pushed(t)], [t for t in tickets if not _pushed(t)]
    merged = merge_polled(ours, theirs)
    assert {t.document for t in ours} <= {t.document for t in merged}
    assert count_admissions(merged) <= count_admissions(tickets)
    assert count_admissions(merged) >= max(count_admissions(ours), count_admissions(theirs))
    assert merge_polled(merged, theirs) == merged
    assert {t.url for t in theirs} <= {t.url for t in merge_polled(merged, [], final=True)} | {
        url for t in merged for url in listed_urls(t)
    }


@given(lists([TicketKind.PDF, TicketKind.LINK], 6), st.integers(0, 5))
def test_pushes_remove_only_corrected_files(tickets: list[Ticket], first: int) -> None:
    pushes = [ticket for ticket in tickets if _pushed(ticket)]
    result = merge_pushed(merge_pushed((), pushes[:first]), pushes[first:])
    lost = [one for one in pushes if one.document not in {ticket.document for ticket in result}]
    for one in lost:
        assert any(seating_of(one) == seating_of(two) and seating_of(one).exact for two in result)
    assert merge_pushed(result, pushes[first:]) == result
