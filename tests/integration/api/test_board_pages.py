"""What the pages of the order board show, and what their buttons do."""

import html
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.integration.api.conftest import OPERATOR_KEY, Running, problem
from tests.integration.api.operator import Operator, board, words
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.callbacks import CallbackStatus, DeliveryDecision
from willcall.orders.decision import AccountSignal
from willcall.orders.model import Attention, Status, Ticket, TicketKind
from willcall.orders.policy import Rate
from willcall.orders.submission import SubmitOrder
from willcall.orders.troubles import ACCOUNT_TROUBLES, SYSTEM_TROUBLES
from willcall.stores import keys
from willcall.stores.accounts import AccountReport
from willcall.stores.commits import Commit, NewEvent
from willcall.stores.connection import connect
from willcall.stores.deliveries import DeliveryAttempt, DeliveryMessage
from willcall.stores.documents import DocumentStore
from willcall.stores.listing import OrderFilter
from willcall.stores.operator_events import OperatorAlert, account_subject
from willcall.stores.registry import Stores
from willcall.stores.submissions import NewOrder

if TYPE_CHECKING:
    from redis import Redis

LATER = "2099-01-01T00:00:00Z"
PDF = b"%PDF-1.4\n%%EOF"
MORE_ACCOUNTS = {
    "WILLCALL_PROVIDERS__VOORDEMENSEN__DEFAULT__CLIENT_NAME": "demo",
    "WILLCALL_PROVIDERS__PAYLOGIC__DEFAULT__USERNAME": "a-user",
    "WILLCALL_PROVIDERS__PAYLOGIC__DEFAULT__PASSWORD": "a-password",
}
HOSTILE = "\"><u>{{7*7}}'"


@pytest.fixture
def operator(api: Running) -> Operator:
    return Operator(api)


def change(stores: Stores, order_id: str, **fields: object) -> None:
    """Write what an attempt might have written."""
    before = stores.orders.get(order_id)
    assert before is not None
    after = replace(before, **fields)  # type: ignore[arg-type]
    assert stores.commits.write(Commit(before, after, tickets="tickets" in fields)) is not None


def test_an_account_is_shown_with_its_waiting_orders(api: Running, operator: Operator) -> None:
    for number in range(3):
        api.submit(f"ord-{number}", not_before=LATER)
    shown = words(operator.get("/"))
    assert "tiqets /default ok Details of tiqets/default 3 " in shown
    assert "tixstock /default ok Details of tixstock/default 0 " in shown


def test_orders_for_tonight_without_tickets_are_shown_the_soonest_first(
    api: Running, stores: Stores, operator: Operator
) -> None:
    api.submit("ord-0")
    assert "Events within 24 hours" not in words(operator.get("/"))
    assert "Event (UTC)" not in words(operator.get("/orders"))
    now = datetime.fromtimestamp(stores.accounts.now(), UTC)
    for number, hours in enumerate([26, 3, 2, 1, -1], 1):
        api.submit(f"ord-{number}", event_at=(now + timedelta(hours=hours, minutes=1)).isoformat())
    change(stores, "ord-3", status=Status.FULFILLED, finished_at=stores.accounts.now())
    shown = words(operator.get("/"))
    assert re.search(r"without tickets 3 ord-5 .* 59 min ago ord-4 .* in 1 h ord-2 .* in 3 h", shown)
    listed = words(operator.get("/orders?event=soon"))
    assert re.search(r"Event \(UTC\) .* ord-5 .* ord-4 .* ord-2 ", listed)
    assert not re.search("ord-[0-13]", listed)
    assert re.search(r"Event \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", words(operator.get("/orders/ord-1")))


def test_a_list_by_event_has_pages(api: Running, operator: Operator) -> None:
    for number in range(52):
        api.submit(f"ord-{number:02}", event_at="2026-01-01T20:00:00Z", group="Hamlet & Co")
    first = operator.get("/orders?event=soon&group=Hamlet+%26+Co")
    assert "ord-49" in first.text
    assert "ord-50" not in first.text
    following = html.unescape(re.findall(r'rel="next" href="([^"]+)">Next page', first.text)[0])
    second = operator.get(following)
    assert "ord-51" in second.text
    assert "ord-49" not in words(second)
    assert "First page" in second.text
    board_page = words(operator.get("/"))
    assert "without tickets 52" in board_page
    assert "All 52 orders" in board_page


