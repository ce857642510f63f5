"""Attempts of several requests, over a real Redis and the simulator."""

from dataclasses import replace
from typing import Any

import pytest

from tests.integration.usecases.conftest import Setup, System
from willcall.http.messages import Request, Response
from willcall.orders.model import Money, Order, Status
from willcall.orders.ticket_identity import provider_ticket_id
from willcall.simulator.script import AccountScript, OrderScript
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth
from willcall.usecases.submit import submit

#: Enough that no request of a test waits for a token.
PLENTY = {"limit": 1_000, "period": 1, "burst": 1_000}


def linked(**fields: Any) -> OrderScript:
    script = {"provider": "paylogic", "reference": "a7c6", "linked": True, "quantity": 3}
    return OrderScript.model_validate(script | fields)


def uids(order: Order) -> set[str | None]:
    return {provider_ticket_id(ticket) for ticket in order.tickets}


def asked(h: System) -> list[str]:
    return [request["reference"] for request in h.providers.ledger(provider="paylogic") if request["kind"] == "status"]


def test_an_order_that_links_to_its_tickets_is_read_in_one_attempt(make_system: Setup) -> None:
    h = make_system(rate=PLENTY)
    h.submit(linked())
    order = h.poll()
    assert (order.status, order.attempts, len(uids(order))) == (Status.FULFILLED, 1, 3)
    main = order.tickets[0]
    assert (main.title, main.entrance) == ("Day ticket", "North entrance")
    assert main.event is not None
    assert main.event.venue == "Paradiso"
    assert (main.seat, main.seat_label) == ("1", "Balcony, Row C, Seat 1")
    assert main.price == Money("10.00", "EUR")
    assert {ticket.wallet for ticket in order.tickets} == {None, "apple", "google"}
    assert len({ticket.entrance_id for ticket in order.tickets}) == 3
    assert h.outcomes() == ["issued"]


def test_wallet_passes_are_what_a_customer_can_use(make_system: Setup) -> None:
    h = make_system(rate=PLENTY)
    h.submit(linked(quantity=1))
    passes = {ticket.wallet: ticket for ticket in h.poll().tickets if ticket.wallet}
    assert (passes["google"].url or "").startswith("https://pay.google.com/gp/v/save/ey")
    assert passes["apple"].content_type == "application/vnd.apple.pkpass"
    assert h.context.documents.read(passes["apple"].document or "").startswith(b"PK")


@pytest.mark.parametrize(("keep_holder", "kept"), [(False, False), (True, True)])
def test_personal_data_are_stored_only_for_accounts_that_keep_them(
    make_system: Setup, *, keep_holder: bool, kept: bool
) -> None:
    h = make_system(rate=PLENTY, keep_holder=keep_holder)
    h.submit(linked(quantity=1))
    h.poll()
    stored = h.redis.get(keys.tickets("ord-1")) or ""
    assert ("Sesamstraat" in stored) == kept
    assert (h.order().tickets[0].holder is not None) == kept


def test_texts_are_in_the_language_of_the_order(make_system: Setup) -> None:
    h = make_system(rate=PLENTY)
    h.submit(linked(quantity=1), language="nl-BE")
    main = h.poll().tickets[0]
    assert (main.title, main.entrance, main.seat_label) == ("Dagkaart", "Ingang noord", "Balkon, Rij C, Stoel 1")


