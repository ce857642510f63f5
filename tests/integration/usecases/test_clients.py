"""Clients: who may submit what, and where and by whose secret events are sent."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from willcall.config.settings import Settings
from willcall.devtools.callback_receiver import SECRET, CallbackReceiver, ReceivedCallback
from willcall.orders.callbacks import CallbackStatus
from willcall.orders.errors import ConflictingOrderError, NothingToDeliverError, RejectedOrderError
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.codec import compact_json
from willcall.stores.deliveries import DeliveryMessage
from willcall.usecases.notify import notify_once, redeliver
from willcall.usecases.orders import cancel_order
from willcall.usecases.submit import submit

KEY = "key-of-the-shop-0123"
CANNOT_USE = "account: client shop cannot use"
SHOP, SHOP_BEFORE, OTHER = (f"whsec_{b64encode(bytes([n]) * 32).decode()}" for n in (1, 2, 3))


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with CallbackReceiver() as started:
        yield started


def client(n: int = 0, **table: Any) -> dict[str, Any]:
    return {"keys": [f"{KEY}-{n}"], **table}


def configure(h: System, **clients: Any) -> None:
    """Replace the clients, as a reload does. `notify` is the table of that name."""
    notify = clients.pop("notify", {"secret": SECRET})
    tables = {"api": {"clients": clients}, "notify": notify}
    settings = Settings.model_validate({**tables, "outbound": {"allow": ["127.0.0.0/8", "localhost"]}})
    h.context = replace(h.context, settings=settings)


def order(h: System, order_id: str = "ord-1", **fields: Any) -> None:
    """Submit an order and poll it once, which fulfils it."""
    h.submit(OrderScript(provider="tiqets", reference=f"ref-{order_id}"), id=order_id, **fields)
    h.poll(order_id)


def deliver(h: System, order_id: str = "ord-1") -> None:
    """Run the latest message of an order, as if its time had come."""
    messages = [DeliveryMessage(*args) for name, args, _ in h.outbox.tasks if name == "tasks.notify"]
    message = [each for each in messages if each.subject == order_id][-1]
    h.redis.hset(keys.delivery(order_id), "due", 1)
    again = notify_once(h.context, message)
    if again:
        h.outbox.send_task("tasks.notify", [again[0].subject, again[0].event_id, again[0].number, again[0].host])


def state(h: System, order_id: str = "ord-1") -> tuple[CallbackStatus, str]:
    delivery = h.context.stores.deliveries.get(order_id)
    assert delivery is not None
    return delivery.status, h.context.stores.deliveries.attempts(order_id)[-1].why


def signers(received: ReceivedCallback) -> set[str]:
    """Return the secrets that have signed a callback."""
    found, body = set(), compact_json(received.event).encode()
    for secret in (SHOP, SHOP_BEFORE, OTHER, SECRET):
        with suppress(WebhookVerificationError):
            Webhook(secret).verify(body, received.headers)
            found.add(secret)
    return found


def test_the_event_of_a_client_is_sent_to_its_address_and_signed_by_its_secrets_alone(
    make_system: Setup, receiver: CallbackReceiver
) -> None:
    h = make_system()
    configure(h, shop=client(secret=[SHOP, SHOP_BEFORE], callback_url=receiver.url("/shop")))
    order(h, client="shop")
    deliver(h)
    [message] = receiver.received
    assert (message.path, signers(message)) == ("/shop", {SHOP, SHOP_BEFORE})
    assert message.headers["webhook-signature"].count("v1,") == 2
    assert message.event["data"]["client"] == "shop"


@pytest.mark.parametrize("secret", [SECRET, [SECRET, OTHER]])
def test_what_a_client_lacks_is_that_of_all(make_system: Setup, receiver: CallbackReceiver, secret: Any) -> None:
    h = make_system()
    configure(h, shop=client(), notify={"secret": secret, "callback_url": receiver.url("/all")})
    order(h, "of-shop", client="shop")
    order(h, "of-nobody")
    order(h, "of-its-own", callback_url=receiver.url("/own"))
    for order_id in ("of-shop", "of-nobody", "of-its-own"):
        deliver(h, order_id)
    assert [message.path for message in receiver.received] == ["/all", "/all", "/own"]
    expected = {secret} if isinstance(secret, str) else set(secret)
    assert [signers(message) for message in receiver.received] == [expected] * 3


def test_an_event_that_is_not_delivered_follows_a_new_address(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    configure(h, shop=client(secret=SHOP_BEFORE, callback_url=receiver.url("/before")))
    order(h, client="shop")
    order(h, "own", client="shop", callback_url=receiver.url("/own"))
    receiver.script(500, path="/before")
    deliver(h)
    configure(h, shop=client(secret=SHOP, callback_url=f"http://localhost:{receiver.host.partition(':')[2]}/after"))
    deliver(h)
    deliver(h, "own")
    before, after, own = receiver.received
    assert (before.path, after.path, own.path) == ("/before", "/after", "/own")
    assert before.id == after.id
    assert (signers(before), signers(after)) == ({SHOP_BEFORE}, {SHOP})


@pytest.mark.parametrize("own", [True, False])
def test_the_event_of_a_client_that_is_gone_waits_for_it(
    make_system: Setup, receiver: CallbackReceiver, *, own: bool
) -> None:
    h = make_system()
    shop = client(secret=SHOP, callback_url=receiver.url("/shop"))
    configure(h, shop=shop)
    url = receiver.url("/own") if own else None
    h.submit(OrderScript(provider="tiqets", reference="1"), client="shop", callback_url=url)
    configure(h, other=client(1, secret=OTHER), notify={"secret": SECRET, "callback_url": receiver.url("/all")})
    assert h.poll().status is Status.FULFILLED
    deliver(h)
    assert receiver.received == []
    assert state(h) == (CallbackStatus.PENDING, "the client shop is not configured")
    assert [event.order_id for event in h.context.stores.events.list_after(None, 10, "shop")] == ["ord-1"]
    configure(h, shop=shop)
    deliver(h)
    [message] = receiver.received
    assert (message.path, signers(message)) == ("/own" if own else "/shop", {SHOP})


def test_without_an_address_an_event_is_in_the_feed_alone_and_can_be_redelivered_once_there_is_one(
    make_system: Setup, receiver: CallbackReceiver
) -> None:
    h = make_system()
    configure(h, shop=client(secret=SHOP))
    order(h, client="shop")
    assert h.outbox.tasks == []
    with pytest.raises(NothingToDeliverError, match="no callback_url"):
        redeliver(h.context, "ord-1", ANNA)
    configure(h, shop=client(secret=SHOP, callback_url=receiver.url("/shop")))
    redeliver(h.context, "ord-1", ANNA)
    assert h.context.stores.deliveries.pending().waited(h.context.stores.accounts.now()) < 60
    deliver(h)
    [event] = h.context.stores.events.list_after(None, 10)
    assert receiver.message_ids("/shop") == [event.id]
    assert state(h)[0] is CallbackStatus.DELIVERED


def test_an_event_without_an_address_supersedes_the_one_before(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    configure(h, shop=client(callback_url=receiver.url("/shop")))
    script = OrderScript(provider="tixstock", reference="1", partial_after=0, ready_after=600, quantity=2)
    h.submit(script, client="shop")
    assert h.poll().status is Status.PARTIAL
    configure(h, shop=client())
    cancel_order(h.context, "ord-1", ANNA)
    configure(h, shop=client(callback_url=receiver.url("/shop")))
    deliver(h)
    assert receiver.received == []
    assert h.context.stores.deliveries.pending().count == 0
    assert h.context.stores.deliveries.get("ord-1") is None
    redeliver(h.context, "ord-1", ANNA)
    deliver(h)
    assert [message.event["type"] for message in receiver.received] == ["order.cancelled"]


def test_an_address_that_is_taken_away_holds_its_events(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    configure(h, notify={"callback_url": receiver.url()})
    order(h)
    configure(h)
    deliver(h)
    assert state(h) == (CallbackStatus.PENDING, "there is no callback_url any more")
    configure(h, notify={"callback_url": receiver.url()})
    deliver(h)
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"client": "nobody"}, "client: unknown client nobody; configured: both, shop"),
        (
            {"client": "shop", "provider": "paylogic"},
            f"{CANNOT_USE} paylogic/default; it can use: tiqets/default",
        ),
        (
            {"client": "shop", "account": "no-such"},
            f"{CANNOT_USE} tiqets/no-such; it can use: tiqets/default",
        ),
        ({"client": "shop", "provider": "nowhere"}, "provider: unknown provider"),
        ({"client": "not a name"}, "client: only letters"),
        ({"client": 7}, "client: "),
    ],
)
def test_a_client_can_use_its_accounts_alone(make_system: Setup, fields: dict[str, Any], why: str) -> None:
    h = make_system()
    configure(h, shop=client(accounts="tiqets/*"), both=client(1, accounts=["tiqets/default", "tix*/d?fault"]))
    with pytest.raises(RejectedOrderError) as rejected:
        submit(h.context, {"provider": "tiqets", "reference": "1", **fields})
    assert str(rejected.value).startswith(why)
    for provider in ("tiqets", "tixstock"):
        submit(h.context, {"provider": provider, "reference": "1", "client": "both"})


def test_an_id_belongs_to_the_client_that_submitted_it(make_system: Setup) -> None:
    h = make_system()
    configure(h, shop=client(), other=client(1))
    payload = {"provider": "tiqets", "reference": "1", "id": "ord-1"}
    assert submit(h.context, {**payload, "client": "shop"}).new
    assert not submit(h.context, {**payload, "client": "shop"}).new
    refusals = set()
    for claimed in ({"client": "other"}, {}):
        with pytest.raises(ConflictingOrderError) as conflict:
            submit(h.context, {**payload, **claimed})
        refusals.add(str(conflict.value))
    assert refusals == {"order ord-1 already exists with different content"}
    assert h.order().client == "shop"