def test_a_paused_account_is_shown_as_paused_until_it_is_resumed(api: Running, operator: Operator) -> None:
    api.submit(not_before=LATER)
    answer = operator.post("/accounts/tiqets/default/pause", back="/", seconds="900")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    shown = words(operator.get("/"))
    assert "tiqets/default is paused for 15 min. Its orders wait; their deadlines keep running." in shown
    assert "1 order waits. Paused by an operator" in shown
    again = words(operator.get("/"))
    assert "for 15 min. Its orders" not in again
    operator.post("/accounts/tiqets/default/pause", back="/")
    operator.post("/accounts/tiqets/default/pause", back="/", seconds="900")
    told = "tiqets/default is already paused for longer, until resumed. To shorten the pause, resume the account"
    assert told in words(operator.get("/"))
    operator.post("/accounts/tiqets/default/resume", back="/")
    assert "tiqets/default is resumed" in words(operator.get("/"))
    assert api.get("/v1/accounts").json()["items"][0]["health"] == "ok"


def test_a_separate_button_with_confirmation_ends_a_retry_after(
    api: Running, operator: Operator, stores: Stores
) -> None:
    api.submit("ord-1", not_before=LATER)
    until = stores.accounts.now() + 3_600
    report = AccountReport(AccountSignal.THROTTLED, "x", probe=False, until=until, why="429")
    alert = OperatorAlert("evt-1", account_subject("tiqets/default"), send=False)
    stores.accounts.report_health("tiqets/default", "tiqets/default", report, (30, 600), alert)
    for path in ("/", "/orders/ord-1"):
        page = operator.get(path)
        assert "If you poll sooner, it may ask for a longer wait or block us." in words(page)
        buttons = re.findall(r'<form method="post" action="([^"]*/(?:resume|poll))">(.*?)</form>', page.text)
        overriding = [action for action, form in buttons if 'name="now" value="1"' in form]
        assert "/accounts/tiqets/default/resume" in overriding
        assert all("<details" in part.rpartition("</details>")[2] for part in page.text.split('name="now"')[:-1])
        assert any(action.endswith("/resume") and "now" not in form for action, form in buttons)
    operator.post("/accounts/tiqets/default/resume", back="/")
    shown = words(operator.get("/"))
    assert "tiqets/default is resumed, but its provider allows no request until" in shown
    assert stores.accounts.state("tiqets/default", Rate(10, 1, 10)).hint_until == pytest.approx(until, abs=0.01)
    operator.post("/accounts/tiqets/default/resume", back="/", now="1")
    assert "tiqets/default is resumed" in words(operator.get("/"))
    assert stores.accounts.state("tiqets/default", Rate(10, 1, 10)).hint_until is None
    assert "Try now anyway" not in words(operator.get("/"))


def test_an_operators_key_may_resume_and_poll_over_the_api_but_reads_no_orders(api: Running) -> None:
    api.submit("ord-1", not_before=LATER)
    assert api.post("/v1/accounts/tiqets/default/resume", {"now": True}, key=OPERATOR_KEY).status_code == 200
    assert api.post("/v1/orders/ord-1/poll", {"now": True}, key=OPERATOR_KEY).status_code == 202
    assert api.get("/v1/accounts", key=OPERATOR_KEY).status_code == 200
    problem(api.get("/v1/orders/ord-1", key=OPERATOR_KEY), 403, "forbidden")
    problem(api.post("/v1/accounts/tiqets/default/resume", key="wrong"), 401, "unauthorized")


def test_a_separate_button_polls_an_order_before_its_hint(
    api: Running, operator: Operator, redis: "Redis", stores: Stores
) -> None:
    stores.processes.record_heartbeat("worker", "willcall-7@box", {})
    api.submit("ord-1")
    assert "Try now anyway" not in words(operator.get("/orders/ord-1"))
    hint = 4_000_000_000_000
    redis.hset(keys.order("ord-1"), mapping={"hint": hint, "due": hint, "deadline": hint + 1})
    assert "Try now anyway" in words(operator.get("/orders/ord-1"))
    operator.post("/orders/ord-1/poll", back="/orders/ord-1")
    assert "that is the earliest time allowed" in words(operator.get("/orders/ord-1"))
    operator.post("/orders/ord-1/poll", back="/orders/ord-1", now="1")
    assert "Order ord-1 will be polled now." in words(operator.get("/orders/ord-1"))


