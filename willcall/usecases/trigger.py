"""Send a backend a sample event."""

from dataclasses import dataclass

import structlog

from willcall.orders.callbacks import is_accepted
from willcall.orders.errors import FieldError, NothingToDeliverError, RejectedOrderError
from willcall.orders.history import Action, Actor
from willcall.orders.samples import SampleEvent
from willcall.orders.urls import callback_host
from willcall.schemas import operations as schemas
from willcall.stores.events import new_event_id
from willcall.usecases.context import Context
from willcall.usecases.history import record_action
from willcall.usecases.notify import post_event

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TriggerResult:
    """What a backend answered to a sample. `status`: of HTTP, `None` without a response; `why` says what happened."""

    event: SampleEvent
    host: str
    status: int | None
    why: str

    @property
    def accepted(self) -> bool:
        return is_accepted(self.status)


def trigger(context: Context, name: str, actor: Actor, *, url: str | None, client: str | None) -> TriggerResult:
    """Send a sample of `order.<name>`, once and signed, to `url`, otherwise to the configured callback URL.

    Raises RejectedOrderError for an unknown client or an address that events cannot be sent to, and
    NothingToDeliverError without any address.
    """
    settings = context.settings
    if not settings.knows(client):
        raise RejectedOrderError([FieldError("client", f"unknown client {client}")])
    refusal = context.outbound.refusal(url) if url else None
    if refusal:
        raise RejectedOrderError([FieldError("callback_url", refusal)])
    url = settings.callback_url(client, url)
    if not url:
        raise NothingToDeliverError("no callback_url is given, and none is configured")
    now = context.stores.accounts.now()
    event = SampleEvent(new_event_id(), name, now)
    posted = post_event(context, url, event, now, settings.signing_secrets(client))
    result = TriggerResult(event, callback_host(url), posted.status, posted.why)
    record_action(context, Action.TRIGGERED, actor, f"sample of {event.type} to {result.host}")
    log.info("sample sent", type=event.type, host=result.host, http=result.status, why=result.why, by=actor.name)
    return result


def trigger_schema(result: TriggerResult) -> schemas.TriggerResult:
    return schemas.TriggerResult(
        accepted=result.accepted,
        event_id=result.event.id,
        type=result.event.type,
        host=result.host,
        http_status=result.status,
        why=result.why,
    )
