"""One test per way of going wrong; after each the order answers as usual."""

import gzip
import json
import zlib
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.unit.willcall.simulator.conftest import TIMEOUT, Providers, Start
from willcall.simulator.faults import BOMB_BYTES


@pytest.mark.parametrize("status", [400, 403, 404, 409, 418, 500, 502, 503])
def test_an_error_status_has_the_form_of_the_provider(start: Start, status: int) -> None:
    sim = faulty(start, do="status", status=status)
    answer = sim.tiqets()
    assert answer.status_code == status
    assert answer.json()["success"] is False
    usual(sim)


def test_retry_after_can_be_a_date(start: Start) -> None:
    sim = faulty(start, do="status", status=503, retry_after=60, form="date")
    assert sim.tiqets().headers["Retry-After"] == "Fri, 15 Jan 2027 08:01:00 GMT"


@pytest.mark.parametrize(
    ("form", "clock", "written"),
    [
        ("seconds", -600, "60"),
        ("date", -600, "Fri, 15 Jan 2027 07:51:00 GMT"),
        ("iso", 0, "2027-01-15T08:01:00Z"),
        ("epoch", 0, "1800000060"),
        ("epoch_ms", 0, "1800000060000"),
    ],
)
def test_any_response_can_have_a_hint_in_any_form(start: Start, form: str, clock: int, written: str) -> None:
    for do in ("usual", "malformed", "truncated_json"):
        sim = faulty(start, do=do, retry_after=60, form=form, clock=clock)
        answer = sim.tiqets()
        assert answer.headers["Retry-After"] == written
        assert not clock or answer.headers["Date"] == "Fri, 15 Jan 2027 07:50:00 GMT"


def test_a_hint_can_have_several_lines(start: Start) -> None:
    sim = faulty(start, do="usual", retry_after=60, also=["5", "soon"])
    assert sim.tiqets().raw.headers.getlist("Retry-After") == ["60", "5", "soon"]


@pytest.mark.parametrize(
    ("packing", "body"),
    [
        ({"codings": ["gzip_members"]}, gzip.decompress),
        ({"codings": ["gzip", "gzip"]}, lambda raw: gzip.decompress(gzip.decompress(raw))),
        ({"codings": ["gzip_padded"]}, lambda raw: gzip.decompress(raw[:-512])),
        ({"codings": ["zlib"], "content_encoding": "deflate"}, zlib.decompress),
        ({"codings": ["deflate"]}, lambda raw: zlib.decompress(raw, wbits=-15)),
        ({"content_encoding": "UTF-8"}, bytes),
    ],
    ids=["members", "twice", "padded", "zlib", "deflate", "label"],
)
def test_the_content_encoding_of_a_body_can_be_wrong(
    start: Start, packing: dict[str, Any], body: Callable[[bytes], bytes]
) -> None:
    sim = faulty(start, do="usual", packing=packing)
    answer = sim.tiqets(stream=True)
    with answer:
        raw = answer.raw.read(decode_content=False)
    assert json.loads(body(raw))["order_status"] == "done"
    assert answer.headers.get("Content-Encoding") == packing.get("content_encoding")


def test_the_charset_of_a_body_can_be_wrong(start: Start) -> None:
    packing = {"charset": "latin-1", "content_type": "application/json; charset=utf-8"}
    sim = start({"provider": "voordemensen", "answers": [{"do": "usual", "packing": packing}]})
    answer = sim.voordemensen()
    assert "Één avond uit".encode("latin-1") in answer.content
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_malformed_is_a_page_of_html(start: Start) -> None:
    sim = faulty(start, do="malformed")
    answer = sim.tiqets()
    assert answer.status_code == 200
    assert answer.text.startswith("<!doctype html>")
    usual(sim)


@pytest.mark.parametrize("do", ["truncated_json", "empty"])
def test_truncated_and_empty_bodies_are_not_json(start: Start, do: str) -> None:
    sim = faulty(start, do=do)
    answer = sim.tiqets()
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    usual(sim)


def test_wrong_types_keep_the_keys(start: Start) -> None:
    sim = faulty(start, do="wrong_types")
    body = sim.tiqets().json()
    assert body["order_reference_id"] == {"unexpected": True}
    assert body["order_status"] == {"unexpected": True}
    usual(sim)


@pytest.mark.parametrize("provider", ["tiqets", "tixstock", "voordemensen", "paylogic", "funtrips"])
def test_every_provider_can_send_an_unknown_status_word(start: Start, provider: str) -> None:
    sim = start({"provider": provider, "answers": [{"do": "unknown_word"}], "ready_after": 5})
    ask: dict[str, Any] = {
        "tiqets": sim.tiqets,
        "tixstock": sim.tixstock,
        "voordemensen": sim.voordemensen,
        "paylogic": partial(sim.paylogic, "orders/1"),
        "funtrips": partial(sim.get, "/funtrips/v1/admin/fulfillments?checkout_id=1", headers=sim.bearer()),
    }
    answer = ask[provider]()
    assert answer.status_code == 200
    assert "levitating" in answer.text


