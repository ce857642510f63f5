"""The `willcall` command as a user runs it, over a real Redis.

Commands that end by themselves run in this process, others as child processes.
"""

import json
import re
import shlex
import time
from typing import TYPE_CHECKING

from tests.command import run
from tests.integration.conftest import Willcall
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port
from willcall.orders.decision import AccountSignal
from willcall.orders.model import Ticket, TicketKind
from willcall.orders.policy import Rate
from willcall.orders.pushes import TicketsPush
from willcall.orders.serialization import order_to_json
from willcall.orders.submission import SubmitOrder, parse_submission
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth, AccountReport, AccountStore
from willcall.stores.inbox import Inbox, StoredPush
from willcall.stores.operator_events import OperatorAlert, account_subject
from willcall.stores.orders import OrderStore
from willcall.stores.processes import ProcessStore
from willcall.stores.submissions import NewOrder, SubmissionStore
from willcall.views.formatting import format_timestamp

if TYPE_CHECKING:
    from redis import Redis


def submit(order_id: str = "ord-1", reference: str = "1111111", *more: str) -> tuple[str, ...]:
    return ("submit", "--provider", "tiqets", "--reference", reference, "--id", order_id, *more)


def file_orders(redis: "Redis", *order_ids: str) -> None:
    """What submitting them leaves in Redis."""
    for order_id in order_ids:
        order = SubmitOrder(provider="tiqets", reference=order_id, id=order_id).order()
        SubmissionStore(redis).submit([NewOrder(order, "digest", 86_400)])


def run_worker(redis: "Redis") -> None:
    """What a running worker leaves in Redis."""
    ProcessStore(redis).record_heartbeat("worker", "willcall-7@box", {})


def contents(redis: "Redis") -> dict[str, bytes]:
    """Everything in Redis that stays."""
    return {str(key): redis.dump(key) or b"" for key in redis.scan_iter() if key != keys.PROBE}


def test_all_configuration_errors_are_reported_at_once(unconfigured: Willcall) -> None:
    unconfigured.configure("""
redis_url = "http://user:hunter2@localhost"
colour = "blue"
[providers.nobody.default]
[providers.tiqets.default]
base_url = "http://user:hunter2@example.com"
api_key = "top-secret-key"
rate.limit = -1
[providers.tixstock.default]
base_url = "https://pf.tixstock.com/v1"
""")
    ended = unconfigured("check-config")
    assert ended.code == 2
    assert not ended.out
    for mistake in (
        "redis_url",
        "colour",
        "providers.nobody",
        "providers.tiqets.default.base_url",
        "providers.tiqets.default.rate.limit",
        "providers.tixstock.default.bearer_token",
    ):
        assert f"\n  {mistake}: " in ended.err


def test_a_valid_configuration_is_shown_without_its_secrets(willcall: Willcall, redis_server: EmbeddedRedis) -> None:
    ended = willcall("check-config")
    assert ended.code == 0
    assert "2 accounts" in ended.out
    assert "(password hidden)" in ended.out
    assert redis_server.url.split(":")[2].split("@")[0] not in ended.out + ended.err


def test_a_variable_that_is_not_a_setting_is_a_warning(unconfigured: Willcall) -> None:
    around = {"WILLCALL_API_KEYS": "top-secret-key"}
    ended = run(unconfigured.folder, "check-config", around=around)
    assert ended.code == 0
    assert "WILLCALL_API_KEYS: is not a setting and has no effect; did you mean WILLCALL_API__KEYS?" in ended.err
    ended = run(unconfigured.folder, "check-config", around=around | {"WILLCALL_SWEEPS__GRACE": "-1"})
    assert ended.code == 2
    assert "WILLCALL_API_KEYS" in ended.err
    assert "top-secret" not in ended.err


def test_a_proxy_of_the_environment_is_noted(unconfigured: Willcall) -> None:
    around = {"HTTPS_PROXY": "http://user:top-secret-key@proxy:1"}
    ended = run(unconfigured.folder, "check-config", around=around)
    assert ended.code == 0
    assert "HTTPS_PROXY has no effect: set `outbound.proxy`" in ended.err
    assert "top-secret" not in ended.err
    ended = run(unconfigured.folder, "check-config", around=around | {"WILLCALL_OUTBOUND__PROXY": "http://proxy:1"})
    assert "HTTPS_PROXY" not in ended.err


