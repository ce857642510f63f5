"""Operators are notified: real HTTP from providers and to a receiver that verifies every signature, a real Redis."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from willcall.devtools.callback_receiver import CallbackReceiver
from willcall.http.address_guard import AddressGuard
from willcall.http.outbound import OutboundClient
from willcall.orders.callbacks import SCHEDULE, CallbackStatus
from willcall.orders.model import Attention, Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.accounts import REFUSALS, UNREADABLE, AccountHealth, ResumeOutcome
from willcall.stores.deliveries import DeliveryMessage
from willcall.usecases.accounts import resume
from willcall.usecases.alerts import TASK, send_alert_delivery
from willcall.usecases.notify import alert_once, notify_once

ACCOUNT = "tiqets/default"
SUBJECT = f"account:{ACCOUNT}"


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with CallbackReceiver() as started:
        yield started


@pytest.fixture
def watched(make_system: Setup, receiver: CallbackReceiver) -> System:
    """A system whose operators are at the receiver, which nothing but the configuration allows to be reached."""
    h = make_system(
        polling={"initial": 1, "cap": 1, "minimum": 0, "interval": [5, 6], "missing_grace": 0},
        rate={"limit": 1_000, "period": 1, "burst": 1_000},
    )
    told_at(h, receiver.url("/ops"))
    h.context = replace(h.context, outbound=OutboundClient(AddressGuard()))
    return h


def told_at(h: System, url: str | None) -> None:
    settings = h.context.settings
    changed = settings.notify.model_copy(update={"ops_url": url})
    h.context = replace(h.context, settings=settings.model_copy(update={"notify": changed}))


def messages(h: System) -> list[DeliveryMessage]:
    return [DeliveryMessage(*args, "") for name, args, _ in h.outbox.tasks if name == TASK]


def deliver(h: System) -> list[tuple[DeliveryMessage, float] | None]:
    """Run all messages to operators, as if their time had come; what follows each is sent, and returned."""
    pending = messages(h)
    h.outbox.tasks.clear()
    follows = []
    for notice in pending:
        if h.redis.zscore(keys.OPERATOR_DELIVERIES_DUE, notice.subject) is not None:
            h.redis.hset(keys.operator_delivery(notice.subject), "due", 1)
        again = alert_once(h.context, notice)
        if again:
            send_alert_delivery(h.context, *again)
        follows.append(again)
    return follows


def answered(status: int, times: int = 1) -> dict[str, Any]:
    return {"answers": ({"do": "status", "status": status, "times": times},)}


def submit(h: System, order_id: str = "ord-1", provider: str = "tiqets", **script: Any) -> None:
    reference = script.pop("reference", str(1_000_000 + int(h.redis.incr("references"))))
    given = {"provider": provider, "reference": reference, **script}
    h.submit(OrderScript.model_validate(given), id=order_id)


def types(h: System) -> list[str]:
    return [event.type for event in reversed(h.context.stores.ops.recent(100))]


def test_a_revoked_key_and_its_recovery_are_reported_once_each_and_signed(
    watched: System, receiver: CallbackReceiver
) -> None:
    h = watched
    for n in range(4):
        submit(h, f"ord-{n}")
    h.providers.update_account("tiqets", revoked=True)
    for n in range(4):
        h.poll(f"ord-{n}")
        assert h.order(f"ord-{n}").attention is Attention.UNAUTHORIZED
    assert deliver(h) == [None]
    h.providers.update_account("tiqets", revoked=False)
    h.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
    run_sweep(h.context, "polls")
    for n in range(4):
        h.poll(f"ord-{n}")
    run_sweep(h.context, "polls")
    for n in range(4):
        assert h.poll(f"ord-{n}").status is Status.FULFILLED
    assert deliver(h) == [None]
    down, well = receiver.received
    assert (down.verified, down.path, well.verified) == (True, "/ops", True)
    assert down.event == next(e for e in h.context.stores.ops.recent(9) if e.id == down.id).to_json()
    assert set(down.event) == {"id", "type", "subject", "occurred_at", "data"}
    assert (down.event["type"], down.event["subject"]) == ("account.unauthorized", SUBJECT)
    assert (down.event["data"]["why"], down.event["data"]["orders_waiting"]) == ("401", 4)
    assert (well.event["type"], well.event["data"]["was"]) == ("account.ok", "unauthorized")
    assert types(h) == ["account.unauthorized", "account.ok"]
    assert h.events() == ["order.attention", *["order.fulfilled"] * 4]


def test_rejected_orders_are_reported_until_their_account_is_parked(watched: System) -> None:
    h = watched
    for n in range(REFUSALS + 2):
        submit(h, f"ord-{n}", **answered(403, times=9))
        h.poll(f"ord-{n}")
    h.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
    assert h.poll(f"ord-{REFUSALS}").attention is Attention.UNAUTHORIZED
    assert types(h) == ["order.attention"] * (REFUSALS - 1) + ["account.unauthorized"]


def test_many_unreadable_responses_are_one_alert_of_the_account(watched: System) -> None:
    h = watched
    names = [f"ord-{n}" for n in range(30)]
    for name in names:
        submit(h, name)
    h.providers.update_account("tiqets", down="html")
    for name in names:
        h.redis.delete(keys.tokens(ACCOUNT))
        h.poll(name)
    assert types(h) == ["order.attention"] * (UNREADABLE - 1) + ["account.down"]
    assert [h.order(name).attention for name in names].count(Attention.MALFORMED) == UNREADABLE - 1
    state = h.context.stores.accounts.state(ACCOUNT, h.context.accounts[ACCOUNT].rate)
    assert (state.health, state.why) == (AccountHealth.DOWN, "body is not JSON")
    assert h.context.stores.listing.backlog(ACCOUNT, 0).held == len(names) - UNREADABLE
    probe_all(h, names)
    h.providers.update_account("tiqets", down=None)
    probe_all(h, names)
    run_sweep(h.context, "polls")
    for name in names:
        h.redis.delete(keys.tokens(ACCOUNT))
        assert h.poll(name).status is Status.FULFILLED
    assert types(h)[UNREADABLE:] == ["account.ok"]


def probe_all(h: System, names: list[str]) -> None:
    """Let the time of the next probe come, and run whichever order it is."""
    h.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
    run_sweep(h.context, "polls")
    h.redis.delete(keys.tokens(ACCOUNT))
    for name in names:
        if h.order(name).next_poll_at:
            h.poll(name)


def test_an_order_that_stays_unreadable_has_its_own_alert(watched: System) -> None:
    h = watched
    submit(h, **answered(418, times=9))
    for n in range(3):
        submit(h, f"other-{n}", answers=({"do": "malformed"},))
    for _ in range(5):
        h.redis.delete(keys.tokens(ACCOUNT))
        h.poll()
    h.poll("other-0")
    assert types(h) == ["order.attention"] * 2
    assert h.order().attention is Attention.MALFORMED


def test_an_order_that_needs_attention_is_reported_without_its_tickets(
    watched: System, receiver: CallbackReceiver
) -> None:
    h = watched
    submit(h, **answered(404, times=2))
    for _ in range(2):
        assert h.poll().attention is Attention.NOT_FOUND
    deliver(h)
    [message] = receiver.received
    assert (message.event["type"], message.event["subject"]) == ("order.attention", "order:ord-1")
    assert {"id", "account", "reference", "deadline_at", "status"} < set(message.event["data"])
    assert message.event["data"]["attention"] == "not_found"
    assert message.event["data"]["why"] == "The provider does not know this reference."
    assert "`willcall cancel ord-1`" in message.event["data"]["what_to_do"]
    assert "tickets" not in message.event["data"]


@pytest.mark.parametrize(
    ("provider", "reference", "told"),
    [
        ("voordemensen", "ok_5d41402abc4b2a76b9719d911017c592", []),
        ("paylogic", "code:2208801234567@b8cf0001", []),
        ("paylogic", "a7c60001", ["reference"]),
    ],
)
def test_a_secret_reference_is_not_reported(watched: System, provider: str, reference: str, told: list[str]) -> None:
    h = watched
    submit(h, provider=provider, reference=reference, **answered(404))
    h.poll()
    [event] = h.context.stores.ops.recent(9)
    assert [field for field, value in event.data.items() if reference in json.dumps(value)] == told


def test_an_undeliverable_order_is_reported_to_operators_in_a_private_network(
    watched: System, receiver: CallbackReceiver
) -> None:
    h = watched
    submit(h, "early", **answered(404))
    h.poll("early")
    deliver(h)
    h.providers.add_orders([OrderScript(provider="tiqets", reference="7")])
    refusing = h.context.outbound
    h.context = replace(h.context, outbound=OutboundClient(AddressGuard(["127.0.0.0/8"])))
    h.submit(OrderScript(provider="tiqets", reference="8"), id="ord-1", callback_url=receiver.url("/hooks"))
    h.context = replace(h.context, outbound=refusing)
    h.poll()
    [(_, args, _)] = [task for task in h.outbox.tasks if task[0] == "tasks.notify"]
    assert notify_once(h.context, DeliveryMessage(*args)) is None
    deliver(h)
    assert [(message.path, message.event["data"]["attention"]) for message in receiver.received] == [
        ("/ops", "not_found"),
        ("/ops", "undeliverable"),
    ]
    assert receiver.received[-1].event["data"]["status"] == "fulfilled"


def test_an_alert_is_retried_on_schedule_and_logs_its_first_and_last_failure(
    watched: System, receiver: CallbackReceiver
) -> None:
    h = watched
    submit(h, **answered(404))
    h.poll()
    receiver.script(500, path="/ops")
    with capture_logs() as logs:
        tries = 1
        while (follows := deliver(h)) and follows[0]:
            tries += 1
    assert tries == len(SCHEDULE) + 1
    assert len(set(receiver.message_ids("/ops"))) == 1
    delivery = h.context.stores.ops_deliveries.get("order:ord-1")
    assert delivery is not None
    assert delivery.status is CallbackStatus.UNDELIVERABLE
    assert h.order().attention is Attention.NOT_FOUND
    said = [(line["log_level"], line["event"], line["subject"], line["http"]) for line in logs]
    assert said == [
        ("warning", "operator alert failed", "order:ord-1", 500),
        ("error", "operator alert given up", "order:ord-1", 500),
    ]
    assert receiver.host not in str(logs)


def test_pending_alerts_go_to_the_present_operators_url(watched: System, receiver: CallbackReceiver) -> None:
    h = watched
    submit(h, **answered(404))
    h.poll()
    receiver.script(500, path="/ops")
    deliver(h)
    told_at(h, receiver.url("/moved"))
    assert deliver(h) == [None]
    assert receiver.message_ids("/moved") == receiver.message_ids("/ops")


def test_pending_alerts_are_given_up_without_an_operators_url(watched: System, receiver: CallbackReceiver) -> None:
    h = watched
    submit(h, **answered(404))
    h.poll()
    told_at(h, None)
    assert deliver(h) == [None]
    assert receiver.received == []
    assert h.context.stores.ops_deliveries.pending().count == 0


def test_without_an_operators_url_events_are_stored_and_no_message_is_sent(watched: System) -> None:
    h = watched
    told_at(h, None)
    submit(h, **answered(404))
    h.poll()
    assert types(h) == ["order.attention"]
    assert messages(h) == []


def test_the_sweep_reports_a_long_throttle_and_a_response_its_end(watched: System, receiver: CallbackReceiver) -> None:
    h = watched
    submit(h, answers=({"do": "status", "status": 429, "retry_after": 1},))
    h.poll()
    assert run_sweep(h.context, "alerts") == {"throttled": 0, "resent": 0}
    now = int(h.context.stores.accounts.now() * 1_000)
    h.redis.hset(keys.account(ACCOUNT), mapping={"throttled_since": now - 301_000, "throttled_until": now})
    assert run_sweep(h.context, "alerts") == {"throttled": 1, "resent": 0}
    assert run_sweep(h.context, "alerts") == {"throttled": 0, "resent": 0}
    h.redis.delete(keys.tokens(ACCOUNT))
    assert h.poll().status is Status.FULFILLED
    deliver(h)
    assert types(h) == ["account.throttled", "account.ok"]
    assert receiver.received[-1].event["data"]["was"] == "throttled"


def test_the_sweep_sends_an_alert_that_was_lost(watched: System, receiver: CallbackReceiver) -> None:
    h = watched
    submit(h, **answered(404))
    h.poll()
    lost = messages(h)
    h.outbox.tasks.clear()
    h.redis.zadd(keys.OPERATOR_DELIVERIES_DUE, {"order:ord-1": 1})
    assert run_sweep(h.context, "alerts") == {"throttled": 0, "resent": 1}
    assert messages(h) == lost
    deliver(h)
    assert len(receiver.received) == 1


def test_the_recovery_of_a_resumed_account_is_reported_when_its_provider_responds(
    watched: System, receiver: CallbackReceiver
) -> None:
    h = watched
    for n in range(1, 3):
        submit(h, f"ord-{n}", **answered(401))
        h.poll(f"ord-{n}")
    deliver(h)
    assert resume(h.context, h.context.accounts[ACCOUNT], ANNA) == ResumeOutcome(released=1, probing=2)
    deliver(h)
    assert [message.event["type"] for message in receiver.received] == ["account.unauthorized"]
    h.poll(h.outbox.messages[-1].order_id)
    deliver(h)
    assert [message.event["type"] for message in receiver.received] == ["account.unauthorized", "account.ok"]
