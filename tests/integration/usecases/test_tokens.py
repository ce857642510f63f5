"""The token endpoint in its dialects and out of order. Real HTTP from the simulator, a real Redis."""

from dataclasses import replace
from typing import Any

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from tests.waiting import STALL
from willcall.orders.model import Order, Status
from willcall.simulator.script import AccountScript, OrderScript
from willcall.stores import keys
from willcall.stores.accounts import OUTAGES, AccountHealth, AccountState
from willcall.usecases.accounts import resume
from willcall.usecases.poll_once import lease_seconds

ACCOUNT = "funtrips/default"
#: What OAuth's two forms of Basic write differently.
ODD = {"client_id": "box office", "client_secret": "a+b/c=%:"}


def submit(h: System, order_id: str = "ord-1", **fields: Any) -> None:
    script = {"provider": "funtrips", "reference": f"chk_{order_id}", **fields}
    h.submit(OrderScript.model_validate(script), id=order_id)


def state(h: System) -> AccountState:
    return h.context.stores.accounts.state(ACCOUNT, h.context.accounts[ACCOUNT].rate)


def tokens_asked_for(h: System) -> int:
    return sum(entry["kind"] == "token" for entry in h.providers.ledger(provider="funtrips"))


def alerts(h: System) -> list[str]:
    return [event.type for event in reversed(h.context.stores.ops.recent(100))]


def probe(h: System, order_id: str) -> Order:
    """Have an order probe the account, as if the time for it had come."""
    h.redis.delete(keys.tokens(ACCOUNT))
    h.redis.hset(keys.account(ACCOUNT), "probe_at", 0)
    return h.poll(order_id)


@pytest.mark.parametrize("setting", [None, "right"])
@pytest.mark.parametrize("dialect", ["basic", "basic_raw", "body"])
def test_a_token_is_requested_in_the_dialect_of_the_endpoint(
    make_system: Setup, dialect: str, setting: str | None
) -> None:
    given = {"token_auth": dialect} if setting else {}
    h = make_system(scripts=[AccountScript(provider="funtrips", credentials=ODD, token_auth=dialect)], own=given)
    submit(h)
    assert h.poll().status is Status.FULFILLED
    assert state(h).health is AccountHealth.OK
    assert tokens_asked_for(h) == (1 if setting else ["basic", "basic_raw", "body"].index(dialect) + 1)


def test_the_dialect_that_worked_is_remembered(make_system: Setup) -> None:
    h = make_system(scripts=[AccountScript(provider="funtrips", credentials=ODD, token_auth="body")])
    submit(h)
    h.poll()
    h.context.stores.oauth.reject(ACCOUNT, h.redis.hget(keys.oauth(ACCOUNT), "token") or "")
    submit(h, "ord-2")
    assert h.poll("ord-2").status is Status.FULFILLED
    assert tokens_asked_for(h) == 4


def test_a_rejected_client_is_tried_once_in_each_dialect_and_parks_the_account(make_system: Setup) -> None:
    h = make_system(scripts=[AccountScript(provider="funtrips", credentials=ODD)])
    h.providers.update_account("funtrips", revoked=True)
    submit(h)
    submit(h, "ord-2")
    h.poll()
    h.poll("ord-2")
    assert (state(h).health, tokens_asked_for(h)) == (AccountHealth.UNAUTHORIZED, 3)
    assert alerts(h) == ["account.unauthorized"]


def test_the_lease_covers_a_token_request_in_each_dialect_and_the_poll(make_system: Setup) -> None:
    accounts = make_system(scripts=[AccountScript(provider="funtrips", credentials=ODD)]).context.accounts
    assert lease_seconds(accounts[ACCOUNT]) > 4 * accounts[ACCOUNT].http.total_timeout


@pytest.mark.parametrize("form", ["number", "text", "absent"])
@pytest.mark.parametrize("status", [200, 201, 203])
def test_any_2xx_with_a_token_is_accepted(make_system: Setup, status: int, form: str) -> None:
    script = AccountScript.model_validate(
        {"provider": "funtrips", "token_status": status, "token_lifetime_form": form, "token_lifetime": 900}
    )
    h = make_system(scripts=[script])
    submit(h)
    assert h.poll().status is Status.FULFILLED
    life = h.redis.pttl(keys.oauth(ACCOUNT)) / 1_000
    assert life == pytest.approx(300 if form == "absent" else 900, abs=STALL)


