"""Orders, policies and outcomes of every kind."""

from dataclasses import replace

from hypothesis import strategies as st

from willcall.orders.model import Attention, DeliverySpeed, Order, Status, Ticket, TicketKind
from willcall.orders.outcomes import (
    Cancelled,
    Declined,
    Issued,
    Malformed,
    Missing,
    NotReady,
    PartlyIssued,
    Throttled,
    Unauthorized,
    Unavailable,
)
from willcall.orders.policy import PollPolicy

NOW = 1_800_000_000.0

waits = st.none() | st.floats(0, 400_000) | st.sampled_from([0.0, 0.001, 5.0, 86_400.0, 86_401.0, 31_622_400.0])
moments = st.none() | st.floats(NOW - 100_000, NOW + 400_000) | st.just(NOW + 401 * 86_400)
tickets = st.lists(
    st.builds(Ticket, kind=st.sampled_from(TicketKind), code=st.none() | st.text(max_size=8)), max_size=4
).map(tuple)
attentions = st.none() | st.sampled_from(Attention)

hints = {"retry_after": waits, "not_before": moments}

answers_to_wait_for = st.one_of(
    st.builds(NotReady, attention=attentions, **hints),
    st.builds(PartlyIssued, tickets=tickets, **hints),
    st.builds(Throttled, **hints),
    st.builds(Unavailable, request_sent=st.booleans(), **hints),
    st.builds(Missing, **hints),
    st.builds(Unauthorized, whole_account=st.booleans(), **hints),
    st.builds(Malformed, **hints),
)
final_words = st.one_of(
    st.builds(Issued, tickets=tickets, **hints),
    st.builds(Declined, reason=st.just("refused"), **hints),
    st.builds(Cancelled, reason=st.just("cancelled"), **hints),
)
outcomes = answers_to_wait_for | final_words


@st.composite
def policies(draw: st.DrawFn) -> PollPolicy:
    initial = draw(st.floats(0.05, 700))
    low = draw(st.floats(0.1, 900))
    return PollPolicy(
        strategy=draw(st.sampled_from(["exponential", "interval"])),
        initial=initial,
        factor=draw(st.floats(1, 10)),
        cap=initial + draw(st.floats(0, 2_000)),
        interval=(low, low + draw(st.floats(0, 900))),
        minimum=draw(st.sampled_from([0.0, 1.0, 10.0]) | st.floats(0, 60)),
        missing_grace=draw(st.floats(0, 600)),
        throttle_pause=draw(st.floats(1, 120)),
    )


OPEN_STATUSES = st.sampled_from([Status.PENDING, Status.PARTIAL])


@st.composite
def orders(draw: st.DrawFn, status: st.SearchStrategy[Status] = OPEN_STATUSES) -> Order:
    """An order as it is claimed at NOW: its deadline may lie on either side."""
    order = Order(
        id="ord-1",
        provider="tiqets",
        account="default",
        reference="r",
        status=draw(status),
        submitted_at=NOW - 1_000,
        deadline_at=NOW + draw(st.floats(-10, 100_000) | st.sampled_from([0.0, 0.001, 1.0])),
        attention=draw(attentions),
        delivery=draw(st.sampled_from(DeliverySpeed)),
        answered_polls=draw(st.integers(0, 10**6)),
        unanswered_polls=draw(st.integers(0, 10**6)),
        missing_since=draw(st.none() | st.floats(NOW - 900, NOW)),
        next_poll_at=NOW,
    )
    if order.status in {Status.PENDING, Status.PARTIAL}:
        return order
    return replace(order, finished_at=NOW - 500)
