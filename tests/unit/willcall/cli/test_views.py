from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import RenderableType

from willcall.cli.output.accounts_table import AccountRow, accounts_table
from willcall.cli.output.console import stdout_console
from willcall.cli.output.order_details import OrderDetails, order_details
from willcall.cli.output.orders_table import orders_table, overdue_table
from willcall.orders.callbacks import CallbackStatus
from willcall.orders.model import Attempt, Attention, Order, Status, Ticket, TicketKind
from willcall.orders.policy import Rate
from willcall.providers.base import Account, Credentials
from willcall.providers.registry import ADAPTERS
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.stores.deliveries import DeliveryAttempt, DeliveryState
from willcall.stores.document_fetches import FetchProgress
from willcall.stores.listing import AccountBacklog
from willcall.views.accounts import AccountView
from willcall.views.overdue import OverdueOrder
from workers.transport.delayed import DelayedStats

Print = Callable[[RenderableType, int], str]

NOW = 1_795_341_600.0
ORDER = Order(
    id="ord_0123456789abcdef0123456789abcdef",
    provider="voordemensen",
    account="default",
    reference="1111111",
    status=Status.PENDING,
    submitted_at=NOW - 200,
    deadline_at=NOW + 86_200,
    next_poll_at=NOW + 4,
    attempts=1,
)
WELL = AccountState(AccountHealth.OK, None, None, None, 0, 5, 5)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Print:
    """What a view looks like on a terminal of so many columns."""

    def render(view: RenderableType, width: int) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        stdout_console().print(view)
        return capsys.readouterr().out

    return render


@pytest.fixture
def shown(printed: Print) -> Callable[..., str]:
    """What the view of an order looks like."""

    def render(order: Order, account: AccountState | None = WELL, *, held: bool = False, beat: bool = True) -> str:
        attempt = Attempt(NOW - 6, "not_ready", 202, 10.0, "202; back-off", 0.3)
        return printed(
            order_details(
                OrderDetails(order, [attempt], account, NOW, held=held, beat=beat, callback_url=order.callback_url), 80
            ),
            80,
        )

    return render


def test_an_order_shows_its_next_poll(shown: Callable[..., str]) -> None:
    text = shown(ORDER)
    assert "in 4 s" in text
    assert "not ready" in text
    assert "6 s ago" in text


def test_an_order_of_a_stopped_account_shows_what_it_waits_for(shown: Callable[..., str]) -> None:
    stopped = replace(WELL, health=AccountHealth.UNAUTHORIZED, since=NOW - 60, probe_at=NOW + 30)
    text = shown(replace(ORDER, next_poll_at=None), stopped, held=True)
    assert "when the account recovers" in text
    assert "unauthorized for 1 min, next attempt in 30 s" in text
    text = shown(replace(ORDER, next_poll_at=None), stopped, held=True, beat=False)
    assert "unauthorized for 1 min, next attempt once beat is running" in " ".join(text.split())


def test_a_pause_does_not_hide_that_the_account_is_rejected(shown: Callable[..., str]) -> None:
    refused = replace(WELL, health=AccountHealth.UNAUTHORIZED, since=NOW - 7_200, probe_at=NOW - 60)
    paused = replace(WELL, health=AccountHealth.PAUSED, since=NOW - 60, underlying=refused)
    text = " ".join(shown(replace(ORDER, next_poll_at=None), paused, held=True).split())
    assert "the account is paused until resumed; unauthorized for 2 h" in text
    assert "next attempt" not in text


@pytest.mark.parametrize(("next_poll_at", "words"), [(None, "overdue by 2 min"), (NOW + 60, "with its next order")])
def test_a_probe_that_does_not_happen_is_overdue(
    shown: Callable[..., str], next_poll_at: float | None, words: str
) -> None:
    stopped = replace(WELL, health=AccountHealth.DOWN, since=NOW - 600, probe_at=NOW - 120)
    assert f"down for 10 min, next attempt {words}" in shown(
        replace(ORDER, next_poll_at=next_poll_at), stopped, held=next_poll_at is None
    )


def test_a_held_order_continues_with_a_sweep_once_its_account_recovers(shown: Callable[..., str]) -> None:
    waits = replace(ORDER, next_poll_at=None)
    assert "with the next sweep `polls`, as the account has recovered" in shown(waits, held=True)
    assert "none; the provider allows no attempt before the deadline" in shown(waits)