@pytest.mark.parametrize("trouble", ["html", "503", "404", "no_token", "unreadable", "reset"])
def test_a_broken_token_endpoint_is_one_outage_of_the_account(make_system: Setup, trouble: str) -> None:
    h = make_system()
    h.providers.update_account("funtrips", token_down=trouble)
    names = [f"ord-{n}" for n in range(OUTAGES + 3)]
    for name in names:
        submit(h, name)
    for name in names:
        h.poll(name)
    assert (state(h).health, alerts(h)) == (AccountHealth.DOWN, ["account.down"])
    assert {(order.attention, order.attempts) for order in map(h.order, names)} == {(None, 0)}
    assert tokens_asked_for(h) == OUTAGES
    assert "token" in (state(h).why or "")
    probe(h, names[-1])
    assert state(h).health is AccountHealth.DOWN
    h.providers.update_account("funtrips", token_down=None)
    assert probe(h, names[-1]).status is Status.FULFILLED
    assert (state(h).health, alerts(h)) == (AccountHealth.OK, ["account.down", "account.ok"])


def test_a_retry_after_of_the_token_endpoint_binds_all_orders(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    h.providers.update_account("funtrips", token_down="503")
    exchange = h.context.http.exchange

    def patient(*arguments: Any) -> Any:
        answer = exchange(*arguments)
        answer.headers["retry-after"] = "3600"
        return answer

    monkeypatch.setattr(h.context.http, "exchange", patient)
    for name in ("ord-1", "ord-2"):
        submit(h, name)
        h.poll(name)
        assert (h.order(name).hint_until or 0) - h.context.stores.accounts.now() > 3_600 - STALL
    assert tokens_asked_for(h) == 1
    resume(h.context, h.context.accounts[ACCOUNT], ANNA, override=True)
    submit(h, "ord-3")
    h.poll("ord-3")
    assert tokens_asked_for(h) == 2


@pytest.mark.parametrize(
    "packing",
    [{"codings": ["gzip_members"], "content_encoding": "none"}, {"charset": "utf-16"}, {"content_encoding": "gzip"}],
    ids=["gzip", "utf-16", "plain"],
)
def test_tokens_and_lists_are_read_in_any_encoding(make_system: Setup, packing: dict[str, Any]) -> None:
    answers = ({"do": "usual", "packing": packing},)
    script = {"provider": "funtrips", "token_answers": answers, "list_answers": answers}
    h = make_system(scripts=[AccountScript.model_validate(script)])
    submit(h, cancel_after=0)
    h.redis.hset(keys.order("ord-1"), mapping={"status": "fulfilled", "ask": 0})
    accounts = {ACCOUNT: h.context.accounts[ACCOUNT]}
    assert run_sweep(replace(h.context, accounts=accounts), "reconcile") == {"late_checks": 0, "differing": 1}


def test_a_hint_with_a_good_token_applies_to_the_next_token(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    exchange = h.context.http.exchange

    def patient(account: Any, request: Any) -> Any:
        answer = exchange(account, request)
        if request.method == "POST":
            answer.headers["retry-after"] = "3600"
        return answer

    monkeypatch.setattr(h.context.http, "exchange", patient)
    submit(h)
    assert h.poll().status is Status.FULFILLED
    h.redis.delete(keys.oauth(ACCOUNT))
    submit(h, "ord-2")
    order = h.poll("ord-2")
    assert (order.hint_until or 0) - h.context.stores.accounts.now() > 3_600 - STALL
    assert tokens_asked_for(h) == 1


def test_a_failed_early_renewal_costs_no_attempt_and_is_not_repeated_per_order(make_system: Setup) -> None:
    h = make_system()
    submit(h)
    h.poll()
    h.redis.hset(keys.oauth(ACCOUNT), "margin", 10**9)
    h.providers.update_account("funtrips", token_down="html")
    for name in ("ord-2", "ord-3"):
        submit(h, name)
        assert h.poll(name).status is Status.FULFILLED
    assert tokens_asked_for(h) == 2
    assert state(h).health is AccountHealth.OK
