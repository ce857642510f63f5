"""Rejected webhooks are counted for operators until one is accepted."""

import time

from tests.integration.webhooks.conftest import WebhookHarness, seat
from tests.waiting import wait_until
from willcall.stores.rejected_webhooks import RejectedWebhooks, RejectionReason

ACCOUNT = "tixstock/default"


def rejected(harness: WebhookHarness) -> RejectedWebhooks | None:
    return harness.system.context.stores.rejected_webhooks.read([ACCOUNT]).get(ACCOUNT)


def test_a_wrong_signature_is_counted_until_a_webhook_is_accepted(harness: WebhookHarness) -> None:
    harness.submit(quantity=1)
    for _ in range(2):
        assert harness.push(seat(1), key="another").status_code == 401
    found = rejected(harness)
    assert found
    assert (found.count, found.reason) == (2, RejectionReason.SIGNATURE)
    assert found.since <= found.last
    assert harness.push(seat(1)).status_code == 200
    assert rejected(harness) is None
    counts = harness.system.context.stores.rejected_webhooks.counts()
    assert counts == {(ACCOUNT, "signature"): 2}


def test_a_wrong_token_is_counted_for_accounts_that_expect_webhooks(harness: WebhookHarness) -> None:
    def call(account: str) -> None:
        assert harness.post(f"{account}/{'0' * 64}").status_code == 404

    call("voordemensen/default")
    call("tixstock/unknown")
    call(ACCOUNT)
    wait_until(lambda: rejected(harness))
    found = rejected(harness)
    assert found
    assert (found.count, found.reason) == (1, RejectionReason.ADDRESS)
    assert len(harness.system.context.stores.rejected_webhooks.counts()) == 1


def test_many_calls_with_wrong_tokens_cost_one_write_a_second(harness: WebhookHarness) -> None:
    def writes() -> int:
        return int(harness.system.redis.info("commandstats").get("cmdstat_hincrby", {}).get("calls", 0))

    before, started = writes(), time.monotonic()
    for _ in range(50):
        harness.post(f"{ACCOUNT}/{'0' * 64}")
    wait_until(lambda: rejected(harness))
    assert writes() - before <= 2 * (time.monotonic() - started + 1)


def test_an_accepted_webhook_is_not_counted(harness: WebhookHarness) -> None:
    harness.submit(quantity=1)
    assert harness.push(seat(1)).status_code == 200
    assert rejected(harness) is None
