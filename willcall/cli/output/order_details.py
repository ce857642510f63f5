"""One order in full: its state, tickets, attempts and callbacks."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from willcall.cli.output.attempt_tables import callback_attempts, poll_attempts
from willcall.cli.output.console import strip_control_characters
from willcall.cli.output.styles import INDENT, STATUS_STYLES, describe_health, plain_table
from willcall.orders.model import OPEN, Attempt, Order, Ticket
from willcall.orders.ticket_documents import DOCUMENT_ERROR, lacks_document
from willcall.orders.troubles import ACCOUNT_TROUBLES, ORDER_TROUBLES
from willcall.orders.urls import redact_callback_url, web_host
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.stores.deliveries import DeliveryAttempt, DeliveryState
from willcall.stores.document_fetches import FetchProgress
from willcall.views.formatting import (
    describe_document_warning,
    describe_ended_by,
    describe_fetch,
    format_count,
    format_duration,
    format_relative,
    format_timestamp,
)
from willcall.views.promises import earliest_poll
from willcall.views.redaction import redacted, reference_label


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """Everything to show of an order at `now`."""

    order: Order
    attempts: Sequence[Attempt]
    #: None if the configuration no longer has the account.
    account: AccountState | None
    now: float
    #: None if there is no callback.
    delivery: DeliveryState | None = None
    #: Oldest first.
    delivery_attempts: Sequence[DeliveryAttempt] = ()
    #: Whether the order is held until its account recovers.
    held: bool = False
    #: Whether beat is running.
    beat: bool = True
    #: `None` if no document is missing.
    fetch: FetchProgress | None = None
    #: Where events are sent, empty if the order's client is not configured.
    callback_url: str | None = None


def order_details(details: OrderDetails, width: int, attempt_limit: int | None = None) -> RenderableType:
    """Render one order, with its latest `attempt_limit` attempts."""
    order = details.order
    parts: list[RenderableType] = [_title(order), Padding(_facts(details), INDENT)]
    if order.attention:
        advice = ORDER_TROUBLES[order.attention]
        title = (f"Attention: {order.attention.replace('_', ' ')}. ", "bold yellow")
        parts += ["", Padding(Text.assemble(title, f"{advice.what} {advice.for_order(order.id)}"), INDENT)]
    if order.tickets:
        parts += ["", Text(f"Tickets ({len(order.tickets)})", "bold"), Padding(_tickets(order.tickets), INDENT)]
    if details.fetch:
        missing = f"missing: {strip_control_characters(describe_fetch(details.fetch, details.now))}"
        parts += ["", Text.assemble(("Documents", "bold"), f"  {missing}")]
    parts += ["", *poll_attempts(details.attempts, order.attempts, details.now, width, attempt_limit)]
    parts += callback_attempts(details.delivery, details.delivery_attempts, details.now, width)
    return Group(*parts)


def _title(order: Order) -> Text:
    style = STATUS_STYLES[order.status]
    words = (f"● {order.status}", f"bold {style}"), "  ", (strip_control_characters(order.id), "bold")
    return Text.assemble(*words, overflow="ellipsis")


def _facts(details: OrderDetails) -> Table:
    order, now = details.order, details.now
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False, show_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()

    def moment(label: str, at: float | None) -> None:
        if at is not None:
            table.add_row(label, _when(at, now))

    def fact(label: str, value: object) -> None:
        if value:
            table.add_row(label, strip_control_characters(value))

    quantity = f", {format_count(order.quantity, 'ticket')}" if order.quantity else ""
    fact("account", order.account_key)
    fact("client", order.client)
    fact("reference", f"{reference_label(order)}{quantity}")
    fact("reason", order.reason)
    fact("provider status", order.provider_status)
    moment("event", order.event_at)
    fact("at risk", "the event is near, and tickets are missing" if order.at_risk else None)
    fact("group", order.group)
    moment("submitted", order.submitted_at)
    if order.not_before and order.not_before > order.submitted_at:
        moment("not before", order.not_before)
    if order.status in OPEN:
        table.add_row("next poll", _next_poll(details))
        moment("deadline", order.deadline_at)
    moment("ended", order.finished_at)
    fact("ended by", order.ended_by and describe_ended_by(order.ended_by))
    moment("erased", order.erased_at)
    fact("callback", redact_callback_url(details.callback_url) if details.callback_url else None)
    for name, value in order.metadata.items():
        fact("metadata", f"{name} = {value}")
    return table


def _when(moment: float, now: float) -> Text:
    return Text.assemble(f"{format_relative(moment, now):<16}", (format_timestamp(moment), "dim"))


def _next_poll(details: OrderDetails) -> Text:
    order, account, now = details.order, details.account, details.now
    text = Text()
    earliest = earliest_poll(order, account)
    if earliest is not None and order.next_poll_at is not None and earliest < now - 1:
        text.append(f"overdue by {format_duration(now - order.next_poll_at)}")
    elif earliest is not None:
        text.append(_when(earliest, now))
    elif order.next_poll_at is not None:
        paused = account is not None and account.health is AccountHealth.PAUSED
        text.append("when the account is resumed" if paused else "when the account recovers")
    elif details.held and account and not account.health.holds_orders:
        text.append("with the next sweep `polls`, as the account has recovered")
    elif details.held:
        text.append("when the account recovers")
    else:
        text.append("none; the provider allows no attempt before the deadline")
    if account is None:
        text.append(f"\nthe account {ACCOUNT_TROUBLES['unconfigured'].what}, so the order is not polled", "yellow")
    elif account.health.value != "ok":
        health = describe_health(account, now, held=details.held, beat=details.beat)
        text.append(f"\nthe account is {health}", "yellow")
    return text


def _tickets(tickets: Sequence[Ticket]) -> Table:
    table = plain_table()
    for title in ("kind", "code", "seat", "valid"):
        if title == "kind" or any(_ticket_cell(ticket, title) for ticket in tickets):
            table.add_column(title)
    titles = [str(column.header) for column in table.columns]
    table.add_column("where", ratio=1)
    for ticket in tickets:
        table.add_row(*(_ticket_cell(ticket, title) for title in titles), strip_control_characters(_where(ticket)))
    return table


def _where(ticket: Ticket) -> str:
    """Return the document, or the host of the address alone: the address may give access to the ticket."""
    if ticket.document:
        parts = [f"document {ticket.document}", ticket.content_type, describe_document_warning(ticket)]
        return ", ".join(filter(None, parts))
    if ticket.url is None:
        return ""
    host = web_host(ticket.url)
    place = f"at {host}" if host else "an address"
    if not lacks_document(ticket):
        return place
    error = ticket.extra.get(DOCUMENT_ERROR)
    return f"given up ({error}), {place}" if error else f"not fetched yet, {place}"


def _ticket_cell(ticket: Ticket, title: str) -> str:
    match title:
        case "kind":
            return ticket.kind.value
        case "code":
            code_format = f" ({ticket.code_format})" if ticket.code_format else ""
            return strip_control_characters(f"{redacted(ticket.code)}{code_format}") if ticket.code else ""
        case "seat":
            parts = {"section": ticket.section, "row": ticket.row, "seat": ticket.seat}
            return strip_control_characters(", ".join(f"{name} {value}" for name, value in parts.items() if value))
    ends = [f"from {ticket.valid_from}" if ticket.valid_from else "", f"to {ticket.valid_until}"]
    return strip_control_characters(" ".join(ends if ticket.valid_until else ends[:1]))