def test_a_paused_account_that_is_rejected_shows_both_everywhere(
    api: Running, operator: Operator, stores: Stores
) -> None:
    api.submit("ord-1", not_before=LATER)
    refused = AccountReport(AccountSignal.UNAUTHORIZED, "ord-0", probe=False, why="401")
    alert = OperatorAlert("evt-1", account_subject("tiqets/default"), send=False)
    stores.accounts.report_health("tiqets/default", "tiqets/default", refused, (30, 600), alert)
    stores.accounts.pause("tiqets/default", None)
    shown = words(operator.get("/"))
    assert "tiqets/default is paused and is rejecting our API key" in shown
    assert "tiqets /default paused API key rejected since " in shown
    assert "Account tiqets/default is paused and is rejecting our API key" in words(operator.get("/orders/ord-1"))
    document = api.get("/v1/accounts").json()["items"][0]
    assert (document["health"], document["why"]) == ("paused", None)
    assert (document["underlying"]["health"], document["underlying"]["why"]) == ("unauthorized", "401")


def test_an_invalid_duration_pauses_nothing(api: Running, operator: Operator) -> None:
    for seconds in ("abc", "0", "-1", "0.5", "1e3", "86401"):
        answer = operator.post("/accounts/tiqets/default/pause", back="/", seconds=seconds)
        assert (answer.status_code, answer.headers["Content-Type"]) == (422, "text/html; charset=utf-8"), seconds
        assert "seconds" in answer.text
    assert api.get("/v1/accounts").json()["items"][0]["health"] == "ok"
    assert operator.post("/accounts/tiqets/default/pause", back="/", seconds="86400", reason="maintenance").ok
    assert "for 86,400 s; maintenance" in words(operator.get("/operations"))


def test_missing_workers_and_beat_are_reported_first(operator: Operator) -> None:
    shown = words(operator.get("/"))
    assert "2 problems need fixing" in shown
    assert (
        shown.index("No workers are running") < shown.index("Beat is not running") < shown.index("Fulfilled per hour")
    )


def test_sweeps_that_no_beat_starts_are_not_ok(operator: Operator, stores: Stores) -> None:
    stores.processes.record_heartbeat("beat", "willcall-7@box", {})
    stores.sweeps.record_success("polls", stores.accounts.now(), 0.1, {})
    page = operator.get("/")
    assert "sweeps ok" in words(page)
    assert re.search('data-ago="past" title="[^"]*">(now|[^<]* ago)<', page.text), "beat's sign"
    stores.processes.remove("beat", "willcall-7@box")
    stores.sweeps.record_success("polls", stores.accounts.now() - 60, 0.1, {})
    shown = words(operator.get("/"))
    assert "sweeps ok" not in shown
    assert "1 sweep overdue" in shown, "beside the headline"
    assert "As a result 1 background sweep is overdue" in shown


def test_orders_that_need_attention_are_grouped_by_reason_with_their_button(
    api: Running, operator: Operator, stores: Stores
) -> None:
    for order_id, attention in (("ord-1", Attention.NOT_FOUND), ("ord-2", Attention.MALFORMED)):
        api.submit(order_id, reference=order_id, not_before=LATER)
        change(stores, order_id, attention=attention)
    page = operator.get("/")
    shown = words(page)
    assert "unknown reference 1 The provider does not know this reference." in shown
    assert "unreadable response 1 The provider's response could not be read." in html.unescape(shown)
    assert 'action="/orders/ord-1/cancel"' in page.text
    assert 'action="/orders/ord-2/poll"' in page.text
    assert 'action="/orders/ord-2/cancel"' not in page.text
    filtered = words(operator.get("/orders?attention=not_found&status=&provider="))
    assert "ord-1" in filtered
    assert "ord-2" not in filtered


