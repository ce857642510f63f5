"""Queues, orders, accounts, documents and callbacks."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.full_disk import full_disk
from tests.integration.doctor.conftest import MakeContext, findings, messages, ok_message
from willcall.cli.doctor.context import CheckContext
from willcall.devtools.embedded_redis import free_port
from willcall.orders.callbacks import CallbackStatus, DeliveryDecision
from willcall.orders.decision import AccountSignal
from willcall.orders.policy import Rate
from willcall.orders.submission import SubmitOrder
from willcall.stores import keys
from willcall.stores.accounts import OUTAGES, AccountReport
from willcall.stores.deliveries import DeliveryAttempt, DeliveryMessage
from willcall.stores.operator_events import OperatorAlert, account_subject
from willcall.stores.submissions import NewOrder
from willcall.views.formatting import format_timestamp

if TYPE_CHECKING:
    from redis import Redis

ACCOUNT, RATE = "tiqets/default", Rate(10, 1, 10)
SECRET = "whsec_" + "QUJD" * 8


def file_order(context: CheckContext, order_id: str, late: float = 0, provider: str = "tiqets") -> None:
    """Submit an order that is overdue by so many seconds."""
    order = SubmitOrder(provider=provider, reference=order_id, id=order_id).order()
    context.stores.submissions.submit([NewOrder(order, "digest", 86_400)])
    context.redis.zincrby(keys.due(f"{provider}/default"), -late * 1_000, order_id)


def report(context: CheckContext, signal: AccountSignal, times: int = 1, until: float | None = None) -> None:
    for number in range(times):
        said = AccountReport(signal, "ord-1", False, until)
        context.stores.accounts.report_health(ACCOUNT, ACCOUNT, said, (30, 600), alert_of(f"{signal}-{number}"))


def alert_of(change: str) -> OperatorAlert:
    """An alert about a change of the account, which is not sent."""
    return OperatorAlert(f"evt-{change}", account_subject(ACCOUNT), send=False)


def test_messages_that_move_are_ok(make_context: MakeContext, redis: "Redis") -> None:
    redis.lpush("willcall.poll.tiqets", "a message", "another")
    redis.zadd("willcall:broker:delayed:willcall.poll.tixstock", {"a message": 9e15})
    assert ok_message(make_context(), "queues") == "2 messages ready, 1 scheduled"


def test_messages_without_a_worker_are_reported(make_context: MakeContext, redis: "Redis") -> None:
    context = make_context()
    redis.zadd("willcall:broker:delayed:willcall.poll.tixstock", {"a message": (context.now() - 7_200) * 1_000})
    redis.lpush("willcall.poll.tiqets", *range(1_000))
    assert messages(context, "queues") == [
        ("warning", "1,000 messages in willcall.poll.tiqets wait for a worker"),
        ("error", "queue willcall.poll.tixstock is 2 h behind"),
    ]


def test_orders_in_time_are_ok(make_context: MakeContext) -> None:
    context = make_context()
    for number in range(3):
        file_order(context, f"ord-{number}")
    assert ok_message(context, "orders") == "3 open orders, none overdue"


@pytest.mark.parametrize(("late", "level"), [(100, "warning"), (301, "error")])
def test_overdue_orders_and_those_that_need_attention_are_reported(
    make_context: MakeContext, late: float, level: str
) -> None:
    context = make_context()
    file_order(context, "ord-1", late)
    file_order(context, "ord-2")
    context.redis.zadd(keys.attention(ACCOUNT, "malformed"), {"ord-2": 1})
    (overdue, what), (puzzling, who) = messages(context, "orders")
    assert (overdue, puzzling, who) == (level, "warning", "1 order needs attention")
    assert what.startswith("1 overdue order of tiqets/default; the oldest, ord-1, by "), (
        "the other has been due for less than the grace"
    )


def test_orders_of_a_rejected_account_are_counted_apart(
    make_context: MakeContext,
) -> None:
    context = make_context()
    for number in range(3):
        file_order(context, f"ord-{number}")
        attention = "not_found" if number == 2 else "unauthorized"
        context.redis.zadd(keys.attention(ACCOUNT, attention), {f"ord-{number}": number})
    report(context, AccountSignal.UNAUTHORIZED)
    assert messages(context, "orders") == [
        ("warning", "1 order needs attention, not counting 2 of rejected accounts"),
    ]
    context.redis.zrem(keys.attention(ACCOUNT, "not_found"), "ord-2")
    assert ok_message(context, "orders") == "3 open orders, none overdue"


def test_accounts_without_tickets_are_reported_with_why_and_since_when(make_context: MakeContext) -> None:
    context = make_context()
    file_order(context, "ord-1")
    assert ok_message(context, "accounts") == "2 accounts, all healthy"
    context.stores.accounts.pause(ACCOUNT, None)
    ((level, what),) = messages(context, "accounts")
    assert (level, what[:24]) == ("warning", "tiqets/default is paused")
    assert what.endswith("; 1 open order")
    context.stores.accounts.resume(ACCOUNT, ACCOUNT, alert_of("resumed"))
    report(context, AccountSignal.UNAVAILABLE, OUTAGES)
    ((level, what),) = messages(context, "accounts")
    assert (level, what[:25]) == ("error", "tiqets/default is failing")
    report(context, AccountSignal.ANSWERED)
    report(context, AccountSignal.UNAUTHORIZED)
    (finding,) = findings(context, "accounts")
    assert finding.level == "error"
    assert finding.message.startswith("tiqets/default is rejecting our API key")
    assert "since " in finding.message
    assert "[providers.tiqets.default]" in str(finding.fix)


def test_a_rejected_account_is_an_error_even_while_it_is_paused(make_context: MakeContext) -> None:
    context = make_context()
    file_order(context, "ord-1")
    context.redis.zadd(keys.attention(ACCOUNT, "unauthorized"), {"ord-1": 1})
    report(context, AccountSignal.UNAUTHORIZED)
    context.stores.accounts.pause(ACCOUNT, context.now() + 3_600)
    (finding,) = findings(context, "accounts")
    assert finding.level == "error"
    assert finding.message.startswith("tiqets/default is paused and is rejecting our API key, since ")
    assert ", paused until " in finding.message
    assert "next attempt" not in finding.message
    assert "[providers.tiqets.default]" in str(finding.fix)
    assert "continue automatically once" not in str(finding.fix)
    assert ok_message(context, "orders") == "1 open order, none overdue"


def test_a_probe_that_does_not_happen_is_overdue(make_context: MakeContext) -> None:
    context = make_context()
    report(context, AccountSignal.UNAUTHORIZED)
    context.redis.hset(keys.account(ACCOUNT), "probe_at", int((context.now() - 7_200) * 1_000))
    assert ", next attempt with its next order; " in messages(context, "accounts")[0][1]
    context.redis.zadd(keys.held(ACCOUNT), {"ord-1": 1})
    assert ", next attempt once beat is running; " in messages(context, "accounts")[0][1]
    context.processes.record_heartbeat("beat", "willcall-7@here", {})
    assert ", next attempt overdue by 2 h; " in messages(context, "accounts")[0][1]


def test_a_throttled_account_is_a_warning(make_context: MakeContext) -> None:
    context = make_context()
    report(context, AccountSignal.THROTTLED, until=context.now() + 3_600)
    ((level, what),) = messages(context, "accounts")
    assert (level, what[:34]) == ("warning", "tiqets/default is rate-limiting us")


def test_requests_of_a_shared_rate_that_are_booked_far_ahead_are_one_warning(
    make_context: MakeContext, redis: "Redis"
) -> None:
    account = {"api_key": "a-key-of-a-test", "rate": {"shared": "address"}}
    context = make_context(providers={"tiqets": {"one": account, "two": account}})
    redis.zadd(keys.bookings("shared:address"), {"order:ord-1": (context.now() + 7_000) * 1_000})
    ((level, what),) = messages(context, "accounts")
    assert level == "warning"
    assert "with all accounts of the shared rate address" in what


def test_requests_booked_far_ahead_are_a_warning_except_by_a_throttle(
    make_context: MakeContext, redis: "Redis"
) -> None:
    context = make_context()
    bookings, now = keys.bookings("tiqets/default"), context.now()
    redis.zadd(bookings, {"ord-1": (now + 800) * 1_000, "ord-2": (now + 890) * 1_000})
    ok_message(context, "accounts")
    redis.zadd(bookings, {"ord-3": (now + 7_000) * 1_000})
    ((level, what),) = messages(context, "accounts")
    assert (level, what[:66]) == ("warning", "tiqets/default has requests booked far ahead: 3 requests, the last")
    ok_message(make_context(sweeps={"booked_ahead": 8_000}), "accounts")
    redis.hset(keys.tokens("tiqets/default"), "blocked", int((now + 6_900) * 1_000))
    assert [what[:34] for _, what in messages(context, "accounts")] == ["tiqets/default is rate-limiting us"]


def test_orders_of_an_unconfigured_account_are_reported(make_context: MakeContext) -> None:
    context = make_context()
    file_order(context, "ord-1", provider="paylogic")
    assert messages(context, "accounts") == [("error", "paylogic/default is not in the configuration; 1 open order")]


def test_overdue_orders_of_an_unconfigured_account_have_its_fix(
    make_context: MakeContext,
) -> None:
    context = make_context()
    file_order(context, "ord-1", late=400, provider="paylogic")
    (finding,), (account,) = (findings(context, check) for check in ("orders", "accounts"))
    assert finding.message.startswith("1 overdue order of paylogic/default, which is not in the configuration; ")
    assert finding.fix == account.fix


def test_a_configuration_without_accounts_is_a_warning(make_context: MakeContext) -> None:
    assert ok_message(make_context(), "config") == "2 accounts"
    ((level, what),) = messages(make_context(providers={}), "config")
    assert (level, what) == ("warning", "no account is configured")


def test_documents_are_written_read_and_removed(make_context: MakeContext, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir(0o700)
    assert ok_message(make_context(), "documents").endswith("/documents is writable and readable")
    assert [path for path in (tmp_path / "documents").rglob("*") if path.is_file()] == []


def test_a_document_store_that_is_not_writable_is_an_error(make_context: MakeContext, tmp_path: Path) -> None:
    """Root ignores modes, but can put no folder into a file either."""
    context = make_context(documents_url=f"file://{tmp_path}/place/documents")
    (tmp_path / "place").write_text("no folder")
    ((level, what),) = messages(context, "documents")
    assert level == "error"
    assert what.endswith("is not writable: NotADirectoryError")


def test_a_full_disk_is_an_error(make_context: MakeContext, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    context = make_context()
    with full_disk():
        (finding,) = findings(context, "documents")
    assert finding.level == "error"
    assert finding.message == f"file://{tmp_path}/documents is full: file too large"
    assert str(finding.fix).startswith("Free some space")


def test_a_missing_folder_is_named_in_full_and_not_created(
    make_context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first document creates it."""
    context = make_context(documents_url="file://./var/documents")
    monkeypatch.chdir(tmp_path)
    assert ok_message(context, "documents").startswith(f"file://{tmp_path}/var/documents does not exist yet; ")
    assert not (tmp_path / "var").exists()


