"""One attempt at a time, over real HTTP."""

import time

import pytest
from structlog.testing import capture_logs

from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from willcall.orders.errors import ClosedOrderError, ConflictingOrderError, RejectedOrderError, UnknownOrderError
from willcall.orders.model import Attention, Status
from willcall.simulator.request_handler import SLACK
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth, ResumeOutcome
from willcall.stores.schedule import ExpediteOutcome
from willcall.usecases.accounts import pause, resume
from willcall.usecases.ask import SendWindow, ask
from willcall.usecases.authorize import RetrySoon, authorize
from willcall.usecases.orders import cancel_order, request_poll
from willcall.usecases.poll_once import PollResult, lease_seconds, poll_once
from willcall.usecases.submit import submit


def funtrips(reference: str = "chk_1", **fields: object) -> OrderScript:
    return OrderScript.model_validate({"provider": "funtrips", "reference": reference, **fields})


def tiqets(**fields: object) -> OrderScript:
    return OrderScript.model_validate({"provider": "tiqets", "reference": "1111111", **fields})


def test_an_order_is_polled_to_its_tickets(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(ready_after=0, quantity=2))
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert order.attempts == 1
    assert sum(ticket.kind == "barcode" for ticket in order.tickets) == 2
    assert h.events() == ["order.fulfilled"]
    assert [message.seq for message in h.outbox.messages] == [1]


def test_a_202_is_polled_again_after_its_retry_after(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(ready_after=600, pending_hint={"retry_after": 7}))
    before = h.context.stores.accounts.now()
    order = h.poll()
    assert order.status is Status.PENDING
    assert order.next_poll_at is not None
    assert order.next_poll_at >= before + 7
    (attempt,) = h.context.stores.orders.timeline(order.id)
    assert (attempt.outcome, attempt.http_status) == ("not_ready", 202)
    assert 7 <= (attempt.countdown or 0) <= 8
    assert h.events() == []


def voordemensen(**fields: object) -> OrderScript:
    return OrderScript.model_validate({"provider": "voordemensen", "reference": "XgFca-QmBxG", **fields})


#: Answers on which a hint is easily missed.
HINTED: list[dict[str, object]] = [
    {"do": "status", "status": 404},
    {"do": "status", "status": 400},
    {"do": "redirect", "location": "https://elsewhere.example/"},
    {"do": "truncated_json"},
    {"do": "malformed"},
    {"do": "cut"},
    {"do": "gzip_bomb"},
    {"do": "unknown_word"},
]
FORMS = [
    {},
    {"form": "date"},
    {"form": "date", "clock": -600},
    {"form": "iso", "clock": 86_400},
    {"form": "epoch"},
    {"form": "epoch", "clock": -600},
    {"form": "epoch_ms"},
    {"also": ["5", "soon"]},
]


def assert_waits(h: System, seconds: float) -> None:
    """The one request was answered, and the next is due so many seconds later, as exactly as can be said."""
    order, (request,) = h.order(), h.providers.ledger(provider=h.order().provider)
    (attempt,) = h.context.stores.orders.timeline(order.id)
    assert order.next_poll_at is not None
    assert request["arrived"] + seconds - SLACK <= order.next_poll_at < request["arrived"] + 2 * seconds
    assert seconds <= (attempt.countdown or 0) < seconds + 1.01, (
        "a moment in whole seconds is rounded, no jitter is added"
    )


def test_a_pending_order_is_not_polled_before_the_hint(make_system: Setup) -> None:
    h = make_system()
    h.submit(voordemensen(ready_after=600, answers=[{"do": "usual", "retry_after": 120}]))
    h.poll()
    assert h.outcomes() == ["not_ready"]
    assert_waits(h, 120)


@pytest.mark.parametrize("answer", HINTED, ids=lambda answer: str(answer.get("status", answer["do"])))
def test_no_second_request_is_sent_before_the_hint_of_any_response(
    make_system: Setup, answer: dict[str, object]
) -> None:
    h = make_system()
    h.submit(tiqets(answers=[answer | {"retry_after": 120}]))
    h.poll()
    assert_waits(h, 120)


