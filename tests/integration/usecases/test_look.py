"""Looks at what a provider says now, without an order."""

from dataclasses import replace
from typing import Any

import pytest

from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from willcall.config.settings import Settings
from willcall.orders.errors import NotNowError, RejectedOrderError
from willcall.orders.history import Actor
from willcall.orders.policy import Rate
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.commits import Commit
from willcall.usecases.accounts import pause
from willcall.usecases.amend import amend_order
from willcall.usecases.commit import write_commit
from willcall.usecases.context import Context
from willcall.usecases.look import look, look_schema
from willcall.usecases.submit import submit
from willcall.usecases.tokens import NoToken, Token, take_token

TIQETS = {"provider": "tiqets", "reference": "1111111"}


def tiqets(**fields: Any) -> OrderScript:
    return OrderScript(**{"provider": "tiqets", "reference": "1111111", "quantity": 2, **fields})


def with_minimum(h: System, minimum: float, key: str = "tiqets/default") -> Context:
    """Return the context with another minimum interval."""
    account = h.context.accounts[key]
    account = replace(account, polling=replace(account.polling, minimum=minimum))
    return replace(h.context, accounts={**h.context.accounts, key: account})


def stored(h: System) -> set[str]:
    """Return the keys in Redis but those of the token bucket, of the look itself, and of histories."""
    apart = ("willcall:tokens:", "willcall:lookup:", "willcall:history:")
    return {key for key in h.redis.scan_iter() if not key.startswith(apart)}


def test_a_look_tells_what_the_provider_says_and_stores_nothing(make_system: Setup) -> None:
    h = make_system()
    h.providers.add_orders([tiqets()])
    before = stored(h)
    found = look_schema(look(h.context, TIQETS, ANNA))
    assert (found.outcome, found.http_status, len(found.tickets)) == ("issued", 200, 1)
    assert found.to_json()["tickets"][0]["kind"] == "pdf"
    assert (stored(h), h.outbox.tasks, h.outbox.messages, h.events()) == (before, [], [], [])
    (entry,) = h.context.stores.history.newest(["tiqets/default"])
    assert (entry.action, entry.by, entry.detail) == ("looked_up", "operator anna", "issued")


def test_a_look_at_an_orders_reference_leaves_it_as_it_is_but_for_a_line(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets(ready_after=600), not_before="2030-01-01T00:00:00Z")
    before = h.order()
    assert look_schema(look(h.context, TIQETS, ANNA)).outcome == "not_ready"
    assert replace(h.order(), last_poll_at=None) == before
    assert h.outcomes() == ["looked_up"]


@pytest.mark.parametrize(("client", "outcomes"), [("shop", ["looked_up"]), ("museum", [])])
def test_a_line_of_a_look_names_no_client_to_another_one(make_system: Setup, client: str, outcomes: list[str]) -> None:
    h = make_system()
    keys_of = {name: {"keys": [f"key-of-the-{name}-0123"]} for name in ("shop", "museum")}
    h.context = replace(h.context, settings=Settings.model_validate({"api": {"clients": keys_of}}))
    h.submit(tiqets(ready_after=600), not_before="2030-01-01T00:00:00Z", client="shop")
    look(h.context, TIQETS, Actor(f"client {client}", is_operator=False), client)
    assert h.outcomes() == outcomes


def test_looks_and_polls_of_one_reference_keep_the_minimum_interval(make_system: Setup) -> None:
    h = make_system()
    h.providers.add_orders([tiqets()])
    context = with_minimum(h, 60)
    look(context, TIQETS, ANNA)
    with pytest.raises(NotNowError, match="no request about this reference is allowed before"):
        look(context, TIQETS, ANNA)
    h.redis.delete(*h.redis.scan_iter("willcall:lookup:*"))
    submit(h.context, {"id": "ord-1", **TIQETS})
    with pytest.raises(NotNowError, match="is about to be polled, at"):
        look(context, TIQETS, ANNA)
    h.poll()
    with pytest.raises(NotNowError, match="no request about this reference is allowed before"):
        look(context, TIQETS, ANNA)
    assert len([each for each in h.providers.ledger(provider="tiqets") if each["kind"] == "status"]) == 2


