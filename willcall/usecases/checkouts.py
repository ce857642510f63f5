"""Create an order at a provider, and follow the customer back from the payment.

The intent is stored before the provider is called. Whether a call arrived may be unknown afterwards: the connection
broke, or this process died. Such a call is never made again, as the customer could pay twice.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from willcall.http.messages import Response
from willcall.orders.errors import (
    ClosedOrderError,
    ConflictingOrderError,
    FieldError,
    NotNowError,
    RejectedOrderError,
    WillcallError,
)
from willcall.orders.history import Action, Actor
from willcall.orders.outcomes import Throttled, Unavailable
from willcall.orders.submission import (
    CallbackUrl,
    Name,
    SubmitOrder,
    check_printable,
    field_errors_of,
    parse_submission,
    truncate_errors,
)
from willcall.providers.base import Account
from willcall.providers.checkouts import Checkout, Checkouts, CreatedOrder, in_doubt
from willcall.providers.reading import status_outcome
from willcall.stores.bookings import BookingKind
from willcall.stores.checkouts import CheckoutVerdict, StoredCheckout
from willcall.stores.schedule import Requester
from willcall.usecases.account_reports import report_throttle
from willcall.usecases.context import Context
from willcall.usecases.failures import guarded
from willcall.usecases.history import record_order_action
from willcall.usecases.orders import expedite_poll
from willcall.usecases.ports import Operation
from willcall.usecases.submit import check_account, submit
from willcall.usecases.tokens import NoToken, return_token, take_token

log = structlog.get_logger(__name__)

#: Seconds that a checkout waits for its token, and beyond the exchange after which a call counts as dead.
_PATIENCE, _LEASE_MARGIN = 5.0, 5.0
#: Statuses with which a provider certainly created nothing; it may have with any other but 200 and 201.
_REFUSED = frozenset({400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429})
#: A reference that every adapter accepts, to check an order before its reference is known.
_NO_REFERENCE = "unknown"

Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(check_printable)
]


class CheckoutRequest(BaseModel):
    """A cart to turn into an order, who buys it, and the order to submit for it. `order.id` is required."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    provider: Name
    """Where the order is created."""
    account: Name = "default"
    """Which credentials to use."""
    cart_id: Text = Field(repr=False)
    """The cart to check out."""
    payment_id: Annotated[int, Field(strict=True, ge=0, le=2**31)]
    """The payment method, as the provider numbers it."""
    redirect_url: CallbackUrl = Field(repr=False)
    """Where the customer goes after the payment. `?return=` and the order's key are added."""
    email: Text | None = Field(default=None, repr=False)
    firstname: Text | None = Field(default=None, repr=False)
    lastname: Text | None = Field(default=None, repr=False)
    phone: Text | None = Field(default=None, repr=False)
    address: Text | None = Field(default=None, repr=False)
    city: Text | None = Field(default=None, repr=False)
    zip: Text | None = Field(default=None, repr=False)
    avg_optin: Annotated[bool, Field(strict=True)] | None = None
    """Whether the customer may be contacted about the order."""
    avg_mailinglist: Annotated[bool, Field(strict=True)] | None = None
    """Whether the customer joins the mailing list."""
    order: dict[str, Any] = Field(repr=False)
    """The order as it would be submitted, without provider, account and reference."""

    def customer(self) -> dict[str, str]:
        """Return who buys it, as far as that is given."""
        names = ("email", "firstname", "lastname", "phone", "address", "city", "zip")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def consents(self) -> dict[str, bool]:
        names = ("avg_optin", "avg_mailinglist")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class CheckoutResult:
    """The order of a checkout, and where its customer pays. `new` is False for a repeated call."""

    order_id: str
    payment_url: str = field(repr=False)
    new: bool = True


def create_checkout(
    context: Context, payload: Mapping[str, Any], actor: Actor, client: str | None = None
) -> CheckoutResult:
    """Create an order at the provider and submit it. May be repeated with the same content.

    Raises RejectedOrderError; ConflictingOrderError if the id was used with other content; NotNowError if the provider
    was not reached; and ClosedOrderError if it refused the checkout, or if it is unknown whether it was reached.
    """
    request, submission = _checked(payload, client)
    account = check_account(context, submission)
    checkouts, return_url = _capability(context, account)
    stored = StoredCheckout(
        submission.id,
        account.key,
        digest=blake2b(json.dumps([client, payload], sort_keys=True).encode(), digest_size=20).hexdigest(),
        order=json.dumps(_order_payload(request, client, "")),
        redirect_url=request.redirect_url,
    )
    if context.stores.orders.get(submission.id) and not context.stores.checkouts.exists(submission.id):
        raise ConflictingOrderError(submission.id)
    claim = context.stores.checkouts.claim(stored, _PATIENCE + account.http.total_timeout + _LEASE_MARGIN)
    match claim.verdict:
        case CheckoutVerdict.CONFLICT:
            raise ConflictingOrderError(submission.id)
        case CheckoutVerdict.BUSY:
            raise NotNowError(f"checkout {submission.id} is under way; try again in some seconds", _PATIENCE)
        case CheckoutVerdict.UNKNOWN:
            raise _in_doubt(context, account, submission.id)
        case CheckoutVerdict.CREATED:
            created, new = CreatedOrder(claim.reference, claim.payment_url), False
        case CheckoutVerdict.GO:
            checkout = Checkout(request.cart_id, request.payment_id, return_url, request.customer(), request.consents())
            created, new = _create(context, account, checkouts, checkout, submission.id), True
            context.stores.checkouts.record(stored, created.reference, created.payment_url)
    submit(context, _order_payload(request, client, created.reference))
    context.stores.checkouts.finish(submission.id)
    if new:
        record_order_action(context, submission.id, Action.CHECKED_OUT, actor)
        log.info("checkout", order=submission.id, account=account.key, by=actor.name)
    return CheckoutResult(submission.id, created.payment_url, new)