@pytest.mark.parametrize(
    "packing",
    [
        {"content_encoding": "UTF-8"},
        {"content_encoding": "gzip"},
        {"codings": ["gzip"]},
        {"codings": ["gzip_members"], "content_encoding": "gzip"},
        {"codings": ["gzip_padded"], "content_encoding": "gzip"},
        {"codings": ["gzip", "gzip"], "content_encoding": "gzip, gzip"},
        {"codings": ["deflate"], "content_encoding": "deflate"},
        {"codings": ["zlib"], "content_encoding": "deflate"},
        {"charset": "latin-1"},
        {"charset": "latin-1", "content_type": "application/json; charset=utf-8"},
        {"charset": "utf-16", "content_type": "application/json; charset=iso-8859-1"},
        {"charset": "utf-8-sig", "content_type": "text/html"},
        {"charset": "latin-1", "codings": ["gzip_members"], "content_encoding": "none"},
    ],
    ids=str,
)
def test_tickets_are_read_in_any_encoding(make_system: Setup, packing: dict[str, object]) -> None:
    h = make_system()
    h.submit(voordemensen(ready_after=0, answers=[{"do": "usual", "packing": packing}]))
    order = h.poll()
    assert order.status is Status.FULFILLED
    (ticket,) = order.tickets
    assert "Één avond uit" in str(ticket.extra)


@pytest.mark.parametrize("hint", FORMS, ids=str)
def test_a_hint_applies_in_every_form(make_system: Setup, hint: dict[str, object]) -> None:
    h = make_system()
    h.submit(tiqets(answers=[{"do": "status", "status": 429, "retry_after": 120, **hint}]))
    order = h.poll()
    assert_waits(h, 120)
    state = h.context.stores.accounts.state("tiqets/default", h.context.accounts["tiqets/default"].rate)
    assert state.until == pytest.approx(order.next_poll_at, abs=0.01)


@pytest.mark.parametrize("hint", [86_401, 31_536_000])
def test_a_hint_of_more_than_a_day_leaves_one_attempt_at_the_deadline(make_system: Setup, hint: int) -> None:
    h = make_system()
    h.submit(tiqets(answers=[{"do": "status", "status": 404, "retry_after": hint}]))
    order = h.poll()
    assert order.next_poll_at == order.deadline_at


def test_a_429_of_more_than_a_day_holds_its_account_for_an_hour(make_system: Setup) -> None:
    h = make_system(polling={"ceiling": 86_400})
    h.submit(tiqets(answers=[{"do": "status", "status": 429, "retry_after": 31_536_000}]))
    order = h.poll()
    state = h.context.stores.accounts.state("tiqets/default", h.context.accounts["tiqets/default"].rate)
    (attempt,) = h.context.stores.orders.timeline(order.id)
    assert attempt.countdown == pytest.approx(3_600, abs=0.01)
    assert state.until == pytest.approx(order.next_poll_at, abs=0.01)


def test_a_date_beyond_next_year_is_implausible_and_logged_once(make_system: Setup) -> None:
    h = make_system(polling={"ceiling": 500 * 86_400})
    day = 86_400
    for days in (399, 401, 402):
        name, fields = f"a7c6{days}", {"fulfillment_starts_after": days * day}
        script = OrderScript.model_validate({"provider": "paylogic", "reference": name, **fields})
        with capture_logs() as lines:
            h.submit(script, id=name)
            order = h.poll(name)
        assert order.next_poll_at is not None
        ahead = order.next_poll_at - h.context.stores.accounts.now()
        assert (ahead > 390 * day) == (days == 399)
        logged = [line["hint"] for line in lines if line["event"] == "implausible hint"]
        assert logged == (["a date more than 400 days ahead"] if days == 401 else [])


def test_an_announced_date_beyond_the_ceiling_moves_the_deadline(make_system: Setup) -> None:
    """The ceiling is 600 s here. The date that is shown is rounded up to a second."""
    h, three_weeks = make_system(), 21 * 86_400
    script = {"provider": "paylogic", "reference": "a7c6", "fulfillment_starts_after": three_weeks}
    h.submit(OrderScript.model_validate(script))
    assert h.order().deadline_at == pytest.approx(h.order().submitted_at + 600)
    order = h.poll()
    assert order.expected_at is not None
    assert order.expected_at - order.submitted_at == pytest.approx(three_weeks, abs=60)
    assert order.next_poll_at == order.expected_at
    assert order.deadline_at == pytest.approx(order.expected_at + 600)
    h.let_time_pass_for_providers(three_weeks + 1)
    assert h.poll().status is Status.FULFILLED