def test_an_order_without_a_configured_account_says_that_it_is_not_polled(shown: Callable[..., str]) -> None:
    assert "the account is not in the configuration" in shown(ORDER, None)


@pytest.mark.parametrize("attention", Attention)
def test_every_reason_for_attention_comes_with_advice(shown: Callable[..., str], attention: Attention) -> None:
    assert f"Attention: {attention.replace('_', ' ')}. T" in shown(replace(ORDER, attention=attention))


def test_provider_text_cannot_control_the_terminal(shown: Callable[..., str]) -> None:
    ticket = Ticket(TicketKind.BARCODE, code="\x1b[2J code\x9b1m", seat="[red]seat", url="https://example.com\x1b/")
    odd = replace(
        ORDER, provider_status="\x1b]0;title\x07", reason="[bold]why", tickets=(ticket,), metadata={"a": "\x1bc"}
    )
    text = shown(odd)
    assert not {"\x1b", "\x9b", "\x07"} & set(text)
    assert "[bold]why" in text
    assert "[red]seat" in text


def test_tickets_show_their_documents_or_the_host_of_an_address_that_may_be_signed(shown: Callable[..., str]) -> None:
    signed = "https://files.example/1.pdf?signature=sesame"
    tickets = [
        (Ticket(TicketKind.PDF, url=signed, document="doc_1"), "document doc_1"),
        (Ticket(TicketKind.IMAGE, document="doc_2", content_type="image/png"), "document doc_2, image/png"),
        (
            Ticket(TicketKind.PDF, document="doc_3", extra={"document_warning": "no end"}),
            "document doc_3, may be damaged: no end",
        ),
        (Ticket(TicketKind.PDF, url=signed), "not fetched yet, at files.example"),
        (
            Ticket(TicketKind.PDF, url=signed, extra={"document_error": "HTTP 404"}),
            "given up (HTTP 404), at files.example",
        ),
        (Ticket(TicketKind.LINK, url=signed), "at files.example"),
        (Ticket(TicketKind.WALLET, url="wallet:sesame"), "an address"),
    ]
    for ticket, where in tickets:
        text = shown(replace(ORDER, status=Status.FULFILLED, tickets=(ticket,)))
        assert text.split("Attempts")[0].rstrip().endswith(f"  {where}")
        assert "sesame" not in text


def test_an_order_shows_why_its_documents_are_missing(printed: Print) -> None:
    order = replace(ORDER, status=Status.FULFILLED, tickets=(Ticket(TicketKind.PDF, url="https://files.example/1"),))
    for fetching, words in (
        (
            FetchProgress(3, "HTTP 404", NOW + 250),
            "Documents missing: HTTP 404; tried 3 times, next attempt in 4 min",
        ),
        (FetchProgress(0, None, NOW + 4), "Documents missing: first attempt in 4 s"),
    ):
        view = order_details(OrderDetails(order, [], WELL, NOW, fetch=fetching), 120)
        assert words in " ".join(printed(view, 120).split())
    behind = OverdueOrder(order, NOW - 60, ["files.example"], FetchProgress(3, "HTTP 404", NOW + 250))
    text = printed(overdue_table([behind], NOW), 120)
    assert "files.example" in text
    assert "HTTP 404; tried 3 times, next attempt in 4 min 10 s" in " ".join(text.split())
    text = printed(overdue_table([OverdueOrder(order, NOW - 60, [], given_up="the file is an HTML page")], NOW), 120)
    assert "given up: the file is an HTML page" in " ".join(text.split())