def test_without_accounts_a_command_says_how_to_configure_one(
    unconfigured: Willcall, redis_server: EmbeddedRedis
) -> None:
    unconfigured.configure(f'redis_url = "{redis_server.url}"')
    ended = unconfigured("accounts")
    assert ended.code == 0
    assert "[providers.tiqets.default]" in ended.err


def test_an_unreachable_redis_is_reported_in_one_sentence(unconfigured: Willcall) -> None:
    port = free_port()
    unconfigured.configure(f'redis_url = "redis://:hunter2@127.0.0.1:{port}/0"')
    ended = unconfigured("order", "ord-1")
    assert ended.code == 1
    assert ended.err.startswith(f"willcall: cannot connect to Redis at redis://127.0.0.1:{port}/0 (password hidden)")
    assert "willcall up" not in ended.err, "it starts none where one is named"


def test_rejected_orders_leave_nothing_behind(willcall: Willcall, redis: "Redis") -> None:
    refused = {
        ("submit", "--provider", "nobody", "--reference", "1"): "unknown provider nobody",
        ("submit", "--provider", "paylogic", "--reference", "1"): "account paylogic/default is not configured",
        submit("ord-1", "1", "--account", "other"): "account tiqets/other is not configured",
        submit("ord-1", " ", "--callback-url", "ftp://a.nl"): "; callback_url: must be an http(s) URL",
    }
    for ended, message in zip(willcall.all(*refused), refused.values(), strict=True):
        assert ended.code == 2
        assert message in ended.err
        assert not ended.out
    assert contents(redis) == {}


def test_an_order_is_accepted_once_and_a_conflict_changes_nothing(willcall: Willcall, redis: "Redis") -> None:
    run_worker(redis)
    new = willcall(*submit("ord-1", "1111111", "--meta", "customer=7", "--not-before", "2099-01-01T01:00:00+01:00"))
    assert new.code == 0
    assert "2099-01-01 00:00:00 UTC" in new.out
    before = contents(redis)
    again, conflict = willcall.all(
        submit("ord-1", "1111111", "--meta", "customer=7", "--not-before", "2099-01-01T00:00:00Z", "--json"),
        submit("ord-1", "2222222"),
    )
    order = OrderStore(redis).get("ord-1")
    assert order is not None
    assert again.code == 0
    assert again.document == order_to_json(order)
    assert conflict.code == 1
    assert "ord-1 already exists with different content" in conflict.err
    assert contents(redis) == before


def test_an_import_submits_the_valid_lines_and_reports_the_invalid_ones(willcall: Willcall, redis: "Redis") -> None:
    good = [json.dumps({"id": f"ord-{n}", "provider": "tiqets", "reference": f"{n}"}) for n in range(100)]
    bad = [
        "{",
        '{"provider": "tiqets"}',
        "",
        '{"id": "ord-1", "provider": "tiqets", "reference": "other"}',
        "x" * 70_000,
        '{"id": "ord-2", "provider": "tiqets", "reference": "2", "quantity": ' + "1" * 5_000 + "}",
        '{"provider": "tiqets", "reference": "\\ud800"}',
        '{"provider": "tiqets", "reference": "3", "metadata": {"a": NaN}}',
        '{"provider": "tiqets", "reference": "4", "reference": "5"}',
        '{"\\u001b[31m": 1}',
        "\ufeff",
        "\x00",
    ]
    (willcall.folder / "orders.jsonl").write_text("\r\n".join(["\ufeff" + good[0], *good[1:], *bad, good[7]]))
    ended = willcall("import", "orders.jsonl", "--json")
    assert ended.code == 1
    assert ended.document == {"new": 100, "already_there": 1, "conflicting": 1, "bad": 9}
    reported = [int(line.split(":")[0].removeprefix("line ")) for line in ended.err.splitlines()]
    assert reported == [101, 102, 104, 105, 106, 107, 108, 109, 110, 112]
    assert "line 106: contains a number that is out of range" in ended.err
    assert "\x1b" not in ended.err
    assert "reference: is missing" in ended.err
    assert redis.get("willcall:submissions") == "100"


def test_orders_are_listed_in_pages_newest_first(willcall: Willcall, redis: "Redis") -> None:
    file_orders(redis, "ord-0", "ord-1", "ord-2")
    first, table, everything = willcall.all(
        ("orders", "--json", "--limit", "2"),
        ("orders", "--limit", "2"),
        ("orders", "--all", "--json"),
    )
    assert [order["id"] for order in first.lines] == ["ord-2", "ord-1"]
    assert [order["id"] for order in everything.lines] == ["ord-2", "ord-1", "ord-0"]
    assert "ord-2" in table.out
    command = table.err.strip().removeprefix("Next page: willcall ").split()
    assert "ord-0" in willcall(*command).out


