"""Tell a backend, or operators, of an event: claim, POST, settle."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from secrets import token_hex

import structlog
from pydantic import SecretStr
from standardwebhooks import Webhook
from structlog.contextvars import bind_contextvars

from willcall.http.messages import HttpLimits
from willcall.http.outbound import RequestFailure
from willcall.orders.callbacks import CallbackStatus, PostResult, callback_host, decide_delivery, is_accepted
from willcall.orders.model import Order
from willcall.orders.outcomes import Malformed
from willcall.orders.retry_after import retry_after_seconds
from willcall.stores.codec import compact_json
from willcall.stores.deliveries import DeliveryAttempt, DeliveryClaim, DeliveryMessage, DeliveryStore, DeliveryVerdict
from willcall.stores.events import StoredEvent
from willcall.stores.operator_events import OperatorAlert, OperatorEvent
from willcall.usecases.alerts import FIRST, order_alert, send_alert
from willcall.usecases.context import Context
from willcall.usecases.failures import guarded
from willcall.usecases.ports import Operation, Recipient

log = structlog.get_logger(__name__)

#: A receiver that takes longer is better tried again: it has an answer in 15 s or none.
LIMITS = HttpLimits(connect_timeout=5.0, read_timeout=15.0, total_timeout=15.0, max_bytes=65_536)
#: Seconds until another worker may tell of the same subject: the claim's own way back, twice over, and the POST.
LEASE = 45.0


def notify_once(context: Context, notice: DeliveryMessage) -> tuple[DeliveryMessage, float] | None:
    """Tell a backend of an event, once, if that is what `notice` is still for.

    Returns the next message about the order and in how many seconds it is to run; None where nothing is to be told,
    or where it goes on by another message.
    """

    def post(claim: DeliveryClaim, event: StoredEvent | OperatorEvent) -> PostResult:
        bind_contextvars(provider=event.data["provider"], account=f"{event.data['provider']}/{event.data['account']}")
        return _post(context, claim.url, event, claim.now)

    def give_up(posted: PostResult) -> OperatorAlert | None:
        log.warning("undeliverable", order=notice.subject, host=notice.host, http=posted.status, why=posted.why)
        order = context.stores.orders.get(notice.subject)
        return order_alert(context, order) if order else None

    return _tell_once(context, context.stores.deliveries, notice, post, give_up)


def alert_once(context: Context, notice: DeliveryMessage) -> tuple[DeliveryMessage, float] | None:
    """Tell operators of an event, once, if that is what `notice` is still for; what is returned is as above."""

    def post(claim: DeliveryClaim, event: StoredEvent | OperatorEvent) -> PostResult:
        url = context.settings.notify.ops_url
        if url is None:
            return PostResult(None, "notify.ops_url is not set any more", refused=True)
        posted = _post(context, url, event, claim.now, trusted=True)
        if claim.tries == 0 and not is_accepted(posted.status):
            log.warning("operators not told yet", subject=notice.subject, http=posted.status, why=posted.why)
        return posted

    def give_up(posted: PostResult) -> None:
        log.error("operators not told", subject=notice.subject, http=posted.status, why=posted.why)

    return _tell_once(context, context.stores.ops_deliveries, notice, post, give_up)


def postpone_delivery(
    deliveries: DeliveryStore, notice: DeliveryMessage, seconds: float
) -> tuple[DeliveryMessage, float] | None:
    """Tell in `seconds` rather than now, because there is no room; what is returned is as of `notify_once`."""
    return _come_back(deliveries.claim(notice, token_hex(6), LEASE, seconds))


def send_first_delivery(context: Context, order: Order, event_id: str) -> None:
    """Send the first message of an event that was just committed, if the order's backend wants to be told."""
    if order.callback_url:
        send_delivery(context, DeliveryMessage(order.id, event_id, FIRST, callback_host(order.callback_url)))


def send_delivery(context: Context, notice: DeliveryMessage, countdown: float = 0.0) -> None:
    """Send a message that tells a worker to tell a backend, in `countdown` seconds."""
    args = [notice.subject, notice.event_id, notice.number, notice.host]
    context.sender.send_task("tasks.notify", args, countdown)


def _tell_once(
    context: Context,
    deliveries: DeliveryStore,
    notice: DeliveryMessage,
    post: Callable[[DeliveryClaim, StoredEvent | OperatorEvent], PostResult],
    give_up: Callable[[PostResult], OperatorAlert | None],
) -> tuple[DeliveryMessage, float] | None:
    """Claim, POST, settle. What `give_up` returns is for operators, should the order newly need attention by it."""
    claim_id, started = token_hex(6), time.monotonic()
    claim = deliveries.claim(notice, claim_id, LEASE)
    event = claim.event
    if claim.verdict is not DeliveryVerdict.GO or event is None:
        return _come_back(claim)
    posted = guarded(context, Operation.CALLBACK, lambda: post(claim, event))
    if isinstance(posted, Malformed):
        posted = PostResult(None, posted.detail or "")
    decision = decide_delivery(posted, claim.tries + 1, context.rng)
    context.meters.count_delivery(
        Recipient.OPERATORS if isinstance(event, OperatorEvent) else Recipient.BACKENDS, decision.status
    )
    alert = give_up(posted) if decision.status is CallbackStatus.UNDELIVERABLE else None
    made = DeliveryAttempt(
        claim.now + time.monotonic() - started, event.id, event.type, posted.status, posted.why, decision.wait
    )
    follows = deliveries.settle(notice, claim_id, made, decision, alert)
    if alert:
        send_alert(context, alert)
    return follows


def _come_back(claim: DeliveryClaim) -> tuple[DeliveryMessage, float] | None:
    return (claim.again, claim.wait) if claim.again else None


def _post(
    context: Context, url: str, event: StoredEvent | OperatorEvent, now: float, *, trusted: bool = False
) -> PostResult:
    body = compact_json(event.document())
    headers = _headers(event.id, body, int(now), context.settings.notify.secret)
    reply = context.outbound.post(url, body.encode(), headers, LIMITS, trusted=trusted)
    if isinstance(reply, RequestFailure):
        return PostResult(None, reply.why, refused=reply.refused)
    return PostResult(reply.status, retry_after=retry_after_seconds(reply.headers, now))


def _headers(event_id: str, body: str, timestamp: int, secret: SecretStr | None) -> Mapping[str, str]:
    """The headers of a Standard Webhooks message; without a secret all but the signature.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#webhook-headers-sending-metadata-to-consumers
    """
    headers = {"content-type": "application/json", "webhook-id": event_id, "webhook-timestamp": str(timestamp)}
    if secret is not None:
        webhook = Webhook(secret.get_secret_value())
        headers["webhook-signature"] = webhook.sign(event_id, datetime.fromtimestamp(timestamp, UTC), body)
    return headers