def test_orders_of_a_rejected_account_are_reported_once_with_the_account(
    api: Running, operator: Operator, stores: Stores, redis: "Redis"
) -> None:
    api.submit("the-other", reference="the-other", not_before=LATER)
    change(stores, "the-other", attention=Attention.NOT_FOUND)
    for number in range(60):
        api.submit(f"held-{number}", reference=str(number), not_before=LATER)
        change(stores, f"held-{number}", attention=Attention.UNAUTHORIZED)
    report = AccountReport(AccountSignal.UNAUTHORIZED, "held-1", probe=False, why="401")
    alert = OperatorAlert("evt_1", account_subject("tiqets/default"), send=False)
    stores.accounts.report_health("tiqets/default", "tiqets/default", report, (30, 600), alert)
    now = stores.accounts.now()
    redis.zadd(keys.held("tiqets/default"), {"held-1": 1})
    for probe_at, told in (
        (now + 3_600, "next attempt once beat is running"),
        (now + 3_600, "next attempt in "),
        (now - 1, "next attempt any moment"),
        (now - 7_200, "overdue by 2 h"),
    ):
        redis.hset(keys.account("tiqets/default"), "probe_at", int(probe_at * 1_000))
        assert told in words(operator.get("/"))
        stores.processes.record_heartbeat("beat", "willcall-7@box", {})
    shown = words(operator.get("/"))
    assert "tiqets/default is rejecting our API key" in shown
    assert "61 orders wait. No order will be marked failed" in shown
    assert "API key rejected 60" in shown
    assert "the-other" in shown
    assert "held-" not in shown
    page = words(operator.get("/orders/held-1"))
    assert "Account tiqets/default is rejecting our API key" in page
    assert page.count("To do") == 1, "of the account, and not once more of the order"
    assert "put a working one into [providers.tiqets.default]" in page


def test_an_order_of_a_stopped_account_offers_the_fix(
    api: Running, operator: Operator, stores: Stores, redis: "Redis"
) -> None:
    api.submit("ord-1", not_before=LATER)
    change(stores, "ord-1", attention=Attention.MALFORMED)
    api.submit("ord-2", reference="2222222", not_before=LATER)
    pages, poll = ("/", "/orders", "/orders/ord-1"), 'action="/orders/ord-1/poll"'
    assert all(poll in operator.get(path).text for path in pages)
    operator.post("/accounts/tiqets/default/pause")
    assert not any(poll in operator.get(path).text for path in pages)
    for path in ("/orders", "/orders/ord-2"):
        assert "waits for its account" in words(operator.get(path))
    page = operator.get("/orders/ord-1")
    assert 'action="/accounts/tiqets/default/resume"' in page.text
    assert "To the board" not in page.text
    redis.zadd(keys.held("tiqets/default"), {"ord-1": 1})
    assert "pending waits for its account " in words(operator.get("/orders/ord-1"))
    answer = operator.post("/accounts/tiqets/default/resume", back="/orders/ord-1")
    assert answer.headers["Location"] == "/orders/ord-1"
    assert poll in operator.get("/orders/ord-1").text


def test_an_order_that_will_not_be_polled_again_says_so(api: Running, operator: Operator, redis: "Redis") -> None:
    api.submit("ord-1", not_before=LATER)
    redis.hset(keys.order("ord-1"), "ask", 0)
    assert "pending not polled again before its deadline" in words(operator.get("/orders/ord-1"))


def test_orders_of_an_unconfigured_account_are_reported(operator: Operator, stores: Stores) -> None:
    order = SubmitOrder(provider="paylogic", reference="1", id="ord-1").order()
    stores.submissions.submit([NewOrder(order, "digest", 86_400)])
    for page in ("/", "/orders/ord-1"):
        shown = words(operator.get(page))
        assert "paylogic/default" in shown
        assert "is not in the configuration" in shown
        assert "Put the account back into the configuration, or cancel its orders." in shown


def test_pages_of_orders_continue_after_the_previous_one(api: Running, operator: Operator) -> None:
    for number in range(60):
        api.submit(f"ord-{number:02}", reference=str(number), not_before=LATER)
    first = operator.get("/orders?provider=tiqets")
    older = html.unescape(first.text.partition('rel="next" href="')[2].partition('"')[0])
    assert older.startswith("/orders?provider=tiqets&cursor=")
    second = operator.get(older)
    names = [f"ord-{number:02}" for number in range(60)]
    assert [name for name in names if f'/orders/{name}"' in first.text] == names[10:]
    assert [name for name in names if f'/orders/{name}"' in second.text] == names[:10]