def test_orders_of_a_paused_account_are_held_in_the_list(willcall: Willcall, redis: "Redis") -> None:
    file_orders(redis, "ord-0")
    assert "held" not in willcall("orders").out
    assert willcall("pause", "tiqets").code == 0
    assert "held: account paused" in willcall("orders").out


def test_a_narrow_terminal_gets_a_note_about_hidden_columns(willcall: Willcall, redis: "Redis") -> None:
    file_orders(redis, "ord-0", "ord-1")
    narrow = run(willcall.folder, "orders", "--all", around={"COLUMNS": "80"})
    assert "reference" not in narrow.out
    assert narrow.err == "A terminal of 110 columns shows polls, submitted and reference too.\n"
    wide, lines = willcall("orders"), run(willcall.folder, "orders", "--json", around={"COLUMNS": "80"})
    assert "reference" in wide.out
    assert wide.err + lines.err == ""


def test_orders_are_listed_by_account_even_an_unconfigured_one(willcall: Willcall, redis: "Redis") -> None:
    file_orders(redis, "ord-0")
    for order_id in ("old-0", "old-1"):
        order = SubmitOrder(provider="tiqets", account="old", reference=order_id, id=order_id).order()
        SubmissionStore(redis).submit([NewOrder(order, "digest", 86_400)])
    by_key, by_name, first = willcall.all(
        ("orders", "--account", "tiqets/old", "--json"),
        ("orders", "--provider", "tiqets", "--account", "default", "--json"),
        ("orders", "--account", "tiqets/old", "--limit", "1"),
    )
    assert [order["id"] for order in by_key.lines] == ["old-1", "old-0"]
    assert [order["id"] for order in by_name.lines] == ["ord-0"]
    assert "--account tiqets/old --limit 1 --cursor" in first.err
    unknown, name_only = willcall.all(("orders", "--account", "tiqets/odl"), ("orders", "--account", "old"))
    assert (unknown.code, "account tiqets/odl is not configured" in unknown.err) == (2, True)
    assert (name_only.code, "must be PROVIDER/ACCOUNT" in name_only.err) == (2, True)


def test_orders_are_listed_by_event_with_the_way_to_the_next_page(willcall: Willcall, redis: "Redis") -> None:
    for order_id, event_at in {"late": "2099-05-02T20:00:00Z", "soon": "2099-05-01T20:00:00Z", "over": None}.items():
        fields = {"provider": "tiqets", "reference": order_id, "id": order_id, "event_at": event_at, "group": "box 1"}
        SubmissionStore(redis).submit([NewOrder(parse_submission(fields).order(), "digest", 86_400)])
    assert willcall(*submit("soonest", "2", "--event-at", "2099-04-01T20:00:00+02:00", "--group", "box 1")).code == 0
    first, lines, grouped, changed, wrong = willcall.all(
        ("orders", "--event-before", "2100-01-01T00:00:00Z", "--group", "box 1", "--open", "--limit", "2"),
        ("orders", "--event-after", "2099-05-01T20:00:00Z", "--json"),
        ("orders", "--group", "box 1", "--json"),
        ("orders", "--updated-since", "2026-01-01T00:00:00Z", "--status", "cancelled"),
        ("orders", "--overdue", "--event-before", "2099-01-01T00:00:00Z"),
    )
    assert re.search(r"event +when.*soonest.* d .*soon ", first.out, re.DOTALL)
    assert [order["id"] for order in lines.lines] == ["soon", "late"]
    assert [order["id"] for order in grouped.lines] == ["soonest", "over", "soon", "late"]
    assert ("No orders match" in changed.err, wrong.code) == (True, 2)
    following = shlex.split(first.err.splitlines()[-1].partition("willcall ")[2])
    assert [order["id"] for order in willcall(*following, "--json").lines] == ["late"]


