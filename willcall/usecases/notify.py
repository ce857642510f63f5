"""Tell a backend of an event: claim, POST, settle."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from secrets import token_hex

import structlog
from pydantic import SecretStr
from standardwebhooks import Webhook

from willcall.orders.callbacks import Telling, Tried, after_try, host_of
from willcall.orders.model import Order
from willcall.orders.retry_after import parse_retry_after
from willcall.outbound.transport import Failure, Limits
from willcall.stores.codec import compact
from willcall.stores.deliveries import Claim, Notice, Try, Verdict
from willcall.stores.events import StoredEvent
from willcall.usecases.context import Context

log = structlog.get_logger(__name__)

#: A receiver that takes longer is better tried again: it has an answer in 15 s or none.
LIMITS = Limits(connect_timeout=5.0, read_timeout=15.0, total_timeout=15.0, max_bytes=65_536)
#: Seconds until another worker may tell of the same order: the claim's own way back, twice over, and the POST.
LEASE = 45.0

#: The number of an event's first message.
FIRST = 1


def notify_once(context: Context, notice: Notice) -> tuple[Notice, float] | None:
    """Tell a backend of an event, once, if that is what `notice` is still for.

    Returns the next message about the order and in how many seconds it is to run; None where nothing is to be told,
    or where it goes on by another message.
    """
    claim_id, started = token_hex(6), time.monotonic()
    claim = context.stores.deliveries.claim(notice, claim_id, LEASE)
    event = claim.event
    if claim.verdict is not Verdict.GO or event is None:
        return _come_back(claim)
    tried = _post(context, claim.url, event, claim.now)
    outlook = after_try(tried, claim.tries + 1, context.rng)
    context.meters.told(outlook.telling)
    if outlook.telling is Telling.UNDELIVERABLE:
        log.warning("undeliverable", order=notice.order_id, host=notice.host, http=tried.status, why=tried.why)
    made = Try(claim.now + time.monotonic() - started, event.id, event.type, tried.status, tried.why, outlook.wait)
    return context.stores.deliveries.settle(notice, claim_id, made, outlook)


def put_off(context: Context, notice: Notice, seconds: float) -> tuple[Notice, float] | None:
    """Tell in `seconds` rather than now, because there is no room; what is returned is as of `notify_once`."""
    return _come_back(context.stores.deliveries.claim(notice, token_hex(6), LEASE, seconds))


def announce(context: Context, order: Order, event_id: str) -> None:
    """Send the first message of an event that was just committed, if the order's backend wants to be told."""
    if order.callback_url:
        send_notice(context, Notice(order.id, event_id, FIRST, host_of(order.callback_url)))


def send_notice(context: Context, notice: Notice, countdown: float = 0.0) -> None:
    """Send a message that tells a worker to tell a backend, in `countdown` seconds."""
    args = [notice.order_id, notice.event_id, notice.number, notice.host]
    context.sender.send_task("tasks.notify", args, countdown)


def _come_back(claim: Claim) -> tuple[Notice, float] | None:
    return (claim.again, claim.wait) if claim.again else None


def _post(context: Context, url: str, event: StoredEvent, now: float) -> Tried:
    body = compact(event.document())
    headers = _headers(event.id, body, int(now), context.settings.notify.secret)
    reply = context.outbound.post(url, body.encode(), headers, LIMITS)
    if isinstance(reply, Failure):
        return Tried(None, reply.why, refused=reply.permanent)
    return Tried(reply.status, retry_after=parse_retry_after(reply.headers.get("retry-after"), now))


def _headers(event_id: str, body: str, timestamp: int, secret: SecretStr | None) -> Mapping[str, str]:
    """The headers of a Standard Webhooks message; without a secret all but the signature.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#webhook-headers-sending-metadata-to-consumers
    """
    headers = {"content-type": "application/json", "webhook-id": event_id, "webhook-timestamp": str(timestamp)}
    if secret is not None:
        webhook = Webhook(secret.get_secret_value())
        headers["webhook-signature"] = webhook.sign(event_id, datetime.fromtimestamp(timestamp, UTC), body)
    return headers