def test_each_account_links_to_its_own_orders(operator: Operator, stores: Stores) -> None:
    for account in ("default", "second"):
        order = SubmitOrder(provider="tiqets", account=account, reference="1", id=f"of-{account}").order()
        stores.submissions.submit([NewOrder(order, "digest", 86_400)])
        change(stores, f"of-{account}", attention=Attention.NOT_FOUND)
    page = operator.get("/").text
    assert 'href="/orders?account=tiqets/default"' in page
    assert 'href="/orders?attention=not_found&amp;account=tiqets/second"' in page
    for path in ("/orders?account=tiqets/second", "/orders?attention=not_found&account=tiqets/second"):
        listed = operator.get(path)
        assert '<option value="tiqets/second" selected>' in listed.text
        assert "of-second" in words(listed)
        assert "of-default" not in words(listed)
    assert "No orders match." in words(operator.get("/orders?account=" + quote(HOSTILE)))


def test_late_orders_are_listed_with_the_hosts_that_they_depend_on(
    api: Running, operator: Operator, redis_server: EmbeddedRedis
) -> None:
    redis = connect(redis_server.url)
    for order_id in ("ord-1", "ord-2", "ord-3"):
        api.submit(
            order_id,
            reference=order_id,
            not_before=LATER,
            callback_url=f"https://{order_id}.example/hooks?token=sesame",
        )
    for order_id in ("ord-2", "ord-1"):
        operator.post(f"/orders/{order_id}/cancel")
        redis.zadd(keys.DELIVERIES_PENDING, {order_id: 1_000 if order_id == "ord-2" else 2_000})
    page = operator.get("/")
    assert 'href="/orders?late=undelivered"' in page.text
    undelivered = operator.get("/orders?late=undelivered")
    shown = words(undelivered)
    assert shown.index("ord-2.example") < shown.index("ord-1.example")
    assert "ord-3" not in shown
    assert "sesame" not in undelivered.text
    assert 'action="/orders/ord-2/redeliver"' in undelivered.text
    assert "No orders match." in words(operator.get("/orders?late=documents"))
    redis.zadd(keys.FETCHES_PENDING, {"ord-3": 1_000})
    redis.set(keys.tickets("ord-3"), json.dumps([{"kind": "pdf", "url": "https://files.example/1.pdf?sesame"}]))
    assert "ord-3 tiqets/default" in words(operator.get("/orders?late=documents"))
    assert "files.example" in words(operator.get("/orders?late=documents"))
    redis.zadd(keys.FETCHES_DUE, {"ord-3": 1_000})
    assert "files.example first attempt overdue by " in words(operator.get("/orders?late=documents"))
    redis.hset(keys.fetch("ord-3"), mapping={"tries": 3, "why": "HTTP 404"})
    for path in ("/orders?late=documents", "/orders/ord-3"):
        assert "HTTP 404; tried 3 times, next attempt overdue by " in words(operator.get(path))
    assert "The file is not stored yet." in words(operator.get("/orders/ord-3"))
    redis.zrem(keys.FETCHES_DUE, "ord-3")
    assert "The file is not stored and no longer fetched." in words(operator.get("/orders/ord-3"))


def test_overdue_orders_are_listed_latest_first_and_linked_from_their_count(
    api: Running, operator: Operator, stores: Stores, redis: "Redis"
) -> None:
    api.submit("soon", reference="0", not_before=LATER)
    api.submit("late", reference="2", not_before=LATER)
    api.submit("later", reference="3", not_before=LATER)
    api.submit("elsewhere", provider="tixstock", reference="4", not_before=LATER)
    quiet = operator.get("/")
    assert "behind=overdue" not in quiet.text
    now = stores.accounts.now()
    for order_id, late in (("late", 7_300), ("later", 91_000)):
        redis.zadd(keys.due("tiqets/default"), {order_id: int((now - late) * 1_000)})
    redis.zadd(keys.due("tixstock/default"), {"elsewhere": int((now - 14_500) * 1_000)})
    page = operator.get("/")
    for link in ("/orders?late=overdue", "/orders?late=overdue&amp;account=tiqets/default"):
        assert f'href="{link}"' in page.text
    assert "3 orders overdue" in words(page)
    listed = words(operator.get("/orders?late=overdue"))
    assert re.search(r"later tiqets/default pending 1 d 1 h .* elsewhere .* 4 h \d+ min .* late .* 2 h \d+ min", listed)
    assert "soon" not in listed
    of_one = words(operator.get("/orders?late=overdue&account=tixstock/default"))
    assert "elsewhere" in of_one
    assert "later" not in of_one
    operator.post("/accounts/tixstock/default/pause")
    paused = operator.get("/orders?late=overdue&provider=tixstock")
    assert "waits for its account" in words(paused)
    assert 'action="/orders/elsewhere/poll"' not in paused.text