def test_a_callback_is_shown_without_its_token(shown: Callable[..., str]) -> None:
    text = shown(replace(ORDER, callback_url="https://backend.example/hooks?token=sesame"))
    assert "https://backend.example/hooks?token=***" in text
    assert "sesame" not in text


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    ("status", "next_try_at", "words"),
    [
        (CallbackStatus.PENDING, NOW, "order.fulfilled is being delivered"),
        (CallbackStatus.PENDING, NOW + 290, "order.fulfilled will be retried in 4 min 50 s"),
        (CallbackStatus.DELIVERED, None, "order.fulfilled was accepted"),
        (CallbackStatus.UNDELIVERABLE, None, "order.fulfilled could not be delivered"),
    ],
)
def test_an_order_shows_the_state_of_its_callback(
    printed: Print, width: int, status: CallbackStatus, next_try_at: float | None, words: str
) -> None:
    tries = [
        DeliveryAttempt(NOW - 20, "evt_1", "order.fulfilled", None, "connection refused", 5.2),
        DeliveryAttempt(NOW - 10, "evt_1", "order.fulfilled", 503, "", 300.0),
    ]
    delivery = DeliveryState("evt_1", "order.fulfilled", status, next_try_at)
    text = printed(
        order_details(OrderDetails(ORDER, [], WELL, NOW, delivery, tries, callback_url=ORDER.callback_url), width),
        width,
    )
    for each in (words, "10 s ago", "503", "5 min", "connection refused"):
        assert each in text


@pytest.mark.parametrize("width", [80, 120])
def test_a_list_shows_ids_in_full(printed: Print, width: int) -> None:
    text = printed(orders_table([replace(ORDER, attention=Attention.PERSONALIZATION)], {}, NOW, width), width)
    assert ORDER.id in text
    assert "next in 4 s" in text
    assert "! personalization" in text


@pytest.mark.parametrize(
    ("fields", "stopped", "words"),
    [
        ({}, "paused", "held: account paused"),
        ({"next_poll_at": None}, "down", "held: account down"),
        ({"next_poll_at": None}, "unconfigured", "held: account not configured"),
        ({"next_poll_at": NOW - 200}, None, "due 3 min ago"),
        ({"next_poll_at": NOW}, None, "due"),
        ({"next_poll_at": None}, None, "waiting"),
        ({"status": Status.FULFILLED, "finished_at": NOW - 60}, "paused", "ended 1 min ago"),
    ],
)
def test_a_list_shows_what_an_order_waits_for(
    printed: Print, fields: dict[str, object], stopped: str | None, words: str
) -> None:
    order = replace(ORDER, id="ord-1", **fields)  # type: ignore[arg-type]
    table = orders_table([order], {order.account_key: stopped} if stopped else {}, NOW, 80)
    assert printed(table, 80).splitlines()[1].rstrip().endswith(f"  {words}")


@pytest.mark.parametrize("width", [80, 120])
def test_accounts_are_shown_in_full(printed: Print, width: int) -> None:
    adapter = ADAPTERS["voordemensen"]
    credentials = Credentials(base_url="https://example.com")
    rate = Rate(290, 60, 10, shared="one-address")
    account = Account("voordemensen", "default", adapter, credentials, rate, adapter.defaults.polling)
    state = replace(WELL, health=AccountHealth.PAUSED, until=NOW + 900, throttles=3)
    waiting = DelayedStats(count=1_500, next_due=NOW - 9, lag=9.0)
    view = AccountView(account, state, AccountBacklog(900, 20, 3), {Status.PENDING: 1_023, Status.FULFILLED: 1_345})
    text = printed(accounts_table([AccountRow(view, waiting)], NOW, width, beat=True), width)
    for words in (
        "voordemensen/default",
        "900 waiting",
        "3 held",
        "1,345 fulfilled",
        "290 per 60 s",
        "shared rate:",
        "one-address",
        "429s: 3",
        "1,500 queued",
        "9 s behind",
    ):
        assert words in text


def test_messages_of_several_accounts_are_shown_once_for_their_provider(printed: Print) -> None:
    adapter = ADAPTERS["tiqets"]
    rows = [
        AccountRow(
            AccountView(
                Account(
                    "tiqets",
                    name,
                    adapter,
                    Credentials(base_url="https://example.com"),
                    Rate(10, 1, 10),
                    adapter.defaults.polling,
                ),
                WELL,
                AccountBacklog(waiting, 0, 0),
                {Status.PENDING: waiting},
            ),
            DelayedStats(count=10, next_due=NOW - 100, lag=100.0),
        )
        for name, waiting in (("default", 10), ("second", 0))
    ]
    lines = [row.split() for row in printed(accounts_table(rows, NOW, 80, beat=True), 80).splitlines()]
    (queue,) = [at for at, row in enumerate(lines) if "queued" in row]
    assert lines[queue] == ["tiqets,", "all", "10", "queued"]
    assert lines[queue + 1] == ["100", "s", "behind"]
    assert queue > next(at for at, row in enumerate(lines) if row[0] == "tiqets/second")