def test_a_poll_while_a_look_waits_for_its_token_counts(make_system: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    h = make_system()
    h.submit(tiqets(ready_after=600), not_before="2030-01-01T00:00:00Z")

    def take_token_late(*args: Any, **options: Any) -> Token | NoToken:
        h.poll()
        return take_token(*args, **options)

    monkeypatch.setattr("willcall.usecases.look.take_token", take_token_late)
    with pytest.raises(NotNowError, match="no request about this reference is allowed before"):
        look(with_minimum(h, 60), TIQETS, ANNA)
    assert len([each for each in h.providers.ledger(provider="tiqets") if each["kind"] == "status"]) == 1


def test_nothing_is_sent_while_the_order_is_being_polled(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets(), not_before="2030-01-01T00:00:00Z")
    h.redis.hset(keys.order("ord-1"), "lease", round(h.context.stores.accounts.now() * 1_000) + 60_000)
    with pytest.raises(NotNowError, match="is being polled at the moment"):
        look(h.context, TIQETS, ANNA)


def test_a_hint_of_the_answer_holds_for_the_order_too(make_system: Setup) -> None:
    h = make_system()
    busy = {"do": "status", "status": 503, "retry_after": 500, "times": 1}
    h.submit(tiqets(answers=(busy,)))
    h.redis.hset(keys.order("ord-1"), "due", round((h.context.stores.accounts.now() + 60) * 1_000))
    found = look(h.context, TIQETS, ANNA)
    assert found.until is not None
    order = h.order()
    assert order.hint_until == pytest.approx(found.until, abs=0.01)
    assert order.next_poll_at == order.hint_until
    with pytest.raises(NotNowError, match="no request about this reference is allowed before"):
        look(h.context, TIQETS, ANNA)


def test_an_order_that_is_submitted_after_a_look_keeps_to_its_hint(make_system: Setup) -> None:
    h = make_system()
    h.providers.add_orders([tiqets(answers=({"do": "status", "status": 503, "retry_after": 500, "times": 1},))])
    found = look(h.context, TIQETS, ANNA)
    submit(h.context, {"id": "ord-1", **TIQETS})
    order = h.order()
    assert order.next_poll_at == order.hint_until == pytest.approx(found.until, abs=0.1)
    assert order.deadline_at == pytest.approx(order.submitted_at + 600, abs=0.01)
    submit(h.context, {"id": "ord-2", **TIQETS, "allow_duplicate": True})
    assert h.order("ord-2").next_poll_at == pytest.approx(found.until, abs=0.1)


def test_an_order_whose_hint_is_past_its_deadline_is_not_polled(make_system: Setup) -> None:
    h = make_system()
    h.providers.add_orders([tiqets(answers=({"do": "status", "status": 503, "retry_after": 900, "times": 1},))])
    look(h.context, TIQETS, ANNA)
    submit(h.context, {"id": "ord-1", **TIQETS})
    (message,) = h.outbox.messages
    assert message.due == pytest.approx(h.order().deadline_at, abs=0.01)
    assert h.order().next_poll_at is None


def test_a_hint_holds_although_somebody_amends_the_order_meanwhile(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    busy = {"do": "status", "status": 503, "retry_after": 500, "times": 1}
    h.submit(tiqets(answers=(busy,)), not_before="2030-01-01T00:00:00Z")
    h.redis.hset(keys.order("ord-1"), mapping={"last_poll": 1_000, "hint": 2_000})
    looked: list[float | None] = []

    def write_after_a_look(context: Context, commit: Commit) -> float | None:
        looked.append(look(context, TIQETS, ANNA).until)
        return write_commit(context, commit)

    monkeypatch.setattr("willcall.usecases.amend.write_commit", write_after_a_look)
    amend_order(h.context, "ord-1", {"callback_url": "http://127.0.0.1:9/hook"}, ANNA)
    order = h.order()
    assert order.hint_until == pytest.approx(looked[0], abs=0.01)
    assert order.last_poll_at == pytest.approx(h.context.stores.accounts.now(), abs=60)


def test_a_429_throttles_the_account(make_system: Setup) -> None:
    h = make_system()
    h.providers.add_orders([tiqets(answers=({"do": "status", "status": 429, "retry_after": 300, "times": 1},))])
    assert look_schema(look(h.context, TIQETS, ANNA)).outcome == "throttled"
    with pytest.raises(NotNowError, match="account tiqets/default has no free request for another"):
        look(h.context, {**TIQETS, "reference": "2"}, ANNA)


def test_a_paused_or_busy_account_is_not_asked_and_no_slot_stays_booked(make_system: Setup) -> None:
    h = make_system()
    account = replace(h.context.accounts["tiqets/default"], rate=Rate(1, 3_600, 1))
    context = replace(h.context, accounts={**h.context.accounts, "tiqets/default": account})
    h.providers.add_orders([tiqets()])
    look(context, TIQETS, ANNA)
    with pytest.raises(NotNowError, match="has no free request for another"):
        look(context, {**TIQETS, "reference": "2"}, ANNA)
    assert not any(
        h.redis.zcard(lane) for lane in (keys.bookings(account.bucket), keys.express_bookings(account.bucket))
    )
    pause(h.context, account, None, ANNA)
    with pytest.raises(NotNowError, match="is paused or stopped"):
        look(context, {**TIQETS, "reference": "3"}, ANNA)
    assert len([each for each in h.providers.ledger(provider="tiqets") if each["kind"] == "status"]) == 1


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"provider": "tikets", "reference": "1"}, "provider: unknown provider"),
        ({**TIQETS, "account": "other"}, "account: "),
        ({"provider": "paylogic", "account": "user", "reference": "mine"}, "quantity: is required"),
        ({"provider": "tiqets", "reference": ""}, "reference: "),
    ],
)
def test_what_cannot_be_looked_at_is_refused(make_system: Setup, payload: dict[str, Any], message: str) -> None:
    with pytest.raises(RejectedOrderError, match=message):
        look(make_system().context, payload, ANNA)


@pytest.mark.parametrize("provider", ["funtrips", "tixstock", "voordemensen", "paylogic"])
def test_every_provider_can_be_looked_at(make_system: Setup, provider: str) -> None:
    h = make_system()
    h.providers.add_orders([OrderScript(provider=provider, reference="R-1", quantity=1)])
    found = look_schema(look(h.context, {"provider": provider, "reference": "R-1"}, ANNA))
    assert (found.outcome, found.http_status) == ("issued", 200)
    assert not any("data:" in str(ticket) for ticket in found.to_json()["tickets"])


def test_a_look_keeps_the_interval_that_orders_of_one_reference_share(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets(ready_after=600), not_before="2030-01-01T00:00:00Z")
    later = {"not_before": "2030-01-01T00:00:00Z", "allow_duplicate": True}
    submit(h.context, {"id": "ord-2", **TIQETS, **later})
    sharing = h.redis.hget(keys.order("ord-2"), "sharing")
    assert sharing
    shared = keys.shared_interval("tiqets/default", sharing)
    h.redis.set(shared, "ord-1", px=60_000)
    with pytest.raises(NotNowError, match="no request about this reference is allowed before"):
        look(h.context, TIQETS, ANNA)
    h.redis.delete(shared)
    look(with_minimum(h, 60), TIQETS, ANNA)
    assert h.redis.pttl(shared) > 0