def test_a_folder_open_to_all_users_is_a_warning(make_context: MakeContext, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    folder.chmod(0o755)
    (finding,) = findings(make_context(documents_url=f"file://{folder}"), "documents")
    assert (finding.level, finding.message) == ("warning", f"file://{folder} is open to all users of this machine")
    folder.chmod(0o750)
    assert ok_message(make_context(documents_url=f"file://{folder}"), "documents").endswith("writable and readable")


def test_a_document_store_that_is_unreachable_is_an_error(make_context: MakeContext) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ftp://user:top-secret@127.0.0.1:{free.getsockname()[1]}/documents"
        ((level, what),) = messages(make_context(documents_url=url), "documents")
    assert level == "error"
    assert what.endswith("is not writable: ConnectionRefusedError")
    assert "top-secret" not in what


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def ops(port: int, scheme: str = "http", host: str = "127.0.0.1") -> dict[str, dict[str, str]]:
    return {"notify": {"secret": SECRET, "ops_url": f"{scheme}://{host}:{port}/hooks/top-secret-path"}}


def test_callbacks_are_ok_while_operators_can_be_reached(make_context: MakeContext, listener: socket.socket) -> None:
    context = make_context(**ops(listener.getsockname()[1]))
    assert ok_message(context, "callbacks") == "0 callbacks pending; operators can be reached"
    connection, _ = listener.accept()
    with connection:
        assert connection.recv(1) == b"", "nothing is sent"


def test_callbacks_without_a_secret_are_a_warning(make_context: MakeContext) -> None:
    assert messages(make_context(), "callbacks") == [("warning", "callbacks are not signed")]


def test_a_failed_connection_to_operators_is_reported_without_the_url(make_context: MakeContext) -> None:
    (finding,) = findings(make_context(**ops(free_port())), "callbacks")
    assert finding.level == "error"
    assert finding.message == "cannot connect to `notify.ops_url`: connection refused"
    assert "secret" not in str(finding)


def test_an_untrusted_certificate_of_operators_is_an_error(
    make_context: MakeContext, listener: socket.socket, certificate: Path
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)

    def greet() -> None:
        connection, _ = listener.accept()
        with pytest.raises(ssl.SSLError), server.wrap_socket(connection, server_side=True):
            raise AssertionError("it was trusted")

    greeting = threading.Thread(target=greet)
    greeting.start()
    context = make_context(**ops(listener.getsockname()[1], "https", "localhost"))
    ((level, what),) = messages(context, "callbacks")
    greeting.join()
    assert level == "error"
    assert "TLS certificate verification failed" in what


def test_undelivered_callbacks_are_a_warning(make_context: MakeContext) -> None:
    context = make_context(notify={"secret": SECRET})
    context.redis.zadd(keys.DELIVERIES_PENDING, {"ord-1": (context.now() - 300) * 1_000})
    assert ok_message(context, "callbacks").startswith("1 callback pending")
    context.redis.zadd(keys.DELIVERIES_PENDING, {"ord-1": (context.now() - 3_600) * 1_000})
    (finding,) = findings(context, "callbacks")
    assert (finding.level, finding.message) == ("warning", "1 callback not delivered; the oldest, of ord-1, for 1 h")
    for command in ("`willcall redeliver ord-1`", "`willcall orders --undelivered`"):
        assert command in str(finding.fix)


def test_reports_that_a_provider_does_not_take_are_a_warning(make_context: MakeContext) -> None:
    context = make_context(notify={"secret": SECRET})
    context.redis.zadd(keys.REPORTS_PENDING, {"ord-1": (context.now() - 7_200) * 1_000})
    (finding,) = findings(context, "callbacks")
    assert finding.message == "1 report not taken by providers; the oldest, of ord-1, for 2 h"
    assert "`willcall order ord-1`" in str(finding.fix)


def test_undelivered_alerts_are_a_warning_with_the_last_response(
    make_context: MakeContext, listener: socket.socket
) -> None:
    context = make_context(**ops(listener.getsockname()[1]))
    subject, deliveries = account_subject(ACCOUNT), context.stores.ops_deliveries
    alert = OperatorAlert("evt-1", subject, send=True)
    context.stores.accounts.report_health(
        ACCOUNT, ACCOUNT, AccountReport(AccountSignal.UNAUTHORIZED, "ord-1", False, None), (30, 600), alert
    )
    assert ok_message(context, "callbacks") == "0 callbacks pending; 1 alert pending, not tried yet"
    notice = DeliveryMessage(subject, "evt-1", 1, "")
    made = DeliveryAttempt(deliveries.claim(notice, "claim", 45).now, "evt-1", "account.unauthorized", 500, "", 5)
    deliveries.record_delivery(notice, "claim", made, DeliveryDecision(CallbackStatus.PENDING, 5))
    assert ok_message(context, "callbacks") == "0 callbacks pending; 1 alert pending, the last answer: HTTP 500"
    since = int((context.now() - 3_600) * 1_000)
    context.redis.zadd(keys.OPERATOR_DELIVERIES_PENDING, {subject: since})
    (finding,) = findings(context, "callbacks")
    assert finding.level == "warning"
    assert finding.message == (
        "1 alert not delivered; the oldest, of account:tiqets/default, for 1 h, "
        f"since {format_timestamp(since / 1_000)}; the last answer: HTTP 500"
    )
    assert "`notify.ops_url`" in str(finding.fix)


def test_missing_documents_are_a_warning(make_context: MakeContext) -> None:
    context = make_context()
    context.redis.zadd(
        keys.FETCHES_PENDING, {"ord-1": (context.now() - 900) * 1_000, "ord-2": (context.now() + 5) * 1_000}
    )
    assert ok_message(context, "documents").endswith("/documents does not exist yet; the first document creates it")
    context.redis.zadd(keys.FETCHES_PENDING, {"ord-1": (context.now() - 3_600) * 1_000})
    (finding,) = findings(context, "documents")
    assert finding.level == "warning"
    assert finding.message == "documents of 2 orders are missing; the oldest, ord-1, for 1 h"
    context.redis.zadd(keys.FETCHES_DUE, {"ord-1": (context.now() + 250) * 1_000})
    context.redis.hset(keys.fetch("ord-1"), mapping={"tries": 3, "why": "HTTP 404"})
    (finding,) = findings(context, "documents")
    assert "; the oldest, ord-1, for 1 h: HTTP 404; tried 3 times, next attempt in 4 min " in finding.message
    assert "`willcall orders --documents`" in str(finding.fix)


def test_documents_that_were_given_up_are_a_warning(make_context: MakeContext) -> None:
    context = make_context()
    context.redis.zadd(keys.DOCUMENTS_GIVEN_UP, {"ord-1": (context.now() - 7_200) * 1_000})
    (finding,) = findings(context, "documents")
    assert finding.level == "warning"
    assert finding.message == "documents of 1 order were given up after three days; the oldest, ord-1, 2 h ago"
    assert "`willcall orders --documents`" in str(finding.fix)