def test_orders_with_undelivered_callbacks_or_missing_documents_are_listed_oldest_first(
    willcall: Willcall, redis: "Redis"
) -> None:
    for order_id in ("ord-1", "ord-2", "ord-3"):
        willcall(
            *submit(order_id, order_id, "--callback-url", f"https://{order_id}.example/hooks?token=top-secret-key")
        )
    assert "No orders match" in willcall("orders", "--undelivered").err
    for order_id in ("ord-2", "ord-1"):
        assert willcall("cancel", order_id).code == 0
    redis.zadd(keys.FETCHES_PENDING, {"ord-3": 1})
    redis.set(keys.tickets("ord-3"), json.dumps([{"kind": "pdf", "url": "https://files.example/1.pdf?top-secret-key"}]))
    table, first, documents = willcall.all(
        ("orders", "--undelivered"),
        ("orders", "--undelivered", "--limit", "1"),
        ("orders", "--documents"),
    )
    assert re.findall(r"ord-\d\.example", table.out) == ["ord-2.example", "ord-1.example"]
    assert "ord-2" in first.out
    assert "worst 1 of 2" in first.err
    assert not table.err
    assert re.search(r"ord-3 .* files\.example", documents.out)
    refused = willcall("orders", "--undelivered", "--status", "failed")
    assert (refused.code, "--undelivered: can only be combined" in refused.err) == (2, True)
    json_lines = run(willcall.folder, "orders", "--undelivered", "--json").lines  # which have the callback's token
    assert [order["id"] for order in json_lines] == ["ord-2", "ord-1"]


def test_json_of_late_orders_says_since_when_which_host_and_its_last_answer(willcall: Willcall, redis: "Redis") -> None:
    for order_id in ("ord-1", "ord-2"):
        willcall(*submit(order_id, order_id, "--callback-url", "https://backend.example/hooks"))
        assert willcall("cancel", order_id).code == 0
    for event_id, number in (("evt_before", 1), (redis.hget(keys.delivery("ord-1"), "event"), 2)):
        redis.lpush(keys.delivery_attempts("ord-1"), json.dumps([number, event_id, "order.cancelled", 503, "", 60]))
    redis.lpush(keys.delivery_attempts("ord-2"), json.dumps([1, "evt_before", "order.pending", 200, "", None]))
    redis.zadd(keys.FETCHES_PENDING, {"ord-3": 1_000})
    redis.zadd(keys.FETCHES_DUE, {"ord-3": 2_000})
    redis.hset(keys.fetch("ord-3"), mapping={"tries": 1, "why": "HTTP 404"})
    willcall(*submit("ord-3", "3"))
    redis.set(keys.tickets("ord-3"), json.dumps([{"kind": "pdf", "url": "https://files.example/1.pdf"}]))
    first, second = willcall("orders", "--undelivered", "--json").lines
    assert (first["host"], first["last_answer"]) == ("backend.example", "HTTP 503")
    assert (second["host"], second["last_answer"]) == ("backend.example", None), "of an event before"
    assert first["since"] >= first["finished_at"]
    (lacking,) = willcall("orders", "--documents", "--json").lines
    assert (lacking["since"], lacking["hosts"]) == ("1970-01-01T00:00:01Z", ["files.example"])
    assert lacking["last_answer"] == "HTTP 404"


def test_json_of_orders_that_need_attention_says_since_when(willcall: Willcall, redis: "Redis") -> None:
    willcall(*submit("ord-1", "1"))
    assert [order["attention_at"] for order in willcall("orders", "--json").lines] == [None]
    redis.hset(keys.order("ord-1"), mapping={"attention": "malformed", "attention_at": 1_000})
    assert [order["attention_at"] for order in willcall("orders", "--json").lines] == ["1970-01-01T00:00:01Z"]


def test_overdue_orders_are_listed_the_longest_overdue_first(willcall: Willcall, redis: "Redis") -> None:
    file_orders(redis, "soon", "late", "later")
    order = SubmitOrder(provider="tiqets", account="old", reference="1", id="elsewhere").order()
    SubmissionStore(redis).submit([NewOrder(order, "digest", 86_400)])
    now = int(time.time() * 1_000)
    redis.zadd(keys.due("tiqets/default"), {"soon": now + 90_000, "late": now - 200_000, "later": now - 7_300_000})
    redis.zadd(keys.due("tiqets/old"), {"elsewhere": now - 600_000})
    table, of_account, of_provider, first, refused = willcall.all(
        ("orders", "--overdue"),
        ("orders", "--overdue", "--account", "tiqets/old", "--json"),
        ("orders", "--overdue", "--provider", "paylogic"),
        ("orders", "--overdue", "--provider", "tiqets", "--limit", "1"),
        ("orders", "--overdue", "--undelivered"),
    )
    rows = [re.split(r"  +", row.strip()) for row in table.out.splitlines()[1:]]
    assert [row[0] for row in rows] == ["later", "elsewhere", "late"]
    assert rows[0][3].startswith("2 h ")
    assert "host" not in table.out
    patient = run(willcall.folder, "orders", "--overdue", "--json", around={"WILLCALL_SWEEPS__GRACE": "3600"})
    assert [one["id"] for one in patient.lines] == ["later"]
    assert [one["id"] for one in of_account.lines] == ["elsewhere"]
    assert "No orders match" in of_provider.err
    assert "worst 1 of 3" in first.err
    assert (refused.code, "--overdue: can only be combined" in refused.err) == (2, True)