def test_a_hang_ends_with_the_usual_response(start: Start) -> None:
    sim = faulty(start, do="hang", seconds=0.1)
    usual(sim)
    assert (sim.entries()[0]["fault"], sim.entries()[0]["order_status"]) == ("hang", "issued")


def test_a_client_that_disconnects_during_a_hang_leaves_no_open_request(start: Start) -> None:
    sim = faulty(start, do="hang", seconds=60)
    with sim.asking_tiqets():
        pass
    usual(sim)
    first = sim.entries()[0]
    assert (first["fault"], first["status"], first["finished"] is not None) == ("hang", None, True)


def test_a_slow_drip_arrives_completely(start: Start) -> None:
    sim = faulty(start, do="slow_drip", seconds=0.2)
    answer = sim.tiqets()
    assert answer.json()["order_status"] == "done"
    assert sim.entries()[0]["order_status"] == "issued"


def test_a_reset_breaks_the_connection(start: Start) -> None:
    sim = faulty(start, do="reset")
    with pytest.raises(requests.ConnectionError, match="reset"):
        sim.tiqets()
    usual(sim)
    assert (sim.entries()[0]["fault"], sim.entries()[0]["status"]) == ("reset", None)


def test_a_truncated_response_is_shorter_than_its_content_length(start: Start) -> None:
    sim = faulty(start, do="cut")
    connection = HTTPConnection(urlsplit(sim.url).netloc, timeout=TIMEOUT)
    connection.request("GET", "/tiqets/v2/orders/1/tickets", headers={"Authorization": "Token tiqets-default-key"})
    with pytest.raises(IncompleteRead):
        connection.getresponse().read()
    connection.close()
    usual(sim)


def test_a_redirect_names_its_location(start: Start) -> None:
    sim = faulty(start, do="redirect", location="https://elsewhere.example/")
    answer = sim.tiqets()
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://elsewhere.example/")
    usual(sim)


def test_a_huge_body_is_as_long_as_scripted(start: Start) -> None:
    sim = faulty(start, do="huge", bytes=3_000_000)
    assert len(sim.tiqets().content) == 3_000_000
    usual(sim)


def test_a_client_may_abort_a_huge_body(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    sim = faulty(start, do="huge", bytes=100_000_000)
    with sim.tiqets(stream=True) as answer:
        assert answer.raw.read(1000)
    usual(sim)
    assert caplog.messages == []


def test_a_gzip_bomb_is_small_on_the_wire(start: Start) -> None:
    sim = faulty(start, do="gzip_bomb")
    answer = sim.tiqets(stream=True)
    with answer:
        raw = answer.raw.read(decode_content=False)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(raw) < 500_000
    assert len(gzip.decompress(raw)) > BOMB_BYTES


def test_a_fault_can_last_for_several_requests_or_for_ever(start: Start) -> None:
    twice = faulty(start, do="malformed", times=2)
    assert [twice.tiqets().text[0] for _ in range(3)] == ["<", "<", "{"]
    forever = faulty(start, do="malformed", times=None)
    assert [forever.tiqets().text[0] for _ in range(3)] == ["<", "<", "<"]


@pytest.mark.parametrize(
    ("change", "status"),
    [({"down": "503"}, 503), ({"down": "gateway"}, 403), ({"forbidden": True}, 403), ({"revoked": True}, 401)],
)
def test_a_whole_account_can_be_down(start: Start, change: dict[str, Any], status: int) -> None:
    sim = start({"provider": "tiqets"})
    sim.client.update_account("tiqets", **change)
    assert sim.tiqets().status_code == status
    sim.client.update_account("tiqets", down=None, forbidden=False, revoked=False)
    usual(sim)


def test_a_gateway_rejects_with_a_page_and_may_send_a_retry_after(start: Start) -> None:
    sim = faulty(start, do="status", status=403, gateway=True, retry_after=30)
    answer = sim.tiqets()
    assert (answer.status_code, answer.headers["Retry-After"], answer.text[0]) == (403, "30", "<")
    usual(sim)


def test_an_account_that_is_down_can_reset_or_say_nothing(start: Start) -> None:
    sim = start({"provider": "tiqets"})
    sim.client.update_account("tiqets", down="reset")
    with pytest.raises(requests.ConnectionError):
        sim.tiqets()
    sim.client.update_account("tiqets", down="hang")
    with sim.asking_tiqets():
        pass
    assert [entry["fault"] for entry in sim.entries()] == ["down", "down"]


def faulty(start: Start, **fault: Any) -> Providers:
    return start({"provider": "tiqets", "answers": [fault]})


def usual(sim: Providers) -> None:
    assert sim.tiqets().json()["order_status"] == "done"
