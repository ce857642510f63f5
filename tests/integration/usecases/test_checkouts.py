"""Checkouts at voordemensen, over a real Redis and the simulator."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from tests.waiting import wait_until
from willcall.orders.errors import ClosedOrderError, ConflictingOrderError, NotNowError, RejectedOrderError
from willcall.orders.model import Attention, EndedBy, Order, Status
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.simulator.script import AccountScript
from willcall.stores import keys
from willcall.usecases import checkouts
from willcall.usecases.checkouts import create_checkout, follow_return
from willcall.usecases.erase import erase_order
from willcall.usecases.orders import cancel_order

CART: dict[str, Any] = {
    "provider": "voordemensen",
    "cart_id": "cart-7",
    "payment_id": 12,
    "redirect_url": "https://shop.example/thanks?lang=nl",
    "email": "fan@shop.example",
    "lastname": "Jansen",
    "order": {"id": "ord-1", "quantity": 1},
}


@pytest.fixture
def h(make_system: Setup) -> System:
    return with_public_url(make_system())


def with_public_url(h: System, url: str = "https://tickets.shop.example/") -> System:
    api = h.context.settings.api.model_copy(update={"public_url": url})
    return replace(h, context=replace(h.context, settings=h.context.settings.model_copy(update={"api": api})))


def created(h: System) -> list[dict[str, Any]]:
    return [each for each in h.providers.ledger(provider="voordemensen") if each["kind"] == "checkout"]


def answering(h: System, answer: Any) -> System:
    """The same system, whose next request to the provider is sent but has this answer."""
    exchange = h.context.http.exchange

    def once(account: Any, request: Any) -> Any:
        h.context.http.exchange = exchange  # type: ignore[method-assign]
        response = exchange(account, request)
        return answer(response) if callable(answer) else answer

    h.context.http.exchange = once  # type: ignore[method-assign]
    return h


def test_a_checkout_creates_the_order_once_and_is_polled_like_any_other(h: System) -> None:
    first = create_checkout(h.context, CART, ANNA)
    again = create_checkout(h.context, CART, ANNA)
    assert first.payment_url == again.payment_url
    assert (first.new, again.new, len(created(h))) == (True, False, 1)
    order = h.poll()
    assert (order.status, order.quantity) == (Status.FULFILLED, 1)
    assert first.payment_url.endswith(order.reference)


def test_other_content_is_a_conflict(h: System) -> None:
    create_checkout(h.context, CART, ANNA)
    with pytest.raises(ConflictingOrderError):
        create_checkout(h.context, CART | {"cart_id": "cart-8"}, ANNA)
    assert len(created(h)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Unavailable(detail="timed out"),
        Malformed(detail="too long"),
        lambda response: replace(response, body=b"<html>"),
        lambda response: replace(response, body=b'[{"url": "https://pay.example"}]'),
        lambda response: replace(response, body=b'[{"url": "javascript:x", "order_key": "k"}]'),
        lambda response: replace(response, status=502),
        lambda response: replace(response, status=302),
    ],
)
def test_where_it_is_in_doubt_whether_the_call_arrived_it_is_never_made_again(h: System, answer: Any) -> None:
    answering(h, answer)
    for _ in range(3):
        with pytest.raises((ClosedOrderError, NotNowError)):
            create_checkout(h.context, CART, ANNA)
    assert len(created(h)) == 1
    h.redis.hset(keys.checkout("ord-1"), "lease", 0)
    with pytest.raises(ClosedOrderError, match="unknown whether the provider created"):
        create_checkout(h.context, CART, ANNA)
    assert len(created(h)) == 1


def test_a_process_that_dies_after_the_call_leaves_it_in_doubt(h: System) -> None:
    answering(h, lambda _: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        create_checkout(h.context, CART, ANNA)
    with pytest.raises(NotNowError, match="under way"):
        create_checkout(h.context, CART, ANNA)
    h.redis.hset(keys.checkout("ord-1"), "lease", 0)
    with pytest.raises(ClosedOrderError, match="unknown"):
        create_checkout(h.context, CART, ANNA)
    assert len(created(h)) == 1


def test_the_order_of_a_checkout_in_doubt_needs_an_approval_and_is_never_polled(h: System) -> None:
    answering(h, Unavailable(detail="timed out"))
    with pytest.raises(ClosedOrderError):
        create_checkout(h.context, CART, ANNA)
    h.redis.hset(keys.account("voordemensen/default"), "failures", 4)
    for _ in range(2):
        order = poll(h)
    assert (order.status, order.attention, order.quantity) == (Status.PENDING, Attention.APPROVAL, 1)
    assert order.needs
    assert "submit its order key under another id" in (order.needs.detail or "")
    (alert,) = h.context.stores.ops.recent(10)
    assert "approval" in str(alert)
    # Nothing was sent, so it says nothing about the account either.
    assert h.redis.hget(keys.account("voordemensen/default"), "failures") == "4"
    assert [each["kind"] for each in h.providers.ledger(provider="voordemensen")] == ["checkout"]
    # Once its order key is found, it is submitted, and the one in doubt is cancelled.
    cancel_order(h.context, "ord-1", ANNA)
    h.redis.hset(keys.checkout("ord-1"), "lease", 0)
    with pytest.raises(ClosedOrderError):
        create_checkout(h.context, CART, ANNA)
    assert h.order().status is Status.CANCELLED


@pytest.mark.parametrize("known", [True, False])
def test_a_sweep_submits_the_order_of_a_checkout_whose_process_died(h: System, *, known: bool) -> None:
    died = patch.object(checkouts, "submit", side_effect=KeyboardInterrupt)
    if not known:
        answering(h, lambda _: (_ for _ in ()).throw(KeyboardInterrupt()))
    with died, pytest.raises(KeyboardInterrupt):
        create_checkout(h.context, CART, ANNA)
    assert h.context.stores.orders.get("ord-1") is None
    assert run_sweep(h.context, "inbox") == {"applied": 0, "submitted": 0}
    h.redis.zadd(keys.CHECKOUTS, {"ord-1": 1})
    assert run_sweep(h.context, "inbox") == {"applied": 0, "submitted": 1}
    assert run_sweep(h.context, "inbox") == {"applied": 0, "submitted": 0}
    order = poll(h)
    if known:
        assert order.status is Status.FULFILLED
        assert not create_checkout(h.context, CART, ANNA).new
    else:
        assert order.attention is Attention.APPROVAL
    assert len(created(h)) == 1


def test_what_certainly_did_not_arrive_may_be_repeated(h: System) -> None:
    exchange = h.context.http.exchange
    h.context.http.exchange = lambda *_: Unavailable(request_sent=False)  # type: ignore[method-assign]
    with pytest.raises(NotNowError, match="nothing was sent"):
        create_checkout(h.context, CART, ANNA)
    h.context.http.exchange = exchange  # type: ignore[method-assign]
    assert create_checkout(h.context, CART, ANNA).new


@pytest.mark.parametrize(("status", "error"), [(400, ClosedOrderError), (429, NotNowError)])
def test_a_refused_checkout_may_be_repeated(make_system: Setup, status: int, error: type[Exception]) -> None:
    fault = {"do": "status", "status": status, "retry_after": 0}
    account = AccountScript.model_validate({"provider": "voordemensen", "checkout_answers": [fault]})
    h = with_public_url(make_system(scripts=[account]))
    with pytest.raises(error):
        create_checkout(h.context, CART, ANNA)
    h.redis.delete(keys.account("voordemensen/default"), keys.tokens("voordemensen/default"))
    h.context.throttles.__init__()  # type: ignore[misc]
    assert create_checkout(h.context, CART, ANNA).new


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"provider": "tiqets"}, "provider"),
        ({"order": {"quantity": 1}}, "order.id"),
        ({"order": {"id": "ord-1", "reference": "x"}}, "order.reference"),
        ({"order": {"id": "ord-1", "quantity": 0}}, "order.quantity"),
        ({"payment_id": "12"}, "payment_id"),
        ({"payment_id": True}, "payment_id"),
        ({"redirect_url": "javascript:alert(1)"}, "redirect_url"),
        ({"email": "a\nb"}, "email"),
        ({"coupon": "x"}, "coupon"),
    ],
)
def test_an_invalid_checkout_is_rejected_before_anything_is_sent(h: System, change: dict[str, Any], field: str) -> None:
    with pytest.raises(RejectedOrderError) as rejected:
        create_checkout(h.context, CART | change, ANNA)
    assert [error.field for error in rejected.value.errors] == [field]
    assert created(h) == []


def test_without_a_public_url_nothing_is_sent(make_system: Setup) -> None:
    h = make_system()
    with pytest.raises(RejectedOrderError, match="public_url"):
        create_checkout(h.context, CART, ANNA)
    assert created(h) == []


def test_customers_are_stored_nowhere(h: System) -> None:
    create_checkout(h.context, CART, ANNA)
    for key in h.redis.scan_iter():
        shown = str(h.redis.dump(key))
        assert "fan@shop.example" not in shown
        assert "Jansen" not in shown


def test_a_returning_customer_is_sent_on_and_the_order_is_polled(h: System) -> None:
    create_checkout(h.context, CART, ANNA)
    reference = h.order().reference
    account = h.context.accounts["voordemensen/default"]
    address = follow_return(h.context, account, reference)
    assert address == f"https://shop.example/thanks?lang=nl&return={reference}"
    assert follow_return(h.context, account, "another") is None
    assert follow_return(h.context, h.context.accounts["tiqets/default"], reference) is None


def test_nothing_is_left_of_the_checkout_of_an_erased_order(h: System) -> None:
    create_checkout(h.context, CART, ANNA)
    reference = h.poll().reference
    erase_order(h.context, "ord-1", ANNA)
    assert follow_return(h.context, h.context.accounts["voordemensen/default"], reference) is None
    assert not h.redis.exists(keys.checkout("ord-1"))


PAYMENTS = {word: f'{{"order_payment_status": "{word}"}}'.encode() for word in ("none", "pending", "cancelled")}


def cancelled(h: System) -> System:
    """The same system, with a checkout that the provider cancelled."""
    create_checkout(h.context, CART, ANNA)
    assert poll(h, PAYMENTS["cancelled"]).status is Status.CANCELLED
    return h


def poll(h: System, answer: Any = None) -> Order:
    """Run the order's next attempt, once there is a token. `answer`: the provider's, instead of its own."""
    if answer is not None:
        answering(h, answer if isinstance(answer, Unavailable) else lambda response: replace(response, body=answer))
    attempts = h.order().attempts
    wait_until(lambda: h.poll().attempts > attempts)
    return h.order()


def come_back(h: System) -> None:
    assert follow_return(h.context, h.context.accounts["voordemensen/default"], h.order().reference)


def test_a_cancelled_order_is_fulfilled_if_its_customer_paid_after_all(h: System) -> None:
    come_back(cancelled(h))
    order = poll(h)
    assert (order.status, order.ended_by, order.reason) == (Status.FULFILLED, EndedBy.PROVIDER, None)
    assert h.events() == ["order.cancelled", "order.fulfilled"]


@pytest.mark.parametrize("word", ["none", "pending"])
def test_a_cancelled_order_is_open_again_while_its_customer_pays(h: System, word: str) -> None:
    come_back(cancelled(h))
    order = poll(h, PAYMENTS[word])
    assert (order.status, order.ended_by, order.finished_at) == (Status.PENDING, None, None)
    assert order.next_poll_at is not None
    assert order.next_poll_at < order.deadline_at
    assert h.redis.zscore(keys.FINAL, "ord-1") is None
    assert poll(h).status is Status.FULFILLED
    assert h.events() == ["order.cancelled", "order.updated", "order.fulfilled"]


def test_an_order_that_is_still_cancelled_stays_so_and_is_polled_once_per_return(h: System) -> None:
    come_back(cancelled(h))
    for _ in range(2):
        order = poll(h, PAYMENTS["cancelled"])
        assert (order.status, order.next_poll_at, order.returned_at) == (Status.CANCELLED, None, None)
        come_back(h)
    assert h.events() == ["order.cancelled"]
    assert poll(h).status is Status.FULFILLED


def test_the_look_at_a_cancelled_order_is_repeated_until_it_is_answered(h: System) -> None:
    come_back(cancelled(h))
    order = poll(h, Unavailable(detail="timed out"))
    assert order.status is Status.CANCELLED
    assert order.next_poll_at is not None
    assert poll(h).status is Status.FULFILLED


def test_nobody_revives_an_order_after_an_hour_or_one_that_its_caller_cancelled(h: System) -> None:
    cancelled(h)
    h.redis.hset(keys.order("ord-1"), "finished", round((h.context.stores.accounts.now() - 3_601) * 1_000))
    come_back(h)
    assert h.order().next_poll_at is None
    create_checkout(h.context, CART | {"order": {"id": "ord-2"}}, ANNA)
    cancel_order(h.context, "ord-2", ANNA)
    assert follow_return(h.context, h.context.accounts["voordemensen/default"], h.order("ord-2").reference)
    assert h.order("ord-2").next_poll_at is None