def test_an_order_expires_after_the_ceiling_of_its_announced_date(make_system: Setup) -> None:
    h = make_system()
    h.submit(
        OrderScript.model_validate(
            {"provider": "paylogic", "reference": "a7c6", "fulfillment_starts_after": 3_600, "ends": "never"}
        )
    )
    h.poll()
    h.let_time_pass_for_providers(3_601)
    deadline = h.poll().deadline_at
    assert h.order().deadline_at == deadline > h.order().submitted_at + 3_600
    h.redis.hset(keys.order("ord-1"), "deadline", 1)
    assert h.poll().status is Status.EXPIRED


def test_a_stale_message_polls_nothing(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(ready_after=600))
    h.poll()
    assert poll_once(h.context, "ord-1", 1, "funtrips/default") == PollResult()
    assert len(h.outcomes()) == 1


@pytest.mark.parametrize(
    ("fault", "outcome", "attention"),
    [
        ({"do": "status", "status": 404, "times": 2}, "missing", "not_found"),
        ({"do": "status", "status": 503, "retry_after": 2, "times": 2}, "unavailable", None),
        ({"do": "status", "status": 429, "retry_after": 1, "times": 2}, "throttled", None),
        ({"do": "malformed", "times": 2}, "malformed", "malformed"),
        ({"do": "reset", "times": 2}, "unavailable", None),
        ({"do": "unknown_word", "times": 2}, "not_ready", None),
        ({"do": "status", "status": 403, "times": 2}, "unauthorized", "unauthorized"),
    ],
)
def test_transient_errors_are_retried_and_never_final(
    make_system: Setup, fault: dict, outcome: str, attention: str | None
) -> None:
    h = make_system()
    h.submit(tiqets(answers=[fault]))
    h.poll()
    h.redis.delete(keys.tokens("tiqets/default"), keys.account("tiqets/default"))
    order = h.poll()
    assert h.outcomes() == [outcome, outcome]
    assert (order.status, order.attention) == (Status.PENDING, attention)
    h.redis.delete(keys.tokens("tiqets/default"), keys.account("tiqets/default"))
    order = h.poll()
    assert (order.status, order.attention) == (Status.FULFILLED, None)


def test_an_aged_access_token_is_renewed_without_parking_the_account(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips(ready_after=600))
    h.poll()
    h.providers.update_account("funtrips", expire_tokens=True)
    h.poll()
    assert h.context.stores.oauth.get("funtrips/default") is None
    assert h.order().attention is None
    h.poll()
    assert h.outcomes() == ["not_ready"] * 3
    tokens = [entry for entry in h.providers.ledger(provider="funtrips") if entry["kind"] == "token"]
    assert len(tokens) == 2


def test_a_fresh_access_token_that_is_rejected_parks_the_account(make_system: Setup) -> None:
    h = make_system()
    h.providers.update_account("funtrips", revoked=True)
    h.submit(funtrips())
    order = h.poll()
    assert order.attention is Attention.UNAUTHORIZED
    assert order.next_poll_at is None
    account = h.context.accounts["funtrips/default"]
    assert h.context.stores.accounts.state(account.key, account.rate).health is AccountHealth.UNAUTHORIZED


def test_an_order_waits_briefly_while_another_worker_fetches_the_token(make_system: Setup) -> None:
    h = make_system()
    h.submit(funtrips())
    account = h.context.accounts["funtrips/default"]
    with h.context.stores.oauth.lock(account.key, 30):
        assert authorize(h.context, account, time.monotonic()) == RetrySoon()
        order = h.poll()
        assert (order.attempts, order.status) == (0, Status.PENDING)
        assert h.outcomes() == []
    assert h.poll().status is Status.FULFILLED


