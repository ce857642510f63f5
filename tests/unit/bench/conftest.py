"""A good history of two orders, which tests spoil."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.chaos.history import Alert, Ended, History, Message, Push, Request, SeenEvent, Settled, Submitted
from willcall.simulator.script import RateScript

Spoil = Callable[..., History]

ONE, TWO = ("tiqets", "default", "1"), ("tiqets", "default", "2")


def request(number: int, name: tuple[str, str, str], arrived: float, **fields: Any) -> Request:
    """A status request that takes 10 ms."""
    return Request(
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


def message(at: float, event_id: str, order_id: str, **fields: Any) -> Message:
    """A callback that is as it should be."""
    return Message(
        **{
            "at": at,
            "order_id": order_id,
            "told_of": order_id,
            "id": event_id,
            "verified": True,
            "status": 200,
            **fields,
        }
    )


EVENTS = (
    SeenEvent("1-0", "evt_1", "order.partial", "a"),
    SeenEvent("2-0", "evt_2", "order.expired", "b"),
    SeenEvent("3-0", "evt_3", "order.fulfilled", "a"),
)

#: The first one of order a was not taken, and superseded before it was due again.
TOLD = (
    message(100.1, "evt_1", "a", status=503),
    message(110.1, "evt_3", "a"),
    message(130.1, "evt_2", "b", status=503),
    message(135.3, "evt_2", "b"),
)
PUSHES = (
    Push(ONE, 109.0, 1, 503, accepted=False),
    Push(ONE, 110.0, 2, 200, accepted=True),
)

ALERTS = (
    Alert("evt_4", "account:tiqets/default", "ok", "down"),
    Alert("evt_5", "account:tiqets/default", "down", "unauthorized"),
    Alert("evt_6", "account:tiqets/default", "unauthorized", "ok"),
)

GOOD = History(
    submitted={
        "a": Submitted("a", ONE, "fulfilled", accepted=99.0),
        "b": Submitted("b", TWO, "expired", accepted=99.0, way="task"),
    },
    ended={
        "a": Ended("fulfilled", 200.0, (Settled(100.0, "partly_issued"), Settled(110.0, "issued"))),
        "b": Ended("expired", 130.0, (Settled(105.0, "not_ready"), Settled(130.0, "not_ready"))),
    },
    requests=(
        request(1, ONE, 100.02),
        request(2, TWO, 105.01),
        request(3, ONE, 110.02),
        request(4, TWO, 130.01),
    ),
    followed=EVENTS,
    stream=EVENTS,
    hits=(),
    deaths=(),
    rates={("tiqets", "default"): RateScript(limit=1, burst=1)},
    told=TOLD,
    pushes=PUSHES,
    alerts=ALERTS,
)


@pytest.fixture
def spoil() -> Spoil:
    """The good history with some of it replaced."""
    return lambda **changes: replace(GOOD, **changes)
