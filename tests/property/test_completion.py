"""What was completed by hand stays so, whatever the provider answers or pushes later."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import NOW, final_words, orders, outcomes, policies, tickets
from willcall.orders.completion import complete, ticket_of_code, ticket_of_file, ticket_of_url
from willcall.orders.decision import decide
from willcall.orders.model import EndedBy, Order, Status, Ticket
from willcall.orders.outcomes import Cancelled, Declined, Outcome
from willcall.orders.policy import PollPolicy
from willcall.orders.pushes import OutcomePush, TicketsPush, evaluate_push
from willcall.orders.ticket_documents import TicketFile

ADDED = (
    ticket_of_file(TicketFile("doc_1", "application/pdf"), "d1"),
    ticket_of_code("by-hand-4711"),
    ticket_of_url("https://tickets.example.com/by-hand"),
)
any_order = orders(st.sampled_from(Status))
refusals = final_words.filter(lambda word: isinstance(word, Declined | Cancelled))


def marks(found: tuple[Ticket, ...]) -> set[tuple[str | None, str | None, str | None]]:
    return {(ticket.document, ticket.code, ticket.url) for ticket in found}


@given(any_order, st.sampled_from([EndedBy.OPERATOR, EndedBy.CALLER]))
def test_any_order_is_completed_with_all_its_tickets_and_only_once(order: Order, by: EndedBy) -> None:
    done = complete(order, ADDED, by, NOW)
    assert done.status is Status.FULFILLED
    assert marks(done.tickets) >= marks(order.tickets) | marks(ADDED)
    assert complete(done, ADDED, by, NOW + 60) == done, "repeated"
    if order.status is not Status.FULFILLED:
        assert (done.ended_by, done.attention, done.next_poll_at) == (by, None, None)


@given(any_order.filter(lambda order: order.status is not Status.FULFILLED), outcomes, policies())
def test_no_later_answer_undoes_it(order: Order, outcome: Outcome, policy: PollPolicy) -> None:
    done = complete(order, ADDED, EndedBy.OPERATOR, NOW)
    later = decide(done, outcome, policy, NOW + 60, Random(1)).order
    assert (later.status, later.ended_by, later.finished_at) == (Status.FULFILLED, EndedBy.OPERATOR, NOW)
    assert marks(later.tickets) >= marks(ADDED)


@given(any_order.filter(lambda order: order.status is not Status.FULFILLED), tickets, refusals)
def test_no_later_push_undoes_it(order: Order, pushed: tuple[Ticket, ...], refusal: Declined | Cancelled) -> None:
    done = complete(order, ADDED, EndedBy.CALLER, NOW)
    for push in (OutcomePush(refusal), TicketsPush(pushed)):
        later = evaluate_push(done, push, NOW + 60).order
        assert (later.status, later.ended_by) == (Status.FULFILLED, EndedBy.CALLER)
        assert marks(later.tickets) >= marks(ADDED)
