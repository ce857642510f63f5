"""A good history of two orders, which tests change_history."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.chaos.history import (
    AccountAlert,
    CallbackMessage,
    CommittedAttempt,
    FinalOrder,
    History,
    ProviderPush,
    ProviderRequest,
    StreamEvent,
    SubmittedOrder,
    VisibleState,
)
from willcall.simulator.script import RateScript

ChangeHistory = Callable[..., History]

ONE, TWO = ("tiqets", "default", "1"), ("tiqets", "default", "2")


def request(number: int, name: tuple[str, str, str], arrived: float, **fields: Any) -> ProviderRequest:
    """A status request that takes 10 ms."""
    return ProviderRequest(
        **{
            "number": number,
            "name": name,
            "kind": "status",
            "arrived": arrived,
            "finished": arrived + 0.01,
            "status": 200,
            **fields,
        }
    )


def message(at: float, event_id: str, order_id: str, **fields: Any) -> CallbackMessage:
    """A callback that is as it should be."""
    return CallbackMessage(
        **{
            "at": at,
            "order_id": order_id,
            "body_order_id": order_id,
            "id": event_id,
            "verified": True,
            "status": 200,
            **fields,
        }
    )


FULFILLED, EXPIRED = VisibleState("fulfilled", tickets=("one",)), VisibleState("expired")

EVENTS = (
    StreamEvent("1-0", "evt_1", "order.partial", "a"),
    StreamEvent("2-0", "evt_2", "order.expired", "b"),
    StreamEvent("3-0", "evt_3", "order.fulfilled", "a"),
)

#: The first one of order a was rejected, and superseded before it was due again.
CALLBACKS = (
    message(100.1, "evt_1", "a", status=503),
    message(110.1, "evt_3", "a", state=FULFILLED),
    message(130.1, "evt_2", "b", status=503),
    message(135.3, "evt_2", "b", state=EXPIRED),
)
PUSHES = (
    ProviderPush(ONE, 109.0, 1, 503, accepted=False),
    ProviderPush(ONE, 110.0, 2, 200, accepted=True),
)

ALERTS = (
    AccountAlert("evt_4", "account:tiqets/default", "ok", "down"),
    AccountAlert("evt_5", "account:tiqets/default", "down", "unauthorized"),
    AccountAlert("evt_6", "account:tiqets/default", "unauthorized", "ok"),
)

GOOD = History(
    submitted={
        "a": SubmittedOrder("a", ONE, "fulfilled", accepted=99.0),
        "b": SubmittedOrder("b", TWO, "expired", accepted=99.0, route="task"),
    },
    final_orders={
        "a": FinalOrder(
            "fulfilled",
            200.0,
            (CommittedAttempt(100.0, "partly_issued"), CommittedAttempt(110.0, "issued")),
            state=FULFILLED,
        ),
        "b": FinalOrder(
            "expired",
            130.0,
            (CommittedAttempt(105.0, "not_ready"), CommittedAttempt(130.0, "not_ready")),
            state=EXPIRED,
        ),
    },
    requests=(
        request(1, ONE, 100.02),
        request(2, TWO, 105.01),
        request(3, ONE, 110.02),
        request(4, TWO, 130.01),
    ),
    followed=EVENTS,
    stream=EVENTS,
    faults=(),
    exits=(),
    rates={("tiqets", "default"): RateScript(limit=1, burst=1)},
    callbacks=CALLBACKS,
    pushes=PUSHES,
    alerts=ALERTS,
)


@pytest.fixture
def change_history() -> ChangeHistory:
    """The good history with some of it replaced."""
    return lambda **changes: replace(GOOD, **changes)