def follow_return(context: Context, account: Account, reference: str) -> str | None:
    """Poll the order of a customer who came back, as soon as it may be. Returns where the customer goes, or `None`."""
    found = context.stores.checkouts.find_return(account.key, reference)
    if found is None:
        return None
    order_id, redirect_url = found
    try:
        expedite_poll(context, account, order_id, Requester.CUSTOMER)
    except WillcallError as error:
        log.info("returned order not polled", order=order_id, account=account.key, error=error)
    return _with_reference(redirect_url, reference)


def finish_checkout(context: Context, order_id: str) -> int:
    """Submit the order of a checkout whose call has ended. Returns how many orders that are.

    If it is unknown whether the provider created it, the order is not polled: it needs the attention `approval`.
    """
    stored = context.stores.checkouts.submission(order_id)
    if stored:
        order, reference = stored
        known = {"reference": reference} if reference else {"reference": in_doubt(order_id), "allow_duplicate": True}
        submit(context, {**json.loads(order), **known})
    context.stores.checkouts.finish(order_id)
    return 1 if stored else 0


def _checked(payload: Mapping[str, Any], client: str | None) -> tuple[CheckoutRequest, SubmitOrder]:
    """Return the request and its order, both validated. Raises RejectedOrderError with all errors."""
    try:
        request = CheckoutRequest.model_validate(dict(payload))
    except ValidationError as error:
        raise RejectedOrderError(truncate_errors(field_errors_of(error))) from None
    fixed = [name for name in ("provider", "account", "reference", "client", "credentials") if name in request.order]
    errors = [FieldError(f"order.{name}", "is set by the checkout; leave it out") for name in fixed]
    if "id" not in request.order:
        errors.append(FieldError("order.id", "is missing"))
    if errors:
        raise RejectedOrderError(errors)
    try:
        submission = parse_submission(_order_payload(request, client, _NO_REFERENCE))
    except RejectedOrderError as error:
        raise RejectedOrderError([replace(each, field=f"order.{each.field}") for each in error.errors]) from None
    return request, submission


def _order_payload(request: CheckoutRequest, client: str | None, reference: str) -> dict[str, Any]:
    of_client = {"client": client} if client else {}
    return {
        **request.order,
        "provider": request.provider,
        "account": request.account,
        "reference": reference,
        **of_client,
    }


def _capability(context: Context, account: Account) -> tuple[Checkouts, str]:
    """Return how orders are created at the provider, and our address for returning customers."""
    if account.adapter.checkouts is None:
        raise RejectedOrderError([FieldError("provider", f"no orders can be created at {account.provider}")])
    public_url = context.settings.api.public_url
    if not public_url:
        why = "customers cannot come back: set `public_url` in `[api]` of the configuration"
        raise RejectedOrderError([FieldError("redirect_url", why)])
    return account.adapter.checkouts, f"{public_url.rstrip('/')}/return/{account.key}"


def _create(
    context: Context, account: Account, checkouts: Checkouts, checkout: Checkout, order_id: str
) -> CreatedOrder:
    """Send the request. Raises NotNowError or ClosedOrderError; the intent stays only if it may have arrived."""
    booking = f"checkout-{order_id}"
    token = take_token(context, account, BookingKind.LIST, booking, _PATIENCE, express=True)
    if isinstance(token, NoToken):
        return_token(context, account, BookingKind.LIST, booking)
        context.stores.checkouts.release(order_id)
        raise NotNowError(f"account {account.key} has no free request now; nothing was sent", token.wait)
    response = context.exchange(account, checkouts.create_request(checkout, account.credentials))
    if isinstance(response, Unavailable) and not response.request_sent:
        context.stores.checkouts.release(order_id)
        raise NotNowError(f"{account.provider} could not be reached; nothing was sent, so try again", 1.0)
    if not isinstance(response, Response):
        raise _in_doubt(context, account, order_id)
    outcome = status_outcome(response, 200, 201)
    if isinstance(outcome, Throttled):
        report_throttle(context, account, outcome.retry_after, context.stores.accounts.now())
    if response.status in _REFUSED:
        context.stores.checkouts.release(order_id)
        if isinstance(outcome, Throttled):
            raise NotNowError(f"{account.provider} is rate-limiting us (HTTP {response.status})", outcome.retry_after)
        raise ClosedOrderError(f"{account.provider} refused the checkout (HTTP {response.status})")
    created = guarded(context, Operation.ATTEMPT, lambda: checkouts.read_created(response), order=order_id)
    if outcome is not None or not isinstance(created, CreatedOrder):
        raise _in_doubt(context, account, order_id)
    return created


def _in_doubt(context: Context, account: Account, order_id: str) -> ClosedOrderError:
    """Submit the order of a checkout that may have been created, so that somebody looks, and return the error."""
    log.error("checkout in doubt", order=order_id, account=account.key)
    finish_checkout(context, order_id)
    return ClosedOrderError(
        f"it is unknown whether the provider created the order of checkout {order_id}, so it is not created again; "
        "look for it at the provider, and submit it with its order key under another id"
    )


def _with_reference(url: str, reference: str) -> str:
    """Return the address of the backend with `return=<reference>` in its query."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "return"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("return", reference)])))