def test_a_search_finds_orders_by_id_and_by_reference(api: Running, operator: Operator) -> None:
    api.submit("ord-1", reference="7777777", not_before=LATER)
    assert operator.get("/search", params={"q": " ord-1 "}).headers["Location"] == "/orders/ord-1"
    assert operator.get("/search", params={"q": "7777777"}).headers["Location"] == "/orders/ord-1"
    api.submit("ord-2", provider="tixstock", reference="7777777", not_before=LATER)
    several = words(operator.get("/search", params={"q": "7777777"}))
    assert "2 orders match" in several
    assert "ord-1" in several
    assert "ord-2" in several
    assert "No orders match" in words(operator.get("/search", params={"q": HOSTILE}))
    assert "No orders match" in words(operator.get("/search"))


def test_buttons_poll_cancel_and_redeliver_an_order(api: Running, operator: Operator, stores: Stores) -> None:
    stores.processes.record_heartbeat("worker", "willcall-7@box", {})
    api.submit("ord-1", not_before=LATER, callback_url="https://backend.example/hook")
    for action, told in (
        ("poll", "; that is the earliest time allowed."),
        ("redeliver", "The status of order ord-1 has not changed yet, so there is no event."),
        ("cancel", "Order ord-1 is cancelled. Nothing is cancelled at the provider."),
        ("cancel", "Order ord-1 was already cancelled."),
        ("redeliver", "Redelivery of order ord-1 queued."),
        ("poll", "Order ord-1 is cancelled; polling cannot change that."),
    ):
        answer = operator.post(f"/orders/ord-1/{action}", back="/orders/ord-1")
        assert answer.headers["Location"] == "/orders/ord-1"
        assert told in words(operator.get("/orders/ord-1"))
    shown = words(operator.get("/orders/ord-1"))
    assert re.search(r"order.cancelled evt_\w+ pending", shown)
    assert " by an operator " in shown
    for missing in ("/orders/nobody/poll", "/orders/nobody/cancel", "/accounts/tiqets/other/pause"):
        assert operator.post(missing).status_code == 404


def test_all_events_of_an_order_are_shown_with_their_delivery_status(
    api: Running, operator: Operator, stores: Stores
) -> None:
    api.submit("ord-1", not_before=LATER, callback_url="https://backend.example/hook")
    assert "No events yet." in words(operator.get("/orders/ord-1"))
    before = stores.orders.get("ord-1")
    assert before is not None
    event = NewEvent("evt_partial", "order.partial", {}, "backend.example")
    stores.commits.write(Commit(before, replace(before, status=Status.PARTIAL), event=event))
    claim = stores.deliveries.claim(DeliveryMessage("ord-1", "evt_partial", 1, "backend.example"), "a", 30)
    refused = DeliveryAttempt(claim.now, "evt_partial", "order.partial", 503, "", 5.0)
    stores.deliveries.record_delivery(
        DeliveryMessage("ord-1", "evt_partial", 1, "backend.example"),
        "a",
        refused,
        DeliveryDecision(CallbackStatus.PENDING, 5.0),
    )
    operator.post("/orders/ord-1/cancel")
    shown = words(operator.get("/orders/ord-1"))
    assert re.search(r"order.cancelled evt_\w+ pending.* 0 .* order.partial evt_partial superseded 1 ", shown)
    assert "503 rejected 5.0 s" in shown
    api.submit("ord-2", reference="2", not_before=LATER)
    operator.post("/orders/ord-2/cancel")
    assert re.search(r"order.cancelled evt_\w+ in the event feed", words(operator.get("/orders/ord-2")))