def test_an_order_can_be_watched_polled_and_cancelled(willcall: Willcall, redis: "Redis") -> None:
    file_orders(redis, "ord-1")
    watching = willcall.start("order", "ord-1", "--watch", "--json")
    assert watching.stdout is not None
    seen = json.loads(watching.stdout.readline())
    assert seen["status"] == "pending"
    assert willcall("poll", "ord-1").code == 0
    assert willcall("cancel", "ord-1").out == "Order ord-1 is cancelled.\n"
    assert [order["status"] for order in willcall.finish(watching).lines][-1] == "cancelled"
    again, poll, unknown, view = willcall.all(
        ("cancel", "ord-1"), ("poll", "ord-1"), ("order", "nobody"), ("order", "ord-1")
    )
    assert (again.code, again.out) == (0, "Order ord-1 was cancelled already.\n")
    assert (poll.code, poll.err) == (1, "willcall: order ord-1 is cancelled; polling cannot change that\n")
    assert (unknown.code, unknown.err) == (1, "willcall: no order has the id nobody\n")
    assert re.search(r"ended by +an operator", view.out)


def test_an_event_can_be_redelivered(willcall: Willcall, redis: "Redis") -> None:
    assert willcall(*submit("ord-1", "1111111", "--callback-url", "https://backend.example/hooks")).code == 0
    early = willcall("redeliver", "ord-1")
    assert (early.code, early.err) == (
        1,
        "willcall: the status of order ord-1 has not changed yet, so there is no event\n",
    )
    assert willcall("cancel", "ord-1").code == 0
    again, view = willcall.all(("redeliver", "ord-1"), ("order", "ord-1"))
    [(_, event)] = redis.xrange(keys.EVENTS)
    assert again.out == f"Order ord-1: event {event['id']} will be sent to backend.example again now.\n"
    assert "Callbacks  order.cancelled is being delivered" in view.out


def test_accounts_show_scheduled_messages(willcall: Willcall) -> None:
    later = ("submit", "--provider", "tiqets", "--reference", "1", "--not-before", "2100-01-01T00:00:00Z")
    assert willcall(*later).code == 0
    listed = {line["account"]: line["waiting"] for line in willcall("accounts", "--json").lines}
    assert (listed["tiqets/default"]["messages"], listed["tixstock/default"]["messages"]) == (1, 0)
    assert listed["tiqets/default"]["queue"] == "willcall.poll.tiqets"
    assert listed["tiqets/default"]["next_due"].startswith("2100-01-01T00:00:00")
    assert "1 queued" in willcall("accounts").out


def test_unconfigured_accounts_are_shown_while_they_have_open_orders(willcall: Willcall, redis: "Redis") -> None:
    order = SubmitOrder(provider="paylogic", account="former", reference="1", id="ord-1").order()
    SubmissionStore(redis).submit([NewOrder(order, "digest", 86_400)])
    (row,) = (row for row in willcall("accounts").out.splitlines() if row.startswith("paylogic/former"))
    assert "is not in the configuration" in row
    assert row.rstrip().endswith("1 pending")
    (shown,) = (line for line in willcall("accounts", "--json").lines if line["account"] == "paylogic/former")
    assert (shown["health"], shown["why"], shown["orders"]["pending"]) == (
        "unconfigured",
        "is not in the configuration",
        1,
    )


