"""Deliver an event to a backend or to operators: claim, POST, settle."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex

import structlog
from pydantic import SecretStr
from standardwebhooks import Webhook
from structlog.contextvars import bind_contextvars

from willcall.http.messages import HttpLimits
from willcall.http.outbound import RequestFailure
from willcall.orders.callbacks import CallbackStatus, PostResult, decide_delivery, is_accepted
from willcall.orders.errors import NothingToDeliverError
from willcall.orders.history import Action, Actor
from willcall.orders.model import Attention
from willcall.orders.outcomes import Malformed
from willcall.orders.retry_after import retry_after_seconds
from willcall.orders.samples import SampleEvent
from willcall.orders.urls import callback_host
from willcall.stores.codec import compact_json
from willcall.stores.deliveries import (
    DeliveryAttempt,
    DeliveryClaim,
    DeliveryMessage,
    DeliveryStore,
    DeliveryVerdict,
    Undeliverable,
)
from willcall.stores.events import StoredEvent
from willcall.stores.operator_events import OperatorEvent
from willcall.usecases.alerts import order_alert, send_alert
from willcall.usecases.changes import attention_event
from willcall.usecases.context import Context
from willcall.usecases.deliveries import delivery_host, send_delivery
from willcall.usecases.failures import guarded
from willcall.usecases.history import record_order_action
from willcall.usecases.orders import get_unerased_order
from willcall.usecases.ports import Operation, Recipient

log = structlog.get_logger(__name__)

#: A receiver that takes longer is retried.
LIMITS = HttpLimits(connect_timeout=5.0, read_timeout=15.0, total_timeout=15.0, max_bytes=65_536)
#: Seconds until another worker may deliver an event of the same subject: long enough for the claim and the POST.
LEASE = 45.0


def notify_once(context: Context, message: DeliveryMessage) -> tuple[DeliveryMessage, float] | None:
    """Make one attempt to deliver an event to a backend, unless the message is stale.

    Returns the next message about the order and its countdown, or None where nothing is left to deliver or another
    message continues.
    """

    def post(claim: DeliveryClaim, event: StoredEvent | OperatorEvent) -> PostResult:
        bind_contextvars(provider=event.data["provider"], account=f"{event.data['provider']}/{event.data['account']}")
        return _post_to_backend(context, claim, event)

    def give_up(posted: PostResult) -> Undeliverable | None:
        log.warning("undeliverable", order=message.subject, host=message.host, http=posted.status, why=posted.why)
        order = context.stores.orders.get(message.subject)
        if order is None:
            return None
        event = attention_event(replace(order, attention=Attention.UNDELIVERABLE))
        return Undeliverable(event, order_alert(context, order), order.client)

    return _deliver_once(context, context.stores.deliveries, message, post, give_up)


def alert_once(context: Context, message: DeliveryMessage) -> tuple[DeliveryMessage, float] | None:
    """Make one attempt to deliver an event to operators. Returns what `notify_once` does."""

    def post(claim: DeliveryClaim, event: StoredEvent | OperatorEvent) -> PostResult:
        url = context.settings.notify.ops_url
        if url is None:
            return PostResult(None, "notify.ops_url is no longer set", refused=True)
        posted = post_event(context, url, event, claim.now, context.settings.notify.secret, trusted=True)
        if claim.tries == 0 and not is_accepted(posted.status):
            log.warning("operator alert failed", subject=message.subject, http=posted.status, why=posted.why)
        return posted

    def give_up(posted: PostResult) -> None:
        log.error("operator alert given up", subject=message.subject, http=posted.status, why=posted.why)

    return _deliver_once(context, context.stores.ops_deliveries, message, post, give_up)


def postpone_delivery(
    deliveries: DeliveryStore, message: DeliveryMessage, seconds: float
) -> tuple[DeliveryMessage, float] | None:
    """Postpone a delivery by `seconds` because its host has no free slot. Returns what `notify_once` does."""
    return _next_message(deliveries.claim(message, token_hex(6), LEASE, seconds))


def redeliver(context: Context, order_id: str, actor: Actor) -> DeliveryMessage:
    """Deliver an order's latest event again, with the whole retry schedule from now on. Returns the message sent.

    Raises UnknownOrderError, ErasedOrderError, and NothingToDeliverError if there is no event or no callback URL.
    """
    order = get_unerased_order(context, order_id)
    host = delivery_host(context, order)
    if host is None:
        raise NothingToDeliverError(f"order {order_id} has no callback_url, and none is configured")
    try:
        attention = attention_event(replace(order, attention=None))
        message = context.stores.deliveries.redeliver(order_id, host, attention, order.client)
    except LookupError:
        raise NothingToDeliverError(
            f"the latest event of order {order_id} is no longer pending, and is older than events are kept"
        ) from None
    if message is None:
        raise NothingToDeliverError(f"the status of order {order_id} has not changed yet, so there is no event")
    send_delivery(context, message)
    record_order_action(context, order_id, Action.REDELIVERED, actor, f"to {host or 'its client'}")
    return message


def _deliver_once(
    context: Context,
    deliveries: DeliveryStore,
    message: DeliveryMessage,
    post: Callable[[DeliveryClaim, StoredEvent | OperatorEvent], PostResult],
    give_up: Callable[[PostResult], Undeliverable | None],
) -> tuple[DeliveryMessage, float] | None:
    """Claim, POST, settle. `give_up` returns what is written about an order that is now undeliverable."""
    claim_id, started = token_hex(6), time.monotonic()
    claim = deliveries.claim(message, claim_id, LEASE)
    event = claim.event
    if claim.verdict is not DeliveryVerdict.GO or event is None:
        return _next_message(claim)
    posted = guarded(context, Operation.CALLBACK, lambda: post(claim, event))
    if isinstance(posted, Malformed):
        posted = PostResult(None, posted.detail or "")
    decision = decide_delivery(posted, claim.tries + 1, context.rng)
    context.meters.count_delivery(
        Recipient.OPERATORS if isinstance(event, OperatorEvent) else Recipient.BACKENDS, decision.status
    )
    undeliverable = give_up(posted) if decision.status is CallbackStatus.UNDELIVERABLE else None
    made = DeliveryAttempt(
        claim.now + time.monotonic() - started, event.id, event.type, posted.status, posted.why, decision.wait
    )
    follows = deliveries.record_delivery(message, claim_id, made, decision, undeliverable, host=posted.host)
    if undeliverable:
        send_alert(context, undeliverable.alert)
    return follows


def _next_message(claim: DeliveryClaim) -> tuple[DeliveryMessage, float] | None:
    return (claim.next_message, claim.wait) if claim.next_message else None


def _post_to_backend(context: Context, claim: DeliveryClaim, event: StoredEvent | OperatorEvent) -> PostResult:
    """Send an event where the order, its client or the configuration says now, signed with the client's secrets.

    An event of a client that is not configured any more waits: nobody else's secret may sign it.
    """
    settings = context.settings
    if not settings.knows(claim.client):
        return PostResult(None, f"the client {claim.client} is not configured")
    url = settings.callback_url(claim.client, claim.url)
    if not url:
        return PostResult(None, "there is no callback_url any more")
    posted = post_event(context, url, event, claim.now, settings.signing_secrets(claim.client))
    return replace(posted, host=callback_host(url))


def post_event(
    context: Context,
    url: str,
    event: StoredEvent | OperatorEvent | SampleEvent,
    now: float,
    secrets: Sequence[SecretStr],
    *,
    trusted: bool = False,
) -> PostResult:
    """Send an event once, signed by each of the secrets. `trusted`: the configuration names the URL."""
    body = compact_json(event.to_json())
    headers = _headers(event.id, body, int(now), secrets)
    reply = context.outbound.post(url, body.encode(), headers, LIMITS, trusted=trusted)
    if isinstance(reply, RequestFailure):
        return PostResult(None, reply.why, refused=reply.refused)
    return PostResult(reply.status, retry_after=retry_after_seconds(reply.headers, now))


def _headers(event_id: str, body: str, timestamp: int, secrets: Sequence[SecretStr]) -> Mapping[str, str]:
    """Return the headers of a Standard Webhooks message, with a signature by each secret.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#webhook-headers-sending-metadata-to-consumers
    """
    headers = {"content-type": "application/json", "webhook-id": event_id, "webhook-timestamp": str(timestamp)}
    if secrets:
        at = datetime.fromtimestamp(timestamp, UTC)
        signatures = [Webhook(secret.get_secret_value()).sign(event_id, at, body) for secret in secrets]
        headers["webhook-signature"] = " ".join(signatures)
    return headers