def test_tickets_and_secret_references_are_redacted_until_revealed(
    api: Running, operator: Operator, stores: Stores
) -> None:
    api.submit("ord-1", reference="1111111", not_before=LATER)
    tickets = (
        Ticket(TicketKind.BARCODE, code="0123456789012", code_format="EAN13", row="4", seat="17"),
        Ticket(TicketKind.LINK, url="javascript:alert(1)"),
    )
    change(stores, "ord-1", tickets=tickets, status=Status.PARTIAL)
    page = operator.get("/orders/ord-1").text
    summary, _, rest = page.partition("•••012")[2].partition("</summary>")
    assert "0123456789012" not in page.partition("•••012")[0] + summary
    assert "0123456789012" in rest.partition("</details>")[0]
    assert "row 4, seat 17" in page
    assert 'href="javascript' not in page


def test_the_request_is_shown_without_a_secret_reference(
    redis_server: EmbeddedRedis,
    redis: object,  # noqa: ARG001 - empties it
    tmp_path: Path,
) -> None:
    asked = [
        ("voordemensen", "XgFca-QmBxG", "/order/•••BxG"),
        ("voordemensen", "Xg@Fca-QmBxG", "/order/•••%40•••BxG"),
        ("voordemensen", "short", "/order/•••"),
        ("paylogic", "code:0123456789@event-uid", "?code=•••789&event="),
        ("paylogic", "code:AB C+D/E&F12345@event-uid", "?code=•••345&event="),
        ("paylogic", "code:AB@CD@event-uid", "?code=•••%40•••&event="),
    ]
    with board(tmp_path, redis_server.url, OPERATOR_KEY, environment=MORE_ACCOUNTS) as api:
        operator = Operator(api)
        for number, (provider, reference, asks) in enumerate(asked):
            api.submit(f"ord-{number}", provider=provider, reference=reference, not_before=LATER)
            before, _, revealed = html.unescape(operator.get(f"/orders/ord-{number}").text).partition('reveal">')
            shown = re.search("Each attempt calls <code>(.*?)</code>", before)
            assert shown
            assert asks in shown[1]
            assert not re.search("Xg|Fca|short|01234|AB|CD|F12", shown[1])
            assert revealed.startswith(reference)


def test_a_callback_is_shown_without_its_token(api: Running, operator: Operator) -> None:
    api.submit("ord-1", not_before=LATER, callback_url="https://backend.example/hooks?token=sesame")
    page = html.unescape(operator.get("/orders/ord-1").text)
    assert "https://backend.example/hooks?token=***" in page
    assert "sesame" not in page
    assert api.get("/v1/orders/ord-1").json()["callback_url"].endswith("?token=sesame")


