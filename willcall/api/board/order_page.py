"""The data of an order's page."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from willcall.api.board.events import EventRow, event_rows
from willcall.orders.model import Attempt, Order
from willcall.orders.troubles import ACCOUNT_TROUBLES, Trouble
from willcall.providers.base import Account, OrderQuery
from willcall.providers.registry import is_secret_reference
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.stores.deliveries import DeliveryAttempt, DeliveryState
from willcall.stores.document_fetches import FetchProgress
from willcall.usecases.context import Context
from willcall.usecases.orders import get_order
from willcall.views.accounts import account_trouble, waits_for_account
from willcall.views.redaction import REDACTED, redacted


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order at `now` (epoch seconds by the clock of Redis). Lists are newest first.

    `account` is `None` if the configuration lacks it, `delivery` without a callback URL, `request` if none can be made.
    `callback_url` is where events are sent, empty if the order's client is not configured.
    `held`: the order waits until its account continues.
    """

    order: Order
    attempts: Sequence[Attempt]
    account: AccountState | None
    delivery: DeliveryState | None
    events: Sequence[EventRow]
    delivery_attempts: Sequence[DeliveryAttempt]
    now: float
    request: str | None
    held: bool
    fetching: FetchProgress | None
    callback_url: str | None

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong with the account of an open order."""
        if self.order.finished_at is not None:
            return None
        if self.account is None:
            return ACCOUNT_TROUBLES["unconfigured"]
        return None if self.account.health is AccountHealth.OK else account_trouble(self.account)

    @property
    def hint_until(self) -> float | None:
        """When the provider's `Retry-After`, for the order or its account, ends."""
        hints = (self.order.hint_until, self.account.hint_until if self.account else None)
        return max((hint for hint in hints if hint is not None and hint > self.now), default=None)

    @property
    def stopped(self) -> bool:
        """Whether polls wait until the account continues."""
        return self.trouble is not None and (self.account is None or waits_for_account(self.account, self.now))


def view_order(context: Context, order_id: str) -> OrderView:
    """Raises UnknownOrderError, StoreError."""
    stores = context.stores
    order = get_order(context, order_id)
    account = context.accounts.get(order.account_key)
    delivery, attempts = stores.deliveries.get(order_id), stores.deliveries.attempts(order_id)
    return OrderView(
        order=order,
        attempts=stores.orders.timeline(order_id)[::-1],
        account=stores.accounts.state(account.key, account.rate) if account else None,
        delivery=delivery,
        events=event_rows(stores.events.list_for_order(order_id), delivery, attempts),
        delivery_attempts=attempts[::-1],
        now=stores.accounts.now(),
        request=_describe_request(account, order) if account and order.erased_at is None else None,
        held=stores.schedule.is_held(order.account_key, order_id),
        fetching=stores.fetches.progress([order_id])[0],
        callback_url=context.settings.callback_url(order.client, order.callback_url),
    )


def _describe_request(account: Account, order: Order) -> str | None:
    """Return method and URL of a status request, without headers and with secrets redacted."""
    secret = is_secret_reference(order.provider, order.reference)
    reference = _without_secrets(order.reference) if secret else order.reference
    query = OrderQuery(reference, order.quantity, order.language)
    if order.user_bound and account.adapter.user_credential:
        account = account.for_user({account.adapter.user_credential: "-"})
    try:
        request = account.adapter.status_request(query, account.credentials, "")
    except ValueError:
        return None
    described = f"{request.method} {request.url}" + (f"?{urlencode(request.params)}" if request.params else "")
    return described.replace(quote(REDACTED), REDACTED) if secret else described


def _without_secrets(reference: str) -> str:
    """Redact a secret reference but keep its form: `code:<barcode>@<event uid>`, or an order key."""
    kind = "code:" if reference.startswith("code:") else ""
    return kind + "@".join(map(redacted, reference.removeprefix(kind).split("@")))
