from dataclasses import replace

import pytest

from willcall.api.board.events import DeliveryStatus, event_rows
from willcall.orders.callbacks import CallbackStatus
from willcall.stores.deliveries import MOST_ATTEMPTS, DeliveryAttempt, DeliveryState
from willcall.stores.events import StoredEvent

NOW = 1_795_341_600.0
PARTIAL = StoredEvent("1-0", "evt_1", "order.partial", "ord-1", NOW - 90, {})
FULFILLED = StoredEvent("2-0", "evt_2", "order.fulfilled", "ord-1", NOW - 60, {})
REFUSED = DeliveryAttempt(NOW - 80, "evt_1", "order.partial", 500, "", 5.0)
LATEST = DeliveryState("evt_2", "order.fulfilled", CallbackStatus.PENDING, NOW + 9)


@pytest.mark.parametrize(
    ("tries", "told", "count"),
    [
        ([], DeliveryStatus.SUPERSEDED, 0),
        ([REFUSED], DeliveryStatus.SUPERSEDED, 1),
        ([REFUSED, replace(REFUSED, http_status=204, wait=None)], DeliveryStatus.DELIVERED, 2),
        ([replace(REFUSED, wait=None)], DeliveryStatus.UNDELIVERABLE, 1),
        ([replace(REFUSED, event_id="evt_2")] * MOST_ATTEMPTS, DeliveryStatus.FORGOTTEN, 0),
    ],
)
def test_an_earlier_event_shows_its_delivery_status(
    tries: list[DeliveryAttempt], told: DeliveryStatus, count: int
) -> None:
    latest, earlier = event_rows([PARTIAL, FULFILLED], LATEST, tries)
    assert (latest.type, latest.status, latest.next_try_at) == ("order.fulfilled", DeliveryStatus.PENDING, NOW + 9)
    assert (earlier.type, earlier.at, earlier.status, earlier.attempts) == ("order.partial", NOW - 90, told, count)


def test_a_later_event_waits_and_one_of_the_feed_alone_is_shown_as_such() -> None:
    unsent = StoredEvent("3-0", "evt_3", "order.attention", "ord-1", NOW - 50, {})
    updated = StoredEvent("4-0", "evt_4", "order.updated", "ord-1", NOW - 40, {})
    rows = event_rows([PARTIAL, FULFILLED, unsent, updated], replace(LATEST, later_id="evt_4"), [])
    assert [row.status for row in rows] == [
        DeliveryStatus.PENDING,
        DeliveryStatus.FEED,
        DeliveryStatus.PENDING,
        DeliveryStatus.SUPERSEDED,
    ]


def test_without_a_callback_url_events_are_only_in_the_feed() -> None:
    assert [line.status for line in event_rows([PARTIAL, FULFILLED], None, [])] == [
        DeliveryStatus.FEED,
        DeliveryStatus.FEED,
    ]


def test_the_latest_event_is_shown_after_it_left_the_feed() -> None:
    (line,) = event_rows([], replace(LATEST, status=CallbackStatus.DELIVERED, next_try_at=None), [])
    assert (line.id, line.at, line.status) == ("evt_2", None, DeliveryStatus.DELIVERED)