def test_a_repeated_attempt_keeps_the_minimum_too(make_system: Setup) -> None:
    h = make_system(polling={"minimum": 100, "initial": 100, "cap": 100})
    assert lease_seconds(h.context.accounts["tiqets/default"]) > 100
    assert lease_seconds(h.context.accounts["voordemensen/default"]) > 10


def test_nothing_is_sent_when_the_claim_took_so_long_that_the_lease_could_end(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets())
    account, order = h.context.accounts["tiqets/default"], h.order()
    now = time.monotonic()
    assert ask(h.context, account, order, 0.0, SendWindow(claimed=now, send_at=now, send_before=now - 1)) == RetrySoon()
    assert h.providers.ledger(provider="tiqets") == []


def test_a_response_for_an_order_cancelled_meanwhile_changes_nothing(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    h.submit(tiqets())
    exchange = h.context.http.exchange

    def cancel_first(*arguments: object) -> object:
        cancel_order(h.context, "ord-1", ANNA)
        return exchange(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(h.context.http, "exchange", cancel_first)
    assert h.poll().status is Status.CANCELLED
    assert h.events() == ["order.cancelled"]


def test_an_operators_poll_applies_a_late_cancellation(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets(cancel_after=0))
    h.redis.hset(keys.order("ord-1"), mapping={"status": "fulfilled", "ask": 0})
    assert request_poll(h.context, "ord-1", ANNA).outcome is ExpediteOutcome.SENT
    assert h.poll().status is Status.CANCELLED
    with pytest.raises(ClosedOrderError):
        request_poll(h.context, "ord-1", ANNA)


def test_pausing_and_resuming_an_account(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets())
    account = h.context.accounts["tiqets/default"]
    pause(h.context, account, None, ANNA)
    assert h.poll().next_poll_at is None
    assert h.outcomes() == []
    assert resume(h.context, account, ANNA) == ResumeOutcome(released=1)
    assert h.outbox.messages[-1].seq == h.order().seq
    assert h.poll().status is Status.FULFILLED


def test_an_unconfigured_account_is_not_polled_and_its_orders_expire(make_system: Setup) -> None:
    h = make_system()
    h.submit(tiqets())
    assert poll_once(h.context, "ord-1", 1, "tiqets/gone") == PollResult()
    assert (h.order().status, h.outcomes()) == (Status.PENDING, [])
    h.redis.hset(keys.order("ord-1"), "deadline", 1)
    poll_once(h.context, "ord-1", 1, "tiqets/gone")
    assert (h.order().status, h.outcomes()) == (Status.EXPIRED, [])


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"provider": "nobody", "reference": "r"}, ["nobody", "funtrips"]),
        ({"provider": "tiqets", "reference": "1", "account": "other"}, ["tiqets/other", "tiqets/default"]),
        ({"provider": "tiqets"}, ["reference: is missing"]),
        ({"provider": "tiqets", "reference": "1", "quantity": 0, "colour": "red"}, ["quantity", "colour"]),
        ({"provider": "funtrips", "reference": "../x"}, ["reference"]),
        ({"provider": "tiqets", "reference": "1", "callback_url": "ftp://x"}, ["callback_url"]),
        ({"provider": "tiqets", "reference": "1", "metadata": {"k": "\ud800"}}, ["metadata", "UTF-8"]),
        ({"provider": "tiqets", "reference": "1", "not_before": "2026-11-22T10:00:00"}, ["not_before", "time zone"]),
    ],
)
def test_an_invalid_payload_is_rejected_with_all_its_errors(
    make_system: Setup, payload: dict, words: list[str]
) -> None:
    h = make_system()
    with pytest.raises(RejectedOrderError) as caught:
        submit(h.context, payload)
    assert all(word in str(caught.value) for word in words)
    assert list(h.redis.scan_iter()) == []


def test_the_same_id_with_other_content_is_a_conflict(make_system: Setup) -> None:
    h = make_system()
    payload = {"id": "x", "provider": "tiqets", "reference": "1"}
    assert submit(h.context, payload).new
    assert not submit(h.context, dict(payload)).new
    with pytest.raises(ConflictingOrderError):
        submit(h.context, payload | {"quantity": 2})
    with pytest.raises(UnknownOrderError):
        request_poll(h.context, "y", ANNA)
    assert len(h.outbox.messages) == 1