def test_without_tokens_the_next_attempt_asks_for_the_rest_only(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("willcall.usecases.conversations._PATIENCE", 0.05)
    h = make_system(rate={"limit": 1, "period": 3_600, "burst": 4})
    h.submit(linked())
    order = h.poll()
    assert order.status is Status.PARTIAL
    assert 1 <= len(uids(order)) < 3
    assert asked(h)[0] == "a7c6"
    first = asked(h)
    h.redis.delete(keys.tokens("paylogic/default"))
    order = h.poll()
    assert (order.status, len(uids(order))) == (Status.PARTIAL, 3), "links of wallet passes are still missing"
    h.redis.delete(keys.tokens("paylogic/default"))
    order = h.poll()
    assert (order.status, order.next_poll_at) == (Status.FULFILLED, None)
    passes = [ticket.url or "" for ticket in order.tickets if ticket.wallet == "google"]
    assert len(passes) == 3
    assert all(address.startswith("https://pay.google.com/") for address in passes)
    again = set(asked(h)[len(first) :]) - {"a7c6"}
    assert again.isdisjoint(set(first) - {"a7c6"}), "tickets that were read are not asked for again"


def test_a_429_in_the_middle_throttles_the_account_and_keeps_what_is_known(make_system: Setup) -> None:
    h = make_system(rate=PLENTY)
    h.submit(linked())
    exchange, calls = h.context.http.exchange, 0

    def throttled_third(account: Any, request: Any) -> Any:
        nonlocal calls
        calls += 1
        response = exchange(account, request)
        if calls != 3:
            return response
        return replace(response, status=429, headers={"retry-after": "120"})

    h.context.http.exchange = throttled_third  # type: ignore[method-assign]
    order = h.poll()
    account = h.context.accounts["paylogic/default"]
    state = h.context.stores.accounts.state(account.key, account.rate)
    assert calls == 3
    assert (order.status, len(uids(order))) == (Status.PARTIAL, 1)
    assert state.health is AccountHealth.THROTTLED
    assert (order.hint_until or 0) >= h.context.stores.accounts.now() + 100


def test_a_link_to_another_host_is_never_followed(make_system: Setup) -> None:
    h = make_system(rate=PLENTY)
    h.submit(linked(quantity=1))
    exchange, sent = h.context.http.exchange, []

    def elsewhere(account: Any, request: Any) -> Any:
        sent.append(request.url)
        response = exchange(account, request)
        base = account.credentials.base_url.encode()
        return replace(response, body=response.body.replace(base + b"/tickets", b"http://127.0.0.1:9/tickets"))

    h.context.http.exchange = elsewhere  # type: ignore[method-assign]
    order = h.poll()
    assert (order.status, order.tickets) == (Status.PENDING, ())
    assert len(sent) == 1


def test_a_users_list_of_several_pages_is_read_to_its_end(make_system: Setup) -> None:
    h = make_system(rate=PLENTY)
    for name in ("one", "two", "three"):
        script = {"provider": "paylogic", "account": "user", "reference": name, "external_user_id": "mine"}
        h.providers.add_orders([OrderScript.model_validate({**script, "quantity": 2, "page_size": 2})])
    payload = {"provider": "paylogic", "account": "user", "reference": "mine", "quantity": 6}
    submit(h.context, {"id": "ord-1", **payload})
    order = h.poll()
    assert (order.status, len(uids(order))) == (Status.FULFILLED, 6)
    assert all(ticket.kind == "pdf" for ticket in order.tickets if ticket.wallet is None), "read at their own address"


def test_an_order_that_links_to_a_hundred_tickets_is_read_over_several_attempts(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("willcall.usecases.conversations._PATIENCE", 0.05)
    h = make_system(rate={"limit": 1, "period": 3_600, "burst": 41})
    h.submit(linked(quantity=120))
    people = [len(uids(h.poll()))]
    while h.order().status is not Status.FULFILLED:
        h.redis.delete(keys.tokens("paylogic/default"))
        people.append(len(uids(h.poll())))
        assert len(people) < 12, "each attempt asks for the rest only"
    assert people[:3] == sorted(people[:3])
    assert people[0] < people[1] < people[2] <= people[-1] == 120
    requests = [path for path in asked(h) if path != "a7c6"]
    assert len(requests) == len(set(requests)) == 120, "no ticket is asked for twice"
    assert sum((ticket.url or "").startswith("https://pay.google.com/") for ticket in h.order().tickets) == 120


def test_a_users_own_order_is_read_by_its_uid(make_system: Setup) -> None:
    h = make_system(rate=PLENTY)
    h.submit(linked(account="user", quantity=2))
    assert (h.poll().status, len(uids(h.order()))) == (Status.FULFILLED, 2)
    assert {request["auth"] for request in h.providers.ledger(provider="paylogic")} == {"ok"}


def test_an_application_with_a_json_web_token_reads_orders(make_system: Setup) -> None:
    script = AccountScript(provider="paylogic", credentials={"bearer": "ey.front.end"})
    h = make_system(rate=PLENTY, scripts=[script], own={"username": None, "password": None})
    h.submit(OrderScript(provider="paylogic", reference="a7c6", quantity=2))
    assert (h.poll().status, len(uids(h.order()))) == (Status.FULFILLED, 2)
    h.submit(linked(reference="b1", quantity=1), id="ord-2")
    order = h.poll("ord-2")
    assert (order.status, order.tickets) == (Status.PENDING, ()), "single tickets are documented for Basic and users"


def test_a_date_of_issuing_that_moves_moves_the_deadline(make_system: Setup) -> None:
    h = make_system(rate=PLENTY)
    day = 86_400.0
    h.submit(
        OrderScript(
            provider="paylogic",
            reference="a7c6",
            ready_after=30 * day,
            fulfillment_starts_after=20 * day,
            fulfillment_moves=(day, 25 * day),
        )
    )
    first = h.poll()
    h.let_time_pass_for_providers(day)
    second = h.poll()
    assert (first.expected_at, second.expected_at) != (None, None)
    assert (second.expected_at or 0) - (first.expected_at or 0) == pytest.approx(5 * day, abs=2)
    assert second.deadline_at - first.deadline_at == pytest.approx(5 * day, abs=2)


def test_orders_of_one_user_share_the_responses_of_one_conversation(make_system: Setup) -> None:
    h = make_system(rate=PLENTY)
    for name in ("one", "two"):
        script = {"provider": "paylogic", "account": "user", "reference": name, "external_user_id": "mine"}
        h.providers.add_orders([OrderScript.model_validate({**script, "quantity": 2, "page_size": 3})])
    payload = {"provider": "paylogic", "account": "user", "reference": "mine", "quantity": 2}
    for order_id in ("ord-1", "ord-2"):
        submit(h.context, {"id": order_id, **payload})
    first = h.poll("ord-1")
    second = h.order("ord-2")
    assert first.status is Status.FULFILLED
    assert uids(first).isdisjoint(uids(second))
    second = second if second.status is Status.FULFILLED else h.poll("ord-2")
    assert (second.status, len(uids(second))) == (Status.FULFILLED, 2)
    assert uids(first).isdisjoint(uids(second))


def test_a_request_that_leaves_base_url_is_not_sent(make_system: Setup) -> None:
    h = make_system()
    for account in h.context.accounts.values():
        base = account.credentials.base_url
        assert isinstance(h.context.exchange(account, Request("GET", f"{base}/orders")), Response)
        for request in (Request("GET", f"{base}/../other"), Request("GET", "https://other.example/")):
            with pytest.raises(ValueError, match="leaves base_url") as refused:
                h.context.exchange(account, request)
            assert "other" not in str(refused.value)
        for token_request in account.token_requests().values():
            assert isinstance(h.context.exchange(account, token_request), Response)
