"""The route itself: who may call, how much, and what Tiqets' notification does."""

import logging
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from structlog.testing import capture_logs

from tests.integration.usecases.conftest import WEBHOOK_TOKENS, Setup
from tests.integration.webhooks.conftest import OpenWebhooks, WebhookHarness, pdf, seat, stored, upload
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys

TIXSTOCK = f"tixstock/default/{WEBHOOK_TOKENS['tixstock']}"


@pytest.mark.parametrize(
    "path",
    [
        "nobody/default/x",
        "tixstock/other/x",
        "tixstock/default/x",
        "tixstock/default/" + WEBHOOK_TOKENS["tiqets"],
        "voordemensen/default/x",
        "voordemensen/default/" + "0" * 64,
        "tixstock/default/" + "\u00e9",
    ],
)
def test_every_unknown_url_gets_the_same_404(harness: WebhookHarness, path: str) -> None:
    response = harness.post(path, b"{}")
    assert response.status_code == 404
    assert response.content == harness.post("a/b/c").content
    assert dict(response.headers) | {"date": ""} == dict(harness.post("a/b/c").headers) | {"date": ""}


def test_an_account_without_a_webhook_token_accepts_no_pushes(make_system: Setup, open_webhooks: OpenWebhooks) -> None:
    url = open_webhooks(make_system().context)
    assert requests.post(f"{url}/webhooks/tixstock/default/{'0' * 64}", timeout=60).status_code == 404


def test_each_token_of_an_account_is_accepted(harness: WebhookHarness) -> None:
    for token in (WEBHOOK_TOKENS["tixstock"], f"next-{WEBHOOK_TOKENS['tixstock']}"):
        assert harness.post(f"tixstock/default/{token}", b"{}").status_code == 401, "only its signature is missing"


def test_only_posts_are_accepted(harness: WebhookHarness) -> None:
    assert requests.get(f"{harness.url}/webhooks/{TIXSTOCK}", timeout=60).status_code == 405


@pytest.mark.parametrize("blank", ["%20", "%0A", "%20%20"])
def test_a_blank_pasted_with_the_url_does_no_harm(harness: WebhookHarness, blank: str) -> None:
    assert harness.post(f"{TIXSTOCK}{blank}", b"{}").status_code == 401, "only its signature is missing"


def chunks(size: int, piece: int = 1_000_000) -> Iterator[bytes]:
    for _ in range(size // piece):
        yield b" " * piece


def test_a_body_above_the_limit_is_413(harness: WebhookHarness) -> None:
    large = 45_000_000
    assert harness.post(TIXSTOCK, b" " * large).status_code == 413
    assert harness.post(TIXSTOCK, chunks(large)).status_code == 413
    assert harness.post(TIXSTOCK, chunks(40_000_000)).status_code == 401


def test_a_signature_that_is_not_hexadecimal_is_invalid(harness: WebhookHarness) -> None:
    response = harness.post(TIXSTOCK, b"{}", {"X-Tixstock-Signature": "\u00ff" * 64})
    assert response.status_code == 401


def test_neither_token_nor_reference_nor_body_is_logged(
    harness: WebhookHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        harness.push(seat(1, reference="s3cret-reference"))
        harness.push(seat(1, reference="s3cret-reference"), key="wrong")
        harness.notify("s3cret-reference")
        harness.submit(reference="s3cret-reference")
        harness.push(upload("s3cret-reference", file="s3cret-file!"))
    written = (
        f"{logs}{[record.getMessage() for record in caplog.records if record.name.startswith(('willcall', 'api'))]}"
    )
    assert "pushes applied" in written
    assert not [secret for secret in ("s3cret", *WEBHOOK_TOKENS.values()) if secret in written]


@pytest.mark.proof
def test_simultaneous_large_files_need_bounded_memory(harness: WebhookHarness) -> None:
    harness.submit(quantity=12)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pushes = [upload(seat=str(n), pdf=pdf(str(n), size=5_000_000)) for n in range(12)]
    with ThreadPoolExecutor(12) as pool:
        assert all(answer["success"] for answer in pool.map(harness.answer, pushes))
    assert harness.order().status is Status.FULFILLED
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000


def test_tiqets_always_gets_exactly_200(harness: WebhookHarness) -> None:
    path = f"tiqets/default/{WEBHOOK_TOKENS['tiqets']}"
    for body in (b"", b"[]", b"\xff", b'{"order_reference_id": "nobody"}', b'{"order_reference_id": {}}'):
        response = harness.post(path, body)
        assert (response.status_code, response.content) == (200, b"")
    assert stored(harness.system.redis) == {}


def test_a_notification_of_tiqets_expedites_the_order(harness: WebhookHarness) -> None:
    harness.system.submit(OrderScript(provider="tiqets", reference="1111111", ready_after=600))
    order = harness.system.poll()
    assert order.next_poll_at is not None
    assert order.next_poll_at > harness.system.context.stores.accounts.now() + 100
    for _ in range(2):
        assert harness.notify("1111111").status_code == 200
    message = harness.system.outbox.messages[-1]
    assert message.seq == order.seq + 1
    assert message.due <= harness.system.context.stores.accounts.now()
    assert harness.system.redis.hget(keys.order("ord-1"), "express") == "1"
    assert harness.order().status is Status.PENDING


def test_a_notification_during_an_attempt_causes_another_attempt(
    harness: WebhookHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.system.submit(OrderScript(provider="tiqets", reference="1111111", ready_after=600))
    exchange = harness.system.context.http.exchange

    def notify_first(*arguments: object) -> object:
        harness.notify("1111111")
        return exchange(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(harness.system.context.http, "exchange", notify_first)
    order = harness.system.poll()
    assert order.next_poll_at is not None
    assert order.next_poll_at <= time.time() + 1


def test_a_notification_long_after_fulfilment_applies_the_cancellation(harness: WebhookHarness) -> None:
    harness.system.submit(OrderScript(provider="tiqets", reference="1111111", cancel_after=600))
    assert harness.system.poll().status is Status.FULFILLED
    harness.system.let_time_pass_for_providers(600)
    assert harness.notify("1111111").status_code == 200
    assert harness.system.poll().status is Status.CANCELLED
    assert harness.system.events() == ["order.fulfilled", "order.cancelled"]


def test_providers_that_push_are_polled_slowly(make_system: Setup) -> None:
    strategies = {
        key: account.polling.strategy for key, account in make_system(callbacks=True).context.accounts.items()
    }
    assert {key for key, strategy in strategies.items() if strategy == "interval"} == {
        "tiqets/default",
        "tixstock/default",
    }
    assert {account.polling.strategy for account in make_system().context.accounts.values()} == {"exponential"}
