"""When an order changed last, who ended it, and what of that an order of release 0.2.0 says."""

from dataclasses import replace
from typing import Any

import pytest

from tests.integration.stores.conftest import ACCOUNT, StoreHarness
from willcall.orders.model import (
    CANCELLED_REASON,
    Attention,
    EndedBy,
    Need,
    Needs,
    Order,
    Status,
    Ticket,
    TicketKind,
)
from willcall.orders.serialization import order_to_json
from willcall.stores import keys
from willcall.stores.commits import Commit

PDF = Ticket(TicketKind.PDF, url="https://tickets.example/1.pdf")


def later(harness: StoreHarness, order_id: str = "ord-1") -> float:
    """Make the order as old as a minute, and return when it was updated."""
    at = round((harness.now() - 60) * 1_000)
    harness.redis.hset(keys.order(order_id), mapping={"submitted": at, "updated": at})
    return at / 1_000


def test_an_order_has_its_event_and_group_in_its_hash_and_its_spec(harness: StoreHarness) -> None:
    harness.submit(event_at=1_900_000_000.25, group="hamlet-friday")
    order = harness.order()
    assert (order.event_at, order.group, order.updated_at) == (1_900_000_000.25, "hamlet-friday", order.submitted_at)
    assert harness.redis.hget(keys.order("ord-1"), "event") == "1900000000250"
    harness.redis.hdel(keys.order("ord-1"), "event")
    assert harness.order().event_at == 1_900_000_000.25


def test_an_attempt_alone_changes_nothing_for_a_backend(harness: StoreHarness) -> None:
    harness.submit()
    submitted = later(harness)
    harness.commit(harness.go(), due_at=harness.now() + 5, attempts=1)
    assert harness.order().updated_at == submitted


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.PARTIAL},
        {"attention": Attention.MALFORMED},
    ],
)
def test_a_change_is_dated(harness: StoreHarness, change: dict[str, Any]) -> None:
    harness.submit()
    submitted = later(harness)
    harness.commit(harness.go(), due_at=harness.now() + 5, **change)
    assert submitted + 59 < harness.order().updated_at <= harness.now()


def test_the_end_of_attention_is_a_change_too(harness: StoreHarness) -> None:
    harness.submit()
    harness.commit(harness.go(), due_at=harness.now(), attention=Attention.MALFORMED)
    harness.redis.hdel(keys.order("ord-1"), "attention_at")
    before = later(harness)
    harness.commit(harness.go(2), due_at=harness.now() + 5, attention=None)
    assert harness.order().updated_at > before


def test_attention_that_an_account_ends_is_a_change_too(harness: StoreHarness) -> None:
    harness.submit()
    harness.commit(harness.go(), held=True, attention=Attention.UNAUTHORIZED)
    before = later(harness)
    harness.stores.schedule.release_held(ACCOUNT, 10, 1)
    assert harness.order().attention is None
    assert harness.order().updated_at > before


def test_a_document_that_comes_later_is_a_change(harness: StoreHarness) -> None:
    harness.submit()
    order = harness.go()
    after = replace(order, status=Status.FULFILLED, tickets=(PDF,), finished_at=harness.now())
    harness.stores.commits.write(Commit(before=order, after=after, tickets=True, fetch_in=0.0), "a")
    harness.redis.hdel(keys.order("ord-1"), "finished")
    before = later(harness)
    claim = harness.stores.fetches.claim("ord-1", "f", 60)
    assert claim is not None
    stored = replace(claim.order, tickets=(replace(PDF, document="doc_1"),))
    harness.stores.fetches.record_fetch(claim, stored, None, "", given_up=False)
    assert harness.order().updated_at > before


@pytest.mark.parametrize(
    ("status", "reason", "written", "ended_by"),
    [
        (Status.PENDING, None, None, None),
        (Status.PARTIAL, None, "provider", None),
        (Status.FULFILLED, None, None, EndedBy.PROVIDER),
        (Status.FULFILLED, None, "operator", EndedBy.OPERATOR),
        (Status.FULFILLED, None, "deadline", EndedBy.PROVIDER),
        (Status.FAILED, "sold out", None, EndedBy.PROVIDER),
        (Status.FAILED, "sold out", "somebody new", EndedBy.PROVIDER),
        (Status.CANCELLED, CANCELLED_REASON, None, EndedBy.CALLER),
        (Status.CANCELLED, CANCELLED_REASON, "operator", EndedBy.OPERATOR),
        (Status.CANCELLED, "cancelled", "deadline", EndedBy.PROVIDER),
        (Status.EXPIRED, None, None, EndedBy.DEADLINE),
    ],
)
def test_who_ended_an_order_of_any_release(
    harness: StoreHarness, status: Status, reason: str | None, written: str | None, ended_by: EndedBy | None
) -> None:
    harness.submit()
    fields = {"status": status.value, "reason": reason, "ended_by": written}
    harness.redis.hset(keys.order("ord-1"), mapping={name: text for name, text in fields.items() if text})
    assert harness.order().ended_by == ended_by


def test_an_order_of_0_2_0_was_updated_when_it_ended_or_was_submitted(harness: StoreHarness) -> None:
    harness.submit()
    later(harness)
    harness.redis.hdel(keys.order("ord-1"), "updated")
    assert harness.order().updated_at == harness.order().submitted_at
    harness.redis.hset(keys.order("ord-1"), mapping={"status": "fulfilled", "finished": 1_900_000_000_000})
    assert harness.order().updated_at == 1_900_000_000


@pytest.mark.parametrize(("status", "at_risk"), [(Status.PARTIAL, True), (Status.FULFILLED, False)])
def test_only_an_open_order_is_at_risk(harness: StoreHarness, status: Status, *, at_risk: bool) -> None:
    harness.submit()
    harness.redis.hset(keys.order("ord-1"), mapping={"status": status.value, "at_risk": 1})
    assert harness.order().at_risk == at_risk


def test_an_open_order_needs_the_names_on_its_tickets() -> None:
    order = Order("ord-1", "paylogic", "default", "r", Status.PENDING, 1.0, 2.0, needs=Needs(Need.PERSONALIZATION))
    needs = order_to_json(order)["needs"]
    assert (needs["what"], needs["until"], needs["url"]) == ("personalization", None, None)
    assert "names" in needs["detail"]
