"""Pushes of any number, content and sequence."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import NOW, orders, outcomes
from willcall.orders.decision import decide
from willcall.orders.model import CLOSED, Order, Status, Ticket, TicketKind, can_become
from willcall.orders.outcomes import Cancelled, Declined, Issued, NotReady, PartlyIssued
from willcall.orders.policy import PollPolicy
from willcall.orders.pushes import ChangePush, InvalidPush, OutcomePush, Push, TicketsPush, evaluate_push
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import mark_pushed
from willcall.orders.ticket_merging import merge_pushed

SEATS = st.sampled_from([None, "1", "2", "3", " 2 "])
TICKETS = st.builds(
    lambda kind, row, seat, digest: mark_pushed(Ticket(kind, row=row, seat=seat, url=digest), None, digest),
    st.sampled_from([TicketKind.PDF, TicketKind.LINK, TicketKind.SHIPMENT]),
    st.sampled_from([None, "V", "v", "W"]),
    SEATS,
    st.sampled_from(["a", "b", "c"]),
)
PUSHES: st.SearchStrategy[Push] = st.one_of(
    st.builds(TicketsPush, st.lists(TICKETS, min_size=1, max_size=3).map(tuple), st.booleans()),
    st.builds(OutcomePush, st.builds(Declined, reason=st.just("no")) | st.builds(Cancelled, reason=st.just("off"))),
    st.just(ChangePush()),
    st.just(InvalidPush("no PDF")),
)


@given(orders(st.sampled_from(Status)), st.none() | st.integers(1, 3), PUSHES)
def test_a_push_changes_the_status_only_as_the_table_allows(order: Order, quantity: int | None, push: Push) -> None:
    order = replace(order, quantity=quantity)
    result = evaluate_push(order, push, NOW)
    after = result.order
    assert after.status is order.status or can_become(order.status, after.status)
    if order.status in CLOSED:
        assert after == order
    if not result.changed:
        assert after == order
    if after.status is Status.FULFILLED and order.status is not Status.FULFILLED:
        assert isinstance(push, TicketsPush)
        assert push.complete or (order.quantity is not None and count_admissions(after.tickets) >= order.quantity)


@given(orders(), st.lists(PUSHES, max_size=5))
def test_the_same_pushes_again_change_nothing(order: Order, pushes: list[Push]) -> None:
    arrivals = [push for push in pushes if isinstance(push, TicketsPush)]
    for push in arrivals:
        order = evaluate_push(order, push, NOW).order
    kept = {ticket.extra["sha256"] for ticket in order.tickets if ticket.extra.get("pushed")}
    for push in arrivals[-1:]:
        again = evaluate_push(order, push, NOW + 1)
        assert again.order.tickets == order.tickets
        assert again.order.status is order.status
    assert kept == {ticket.extra["sha256"] for ticket in order.tickets if ticket.extra.get("pushed")}


@given(st.lists(TICKETS, max_size=6), st.randoms(use_true_random=False))
def test_the_count_does_not_depend_on_the_sequence(tickets: list[Ticket], random: Random) -> None:
    shuffled = random.sample(tickets, len(tickets))
    assert (
        count_admissions(merge_pushed((), tickets))
        == count_admissions(merge_pushed((), shuffled))
        == count_admissions(merge_pushed(shuffled, tickets))
    )


@given(orders(), st.lists(TICKETS, min_size=1, max_size=4).map(tuple), outcomes)
def test_no_poll_removes_pushed_tickets(order: Order, tickets: tuple[Ticket, ...], outcome: object) -> None:
    order = replace(order, tickets=merge_pushed((), tickets))
    after = decide(order, outcome, PollPolicy(), NOW, Random(1)).order  # type: ignore[arg-type]
    assert count_admissions(after.tickets) >= count_admissions(order.tickets)


@given(orders(), st.lists(TICKETS, min_size=1, max_size=4).map(tuple), st.integers(1, 5))
def test_a_poll_that_says_how_many_there_are_completes_what_was_pushed(
    order: Order, tickets: tuple[Ticket, ...], expected: int
) -> None:
    order = replace(order, status=Status.PARTIAL, finished_at=None, tickets=merge_pushed((), tickets))
    for outcome in (NotReady(expected=expected), PartlyIssued((), expected)):
        decision = decide(order, outcome, PollPolicy(), order.submitted_at + 1, Random(1))
        assert (decision.order.status is Status.FULFILLED) == (count_admissions(order.tickets) >= expected)
    assert decide(order, Issued(()), PollPolicy(), NOW, Random(1)).order.tickets
