"""The Tiqets adapter."""

import json
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from willcall.http.messages import Response
from willcall.orders.outcomes import Issued, NotReady
from willcall.providers.base import OrderQuery
from willcall.providers.tiqets import ADAPTER
from willcall.providers.tiqets.adapter import TiqetsCredentials

CREDENTIALS = TiqetsCredentials(api_key=SecretStr("key-1"))


def done(**fields: Any) -> Response:
    body = {"order_status": "done", "tickets_pdf_url": "https://x.example/1.pdf", **fields}
    return Response(200, {}, json.dumps(body).encode(), received_at=0.0)


def test_tiqets_is_asked_for_the_tickets_of_the_order() -> None:
    request = ADAPTER.status_request(OrderQuery("1111111"), CREDENTIALS, None)
    assert (request.method, request.url) == ("GET", "https://api.tiqets.com/v2/orders/1111111/tickets")
    assert request.params == {"lang": "en"}
    assert request.headers["Authorization"] == "Token key-1"


def test_tiqets_is_asked_in_the_language_of_the_order() -> None:
    assert ADAPTER.status_request(OrderQuery("1", language="nl"), CREDENTIALS, None).params == {"lang": "nl"}


def test_the_test_environment_can_be_set() -> None:
    credentials = TiqetsCredentials(base_url="https://api-tiqt-test.steq.it/v2/", api_key=SecretStr("k"))
    request = ADAPTER.status_request(OrderQuery("1"), credentials, None)
    assert request.url == "https://api-tiqt-test.steq.it/v2/orders/1/tickets"


@pytest.mark.parametrize("key", ["", "two words", "line\n"])
def test_a_key_that_cannot_be_sent_is_rejected(key: str) -> None:
    with pytest.raises(ValidationError, match="api_key"):
        TiqetsCredentials(api_key=SecretStr(key))


def test_a_status_word_is_read_in_any_case() -> None:
    assert isinstance(ADAPTER.read_status(OrderQuery("1"), done(order_status="DONE")), Issued)


@pytest.mark.parametrize("url", [None, "", "tickets.pdf", 5, ["https://x.example/1.pdf"], "javascript:x"])
def test_done_without_a_pdf_url_is_not_ready(url: Any) -> None:
    assert isinstance(ADAPTER.read_status(OrderQuery("1"), done(tickets_pdf_url=url)), NotReady)


def test_instructions_that_are_too_long_are_left_out_and_marked() -> None:
    outcome = ADAPTER.read_status(OrderQuery("1"), done(how_to_use="x" * 100_000, post_purchase="Be early."))
    assert isinstance(outcome, Issued)
    assert outcome.tickets[0].extra == {"post_purchase": "Be early.", "truncated": True}


def test_polling_follows_the_guide() -> None:
    polling = ADAPTER.defaults.polling
    assert (polling.strategy, polling.initial, polling.cap, polling.minimum) == ("exponential", 5, 600, 1)
    assert (polling.interval, polling.ceiling) == ((300, 600), 86_400)