def words_of(text: str) -> set[str]:
    return set(text.split())


def check_words(narrow: str, wide: str) -> None:
    """Check that a view of 80 columns breaks no word of the whole one, but may leave out or mark its end."""
    assert max(map(len, narrow.splitlines())) <= 80
    whole = words_of(wide)
    for word in words_of(narrow) - whole:
        assert word.endswith("…"), word
        assert any(each.startswith(word[:-1]) for each in whole), word


LONG = replace(
    ORDER,
    id="cart-2026-12-01:" + "7f3b9c2e" * 14,
    account="main-account-for-the-amsterdam-box-office",
    client="a-rather-long-name-of-a-client",
    reference="XgFca-QmBxG-9WhAj" * 15,
    event_at=NOW + 3_600,
    at_risk=True,
    attention=Attention.PERSONALIZATION,
    metadata={"customer": "a-long-name-without-any-blank" * 4},
    callback_url="https://hooks.backend-of-a-long-name.example:8443/willcall/events-of-the-main-shop/here?a=b",
    tickets=(Ticket(TicketKind.BARCODE, code="0123456789" * 9, seat="12", section="Balcony left of the stage"),),
)


@pytest.mark.parametrize("stopped", [{}, {LONG.account_key: "unauthorized"}])
def test_lists_of_long_names_fit_80_columns_without_broken_words(printed: Print, stopped: dict[str, str]) -> None:
    orders = [LONG, ORDER]
    check_words(*(printed(orders_table(orders, stopped, NOW, width), width) for width in (80, 1_000)))
    progress = FetchProgress(5, "HTTP 404", NOW + 900)
    late = [OverdueOrder(LONG, NOW - 9_000, ["files-of-a-long-named-network.example"], progress)]
    check_words(*(printed(overdue_table(late, NOW), width) for width in (80, 1_000)))


def test_one_order_with_long_names_fits_80_columns_without_broken_words(printed: Print) -> None:
    attempts = [Attempt(NOW - 6, "not_ready", 202, 10.0, "202; back-off of the account's exponential strategy", 0.3)]
    delivery = DeliveryState("evt_1", "order.updated", CallbackStatus.PENDING, NOW + 5)
    tries = [DeliveryAttempt(NOW - 5, "evt_1", "order.updated", None, "https://" + "long-name." * 12 + "example", 5)]
    details = OrderDetails(LONG, attempts, WELL, NOW, delivery, tries, callback_url=LONG.callback_url)
    check_words(*(printed(order_details(details, 80), width) for width in (80, 1_000)))


def test_accounts_with_long_names_fit_80_columns_without_broken_words(printed: Print) -> None:
    adapter = ADAPTERS["tiqets"]
    rate = Rate(1_000, 60, 5_000, shared="the-shared-rate-of-all-accounts-here")
    credentials = Credentials(base_url="https://example.com")
    account = Account("voordemensen", LONG.account, adapter, credentials, rate, adapter.defaults.polling)
    state = replace(WELL, health=AccountHealth.PAUSED, until=NOW + 9_000, throttles=3_000, tokens=4_999, burst=5_000)
    view = AccountView(account, state, AccountBacklog(9_000, 20, 3), {Status.FULFILLED: 1_345_000})
    rows = [AccountRow(view, DelayedStats(count=1_500, next_due=NOW - 9, lag=9_000.0))]
    check_words(*(printed(accounts_table(rows, NOW, width, beat=True), width) for width in (80, 1_000)))


def test_codes_and_references_that_grant_access_are_redacted_as_on_the_board(printed: Print) -> None:
    tickets = (Ticket(TicketKind.BARCODE, code="8663092874701", code_format="EAN13"),)
    order = replace(ORDER, reference="XgFca-QmBxG-9WhAj", tickets=tickets)
    one = printed(order_details(OrderDetails(order, [], WELL, NOW), 120), 120)
    assert "•••701 (EAN13)" in one
    for text in (one, printed(orders_table([order], {}, NOW, 120), 120)):
        assert "•••hAj" in text
        assert "XgFca" not in text
        assert "8663092" not in text