def test_accounts_are_paused_and_resumed_and_sweeps_run(willcall: Willcall, redis: "Redis") -> None:
    run_worker(redis)
    paused, unknown, sweep = willcall.all(
        ("pause", "tiqets", "--for", "15m"), ("pause", "funtrips"), ("sweep", "prune")
    )
    assert sweep.out == "prune: 0 orders, 0 events, 0 documents\n"
    assert (paused.code, unknown.code) == (0, 2)
    assert "tiqets/default is paused for 15 min" in paused.out
    shorter = willcall("pause", "tiqets", "--for", "1m")
    until = re.search(r"until (.+ UTC)", paused.out)
    assert until
    assert shorter.out.startswith(f"tiqets/default is already paused for longer, until {until[1]}.")
    listed = willcall("accounts", "--json")
    assert {line["account"]: line["health"] for line in listed.lines} == {
        "tiqets/default": "paused",
        "tixstock/default": "ok",
    }
    assert willcall("resume", "tiqets/default").out == "tiqets/default is resumed; no orders were held.\n"
    assert AccountStore(redis, redis).state("tiqets/default", Rate(1, 1, 1)).health is AccountHealth.OK


def test_a_reload_without_processes_says_so(willcall: Willcall) -> None:
    result = willcall("reload")
    assert result.code == 1
    assert "no process is running with this `redis_url`" in result.err


def test_resume_keeps_a_retry_after_unless_now_is_given(willcall: Willcall, redis: "Redis") -> None:
    run_worker(redis)
    accounts, rate = AccountStore(redis, redis), Rate(1, 1, 1)
    until = int(accounts.now()) + 3_600
    alert = OperatorAlert("evt-1", account_subject("tiqets/default"), send=False)
    accounts.report_health(
        "tiqets/default",
        "tiqets/default",
        AccountReport(AccountSignal.THROTTLED, "x", probe=False, until=until),
        (30, 600),
        alert,
    )
    plain = willcall("resume", "tiqets")
    assert (plain.code, plain.err) == (0, "")
    assert f"allows no request until {format_timestamp(until)} (in " in plain.out
    assert "`willcall resume tiqets/default --now`" in plain.out
    assert accounts.state("tiqets/default", rate).health is AccountHealth.THROTTLED
    overriding = willcall("resume", "tiqets", "--now")
    assert (overriding.code, overriding.out) == (0, "tiqets/default is resumed; no orders were held.\n")
    assert overriding.err.startswith("Warning: --now ignores the Retry-After of tiqets/default")
    assert accounts.state("tiqets/default", rate).health is AccountHealth.OK


def test_poll_prints_when_the_order_will_be_polled_and_now_ignores_a_hint(willcall: Willcall, redis: "Redis") -> None:
    run_worker(redis)
    willcall("submit", "--provider", "tiqets", "--reference", "1", "--id", "ord-1")
    hint = int((time.time() + 3_600) * 1_000)
    redis.hset(keys.order("ord-1"), mapping={"hint": hint, "due": hint})
    plain = willcall("poll", "ord-1")
    assert (plain.code, plain.err) == (0, "")
    assert re.fullmatch(
        r"Order ord-1 will be polled in (1 h|59 min .*); that is the earliest time allowed\.\n", plain.out
    )
    overriding = willcall("poll", "ord-1", "--now")
    assert (overriding.code, overriding.out) == (0, "Order ord-1 will be polled now.\n")
    assert overriding.err.startswith("Warning: --now ignores the provider's Retry-After")


def test_submit_promises_no_request_that_the_account_postpones(willcall: Willcall, redis: "Redis") -> None:
    run_worker(redis)
    new = ("submit", "--provider", "tiqets", "--reference")
    assert willcall(*new, "1", "--id", "a").out == "Order a accepted; tiqets/default will be polled immediately.\n"
    redis.hset(keys.tokens("tiqets/default"), "blocked", int((time.time() + 3_600) * 1_000))
    assert re.match(
        r"Order b accepted; tiqets/default will be polled in (1 h|59 min)", willcall(*new, "2", "--id", "b").out
    )
    willcall("pause", "tiqets")
    paused = willcall(*new, "3", "--id", "c").out
    assert paused == "Order c accepted; tiqets/default is paused, so the order is held until it is resumed.\n"


def test_inbox_lists_pushes_without_an_order(willcall: Willcall, redis: "Redis") -> None:
    assert "The inbox is empty" in willcall("inbox").err
    ticket = Ticket(TicketKind.PDF, document="doc_1", seat="100")
    push = StoredPush(
        "tixstock/default", "o-1", "digest", "order.eticket_fulfilment", time.time(), TicketsPush((ticket,))
    )
    assert Inbox(redis).store_push(push) is None
    (line,) = willcall("inbox", "--json").lines
    assert (line["account"], line["reference"], line["content"]) == ("tixstock/default", "o-1", "1 ticket")
    assert line["stored_until"] > line["received_at"]
    assert "order.eticket_fulfilment" in willcall("inbox").out