def test_a_document_is_downloaded_with_the_session(
    api: Running, operator: Operator, redis_server: EmbeddedRedis, stores: Stores
) -> None:
    api.submit("ord-1", not_before=LATER)
    documents = DocumentStore(connect(redis_server.url), f"file://{api.folder}/documents")
    document = documents.put(PDF, "ord-1")
    change(stores, "ord-1", tickets=(Ticket(TicketKind.PDF, document=document.id),), status=Status.PARTIAL)
    address = f"/orders/ord-1/documents/{document.id}"
    assert f'href="{address}"' in operator.get("/orders/ord-1").text
    answer = operator.get(address)
    assert (answer.content, answer.headers["Content-Type"]) == (PDF, "application/pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert operator.get("/orders/ord-1/documents/doc_0").status_code == 404


@pytest.mark.parametrize(
    ("ticket", "shown"),
    [
        (Ticket(TicketKind.PDF, document="doc_1"), "Download PDF"),
        (Ticket(TicketKind.IMAGE, document="doc_1", content_type="image/png"), "Download image"),
        (
            Ticket(TicketKind.WALLET, document="doc_1", content_type="application/vnd.apple.pkpass"),
            "Download wallet pass",
        ),
        (Ticket(TicketKind.ARCHIVE, document="doc_1", content_type="application/zip"), "Download archive"),
        (
            Ticket(TicketKind.PDF, document="doc_1", extra={"document_warning": "no end"}),
            "Download PDF May be damaged: no end. Check whether it opens.",
        ),
        (
            Ticket(TicketKind.PDF, url="https://x.example/", extra={"document_error": "the file is an HTML page"}),
            "The file is not stored and no longer fetched: the file is an HTML page.",
        ),
    ],
)
def test_a_ticket_shows_the_type_and_the_damage_of_its_file(
    api: Running, operator: Operator, stores: Stores, ticket: Ticket, shown: str
) -> None:
    api.submit("ord-1", not_before=LATER)
    change(stores, "ord-1", tickets=(ticket,), status=Status.PARTIAL)
    assert shown in words(operator.get("/orders/ord-1"))


def test_missing_tickets_are_counted_while_more_may_arrive(api: Running, operator: Operator, stores: Stores) -> None:
    api.submit("ord-1", quantity=2, not_before=LATER)
    both = (Ticket(TicketKind.PDF, document="doc_1"),)
    change(stores, "ord-1", tickets=both, status=Status.PARTIAL)
    assert "Tickets 1 of 2 " in words(operator.get("/orders/ord-1"))
    change(stores, "ord-1", status=Status.FULFILLED, finished_at=stores.accounts.now())
    assert "Tickets 1 pdf" in words(operator.get("/orders/ord-1"))


def test_hostile_values_are_escaped(api: Running, operator: Operator, stores: Stores) -> None:
    api.submit(
        "ord-1~:@.x",
        provider="tixstock",
        reference=HOSTILE,
        metadata={HOSTILE: HOSTILE},
        callback_url="https://backend.example/" + "%22%3E" + "'\"><script>",
        not_before=LATER,
    )
    change(stores, "ord-1~:@.x", attention=Attention.NOT_FOUND, provider_status=HOSTILE, reason=HOSTILE)
    for path in ("/", "/orders", "/orders/ord-1~:@.x", "/search", f"/orders/{HOSTILE}"):
        answer = operator.get(path, params={"q": HOSTILE} if path == "/search" else None)
        assert "<u>" not in answer.text
        assert ">49" not in html.unescape(answer.text)
    assert html.unescape(operator.get("/orders/ord-1~:@.x").text).count(HOSTILE) >= 4
    assert stores.listing.page(OrderFilter(), 10).orders[0].reference == HOSTILE
    change(stores, "ord-1~:@.x", provider_status="\u202eenod\x07")
    assert "\ufffdenod\ufffd" in operator.get("/orders/ord-1~:@.x").text


def test_not_found_is_a_page(operator: Operator) -> None:
    for path in ("/orders/nobody", "/orders/a%2F..%2Fb", "/orders/%00"):
        answer = operator.get(path)
        assert answer.status_code == 404, path
    for path in ("/orders?status=lost", "/orders?cursor=x", "/?what=ever", "/search?q=" + "x" * 301):
        answer = operator.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (422, "text/html; charset=utf-8"), path


def test_an_unknown_path_is_a_page_for_browsers_and_a_problem_for_programs(api: Running, operator: Operator) -> None:
    navigates = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    for path in ("/nonsense", "/order/ord-1", "/orders/", "/orders/ord-1/x", "/%3Cu%3E", "/v1x"):
        for person in (operator, Operator(api, None)):
            answer = person.get(path, headers=navigates)
            assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8"), path
            assert "Page not found" in answer.text
            assert '<a href="/">Back to the board</a>' in answer.text
            assert "<u>" not in answer.text
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        for accept in ("*/*", "application/json", "image/*"):
            problem(api.get(path, headers={"Accept": accept}), 404, "not-found")
    for path in ("/v1", "/v1/nothing", "/webhooks", "/webhooks/tiqets"):
        problem(api.get(path, headers=navigates), 404, "not-found")


def test_the_runbook_has_a_place_for_each_alert_and_attention(operator: Operator) -> None:
    text = operator.get("/runbook").text
    anchors = set(re.findall(r' id="([^"]*)"', text))
    troubles = (*ACCOUNT_TROUBLES.values(), *SYSTEM_TROUBLES.values())
    assert {trouble.alert.lower() for trouble in troubles if trouble.alert} <= anchors
    assert {attention.value for attention in Attention} <= anchors
    assert all(address[1:] in anchors for address in re.findall(r'href="(#[^"]*)"', text))
    assert ".md" not in "".join(re.findall(r'href="([^"]*)"', text))
