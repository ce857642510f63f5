"""What an order's page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from willcall.api.board.events import EventRow, event_rows
from willcall.api.board.labels import REDACTED, is_secret_reference, redacted
from willcall.orders.model import Attempt, Order
from willcall.orders.troubles import ACCOUNT_TROUBLES, Trouble
from willcall.providers.base import Account, OrderQuery
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.stores.deliveries import DeliveryAttempt, DeliveryState
from willcall.stores.document_fetches import FetchProgress
from willcall.usecases.context import Context
from willcall.usecases.orders import get_order
from willcall.views.accounts import account_trouble


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order at `now` (epoch seconds, the server's clock).

    `attempts`, `events` and `tries`, those to tell its backend, newest first. `account` is None where the configuration
    no longer has it, `delivery` where nobody is told. `asks` is the request that each attempt makes, None where none
    can be made. `held`: it is set aside until its account goes on. `fetching` is None where no document is
    to be fetched.
    """

    order: Order
    attempts: Sequence[Attempt]
    account: AccountState | None
    delivery: DeliveryState | None
    events: Sequence[EventRow]
    tries: Sequence[DeliveryAttempt]
    now: float
    asks: str | None
    held: bool
    fetching: FetchProgress | None

    @property
    def trouble(self) -> Trouble | None:
        """What is wrong with its account, while it waits for tickets."""
        if self.order.finished_at is not None:
            return None
        if self.account is None:
            return ACCOUNT_TROUBLES["unconfigured"]
        return None if self.account.health is AccountHealth.OK else account_trouble(self.account)

    @property
    def hint_until(self) -> float | None:
        """Until when the provider asked not to be asked about it, or to be left alone altogether."""
        hints = (self.order.hint_until, self.account.hint_until if self.account else None)
        return max((hint for hint in hints if hint is not None and hint > self.now), default=None)

    @property
    def stopped(self) -> bool:
        """Whether it waits, or will wait when its time comes, until its account goes on."""
        return self.trouble is not None and (self.account is None or self.account.health.holds_orders)


def view_order(context: Context, order_id: str) -> OrderView:
    """An order with its story. Raises UnknownOrderError, StoreError."""
    stores = context.stores
    order = get_order(context, order_id)
    account = context.accounts.get(order.account_key)
    delivery, tries = stores.deliveries.get(order_id), stores.deliveries.attempts(order_id)
    return OrderView(
        order=order,
        attempts=stores.orders.timeline(order_id)[::-1],
        account=stores.accounts.state(account.key, account.rate) if account else None,
        delivery=delivery,
        events=event_rows(stores.events.list_for_order(order_id), delivery, tries),
        tries=tries[::-1],
        now=stores.accounts.now(),
        asks=_asks(account, order) if account else None,
        held=stores.schedule.is_held(order.account_key, order_id),
        fetching=stores.fetches.progress([order_id])[0],
    )


def _asks(account: Account, order: Order) -> str | None:
    """Method and address of the request about an order: no header, so no key; no reference that lets its holder in.

    Where the reference is one, the request is made for what is shown of it, so that nothing else can get into it.
    """
    secret = is_secret_reference(order)
    reference = _without_secrets(order.reference) if secret else order.reference
    query = OrderQuery(reference, order.quantity, order.language)
    try:
        request = account.adapter.status_request(query, account.credentials, "")
    except ValueError:
        return None
    asks = f"{request.method} {request.url}" + (f"?{urlencode(request.params)}" if request.params else "")
    return asks.replace(quote(REDACTED), REDACTED) if secret else asks


def _without_secrets(reference: str) -> str:
    """A secret reference that is still one of its kind: `code:<barcode>@<event uid>`, or an order key."""
    kind = "code:" if reference.startswith("code:") else ""
    return kind + "@".join(map(redacted, reference.removeprefix(kind).split("@")))
