"""One order for a person: where it stands, its tickets, its timeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from willcall.cli.output.callbacks import callbacks
from willcall.cli.output.console import strip_control_characters
from willcall.cli.output.styles import INDENT, STATUS_STYLES, WIDE, bare_table, describe_health
from willcall.orders.advice import ADVICE, TROUBLES
from willcall.orders.model import OPEN, Attempt, Order, Ticket
from willcall.orders.ticket_documents import DOCUMENT_ERROR, lacks_document
from willcall.orders.urls import redact_callback_url, web_host
from willcall.stores.deliveries import DeliveryAttempt, DeliveryState
from willcall.stores.document_fetches import FetchProgress
from willcall.views.formatting import (
    describe_document_warning,
    describe_fetch,
    format_count,
    format_duration,
    format_relative,
    format_timestamp,
)

if TYPE_CHECKING:
    from willcall.stores.accounts import AccountState


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """What is known of an order at `now`. `account` is None where the configuration no longer has it.

    `delivery` is None where no backend is told, `tries` are those to tell it, oldest first. `held`: it is set
    aside until its account goes on. `beat`: whether one is alive.
    `fetching` is None where no document is to be fetched.
    """

    order: Order
    attempts: Sequence[Attempt]
    account: "AccountState | None"
    now: float
    delivery: DeliveryState | None = None
    tries: Sequence[DeliveryAttempt] = ()
    held: bool = False
    beat: bool = True
    fetching: FetchProgress | None = None


def order_details(snapshot: OrderDetails, width: int, most_attempts: int | None = None) -> RenderableType:
    """Everything about one order; of its timeline the `most_attempts` latest."""
    order = snapshot.order
    parts: list[RenderableType] = [_title(order), Padding(_facts(snapshot), INDENT)]
    if order.attention:
        advice = ADVICE[order.attention]
        words = Text.assemble(
            (f"Attention: {_words(order.attention)}. ", "bold yellow"), f"{advice.reason} {advice.mend(order.id)}"
        )
        parts += ["", Padding(words, INDENT)]
    if order.tickets:
        parts += ["", Text(f"Tickets ({len(order.tickets)})", "bold"), Padding(_tickets(order.tickets), INDENT)]
    if snapshot.fetching:
        missing = f"not all are here: {strip_control_characters(describe_fetch(snapshot.fetching, snapshot.now))}"
        parts += ["", Text.assemble(("Documents", "bold"), f"  {missing}")]
    parts += ["", *_timeline(snapshot, width, most_attempts)]
    parts += callbacks(snapshot.delivery, snapshot.tries, snapshot.now, width)
    return Group(*parts)


def _title(order: Order) -> Text:
    style = STATUS_STYLES[order.status]
    return Text.assemble((f"● {order.status}", f"bold {style}"), "  ", (strip_control_characters(order.id), "bold"))


def _facts(snapshot: OrderDetails) -> Table:
    order, now = snapshot.order, snapshot.now
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False, show_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")

    def moment(label: str, at: float | None) -> None:
        if at is not None:
            table.add_row(label, _when(at, now))

    def fact(label: str, value: object) -> None:
        if value:
            table.add_row(label, strip_control_characters(value))

    quantity = f", {format_count(order.quantity, 'ticket')}" if order.quantity else ""
    fact("account", order.account_key)
    fact("reference", f"{order.reference}{quantity}")
    fact("reason", order.reason)
    fact("provider says", order.provider_status)
    moment("submitted", order.submitted_at)
    if order.not_before and order.not_before > order.submitted_at:
        moment("not before", order.not_before)
    if order.status in OPEN:
        table.add_row("next poll", _next_poll(snapshot))
        moment("deadline", order.deadline_at)
    moment("ended", order.finished_at)
    fact("callback", redact_callback_url(order.callback_url) if order.callback_url else None)
    for name, value in order.metadata.items():
        fact("metadata", f"{name} = {value}")
    return table


def _when(moment: float, now: float) -> Text:
    return Text.assemble(f"{format_relative(moment, now):<16}", (format_timestamp(moment), "dim"))


def _next_poll(snapshot: OrderDetails) -> Text:
    order, account, now = snapshot.order, snapshot.account, snapshot.now
    words = Text()
    if order.next_poll_at is not None:
        late = order.next_poll_at < now - 1
        if late:
            words.append(f"due for {format_duration(now - order.next_poll_at)}")
        else:
            words.append(_when(order.next_poll_at, now))
    elif snapshot.held and account and not account.health.holds_orders:
        words.append("with the next sweep `polls`, as its account goes on")
    elif snapshot.held:
        words.append("when its account goes on")
    else:
        words.append("none; no further attempt is allowed before the deadline")
    if account is None:
        words.append(f"\nthe account {TROUBLES['forgotten'].what}, so nobody asks about the order", "yellow")
    elif account.health.value != "ok":
        words.append(
            f"\nthe account is {describe_health(account, now, held=snapshot.held, beat=snapshot.beat)}", "yellow"
        )
    return words


def _tickets(tickets: Sequence[Ticket]) -> Table:
    table = bare_table()
    for title in ("kind", "code", "place", "valid"):
        if title == "kind" or any(_ticket_cell(ticket, title) for ticket in tickets):
            table.add_column(title, overflow="fold")
    titles = [str(column.header) for column in table.columns]
    table.add_column("where", overflow="fold", ratio=1)
    for ticket in tickets:
        table.add_row(*(_ticket_cell(ticket, title) for title in titles), strip_control_characters(_where(ticket)))
    return table


def _where(ticket: Ticket) -> str:
    """The document, or the host of the address: that may be signed, or let its holder in."""
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
            return strip_control_characters(f"{ticket.code}{code_format}") if ticket.code else ""
        case "place":
            parts = {"section": ticket.section, "row": ticket.row, "seat": ticket.seat}
            return strip_control_characters(", ".join(f"{name} {value}" for name, value in parts.items() if value))
    ends = [f"from {ticket.valid_from}" if ticket.valid_from else "", f"to {ticket.valid_until}"]
    return strip_control_characters(" ".join(ends if ticket.valid_until else ends[:1]))


def _timeline(snapshot: OrderDetails, width: int, most: int | None) -> list[RenderableType]:
    attempts = snapshot.attempts
    if not attempts:
        return [Text("No attempt yet", "bold")]
    shown = attempts if most is None else attempts[-most:]
    made = snapshot.order.attempts
    title = f"Attempts ({made})" + (f", the last {len(shown)}" if len(shown) < made else "")
    table = bare_table()
    table.add_column("when", no_wrap=True)
    if width >= WIDE:
        table.add_column("at", no_wrap=True, style="dim")
    table.add_column("outcome", no_wrap=True)
    table.add_column("HTTP", no_wrap=True)
    table.add_column("next in", no_wrap=True, justify="right")
    table.add_column("late", no_wrap=True, justify="right")
    table.add_column("why", overflow="fold", ratio=1)
    for attempt in shown:
        table.add_row(
            format_relative(attempt.at, snapshot.now),
            *([format_timestamp(attempt.at)] if width >= WIDE else []),
            _words(attempt.outcome),
            str(attempt.http_status or ""),
            "" if attempt.countdown is None else format_duration(attempt.countdown),
            f"{max(attempt.late, 0):.1f} s",
            strip_control_characters(attempt.why),
        )
    return [Text(title, "bold"), Padding(table, INDENT)]


def _words(name: str) -> str:
    return name.replace("_", " ")
