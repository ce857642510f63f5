"""The transport against a real server on this machine, scripted per test."""

import gzip
import logging
import socket
import ssl
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.scripted_server import Serve, Server, once, over_tls, saying, whole
from tests.waiting import Clock
from willcall.http import client, connections, decoders
from willcall.http.messages import HttpLimits, Request, Response
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.providers.base import Account
from willcall.providers.reading import retry_after
from willcall.providers.tiqets import ADAPTER
from willcall.providers.transport import ProviderTransport

NOW = 1_795_345_200.0
#: Seconds in which a server that has gone silent hangs up: what ended before was ended by us.
LATER = 30.0
LIMITS = HttpLimits(connect_timeout=60, read_timeout=60, total_timeout=60, max_bytes=1_000)


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderTransport]:
    monkeypatch.setattr(connections, "LONGEST_IDLE", 600.0)
    transport = ProviderTransport(clock=lambda: NOW)
    yield transport
    transport.close()


def account(name: str = "default", **limits: Any) -> Account:
    credentials = ADAPTER.credentials.model_validate({"api_key": "s3cret"})
    rate, polling = ADAPTER.defaults.rate, ADAPTER.defaults.polling
    return Account("tiqets", name, ADAPTER, credentials, rate, polling, http=replace(LIMITS, **limits))


def get(
    transport: ProviderTransport, server: Server, path: str = "/", **limits: Any
) -> Response | Unavailable | Malformed:
    return transport.exchange(account(**limits), Request("GET", server.url + path))


# What is sent


def test_a_request_is_sent_as_it_was_built(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(whole()))
    request = Request("GET", server.url + "/a%2Fb", {"lang": "en", "x y": "ü&/"}, {"Authorization": "Token s3cret"})
    transport.exchange(account(), request)
    head = server.requests[0].decode()
    assert head.startswith("GET /a%2Fb?lang=en&x%20y=%C3%BC%26%2F HTTP/1.1\r\n")
    headers = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
    assert headers.pop("User-Agent").startswith("Willcall/")
    assert headers == {
        "Host": f"127.0.0.1:{server.port}",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Authorization": "Token s3cret",
    }


def test_a_header_of_the_request_replaces_ours(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(whole()))
    transport.exchange(account(), Request("GET", server.url, headers={"accept": "application/hal+json"}))
    assert server.requests[0].lower().count(b"accept:") == 1
    assert b"application/hal+json" in server.requests[0]


def test_a_form_is_sent_url_encoded(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(whole()))
    transport.exchange(
        account(), Request("POST", server.url, form={"grant_type": "client_credentials", "scope": "a/b c"})
    )
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert body == b"grant_type=client_credentials&scope=a%2Fb+c"


def test_a_header_that_cannot_be_sent_is_our_own_error_and_is_not_quoted(transport: ProviderTransport) -> None:
    request = Request("GET", "http://127.0.0.1:9", headers={"Authorization": "Token s3cret\r\nX: y"})
    with pytest.raises(ValueError, match="the value of the header Authorization cannot be sent") as caught:
        transport.exchange(account(), request)
    assert "s3cret" not in str(caught.value)


def test_proxies_and_credentials_of_the_environment_are_ignored(
    serve: Serve, transport: ProviderTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = serve(saying(whole()))
    assert isinstance(get(transport, server), Response)
    assert b"authorization" not in server.requests[0].lower()


# Responses


def test_a_response_is_returned_completely(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(whole(b'{"a": 1}', "202 Accepted", "Retry-After: 5", "X-Twice: one", "X-TWICE: two")))
    response = get(transport, server)
    expected = {"retry-after": "5", "x-twice": "one", "content-length": "8"}
    assert response == Response(202, expected, b'{"a": 1}', received_at=NOW)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    ],
    ids=["chunked", "length and close", "until close", "HTTP/1.0", "after a 100"],
)
def test_a_body_is_read_in_every_framing(serve: Serve, transport: ProviderTransport, said: bytes) -> None:
    response = get(transport, serve(once(said)))
    assert isinstance(response, Response)
    assert response.body == b"abcde"


def test_a_response_without_a_body_is_accepted(serve: Serve, transport: ProviderTransport) -> None:
    response = get(transport, serve(saying(b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n")))
    assert isinstance(response, Response)
    assert (response.status, response.body) == (204, b"")


def test_the_longest_of_several_hints_counts(serve: Serve, transport: ProviderTransport) -> None:
    """Each line may be a list, and the comma of a date ends no value."""
    lines = ("5", "Sun, 22 Nov 2026 11:02:00 GMT", "7, 90")
    server = serve(saying(whole(b"{}", "429 Slow Down", *(f"Retry-After: {line}" for line in lines))))
    response = get(transport, server)
    assert isinstance(response, Response)
    assert retry_after(response) == 120.0


def test_a_redirect_is_a_response_and_is_not_followed(serve: Serve, transport: ProviderTransport) -> None:
    elsewhere = serve(saying(whole()))
    server = serve(saying(whole(b"", "302 Found", f"Location: {elsewhere.url}/stolen")))
    request = Request("GET", server.url, headers={"Authorization": "Token s3cret"})
    response = transport.exchange(account(), request)
    assert isinstance(response, Response)
    assert response.status == 302
    assert len(server.requests) == 1
    assert elsewhere.connections == 0


def test_cookies_are_not_stored(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(whole(b"{}", "200 OK", "Set-Cookie: session=1; Path=/")))
    get(transport, server)
    get(transport, server)
    assert b"cookie" not in server.requests[1].lower()


def test_an_implausible_hint_is_logged_once_an_account_and_kind(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(whole(b"", "429 Slow Down", "Retry-After: 31536000")))
    moment = serve(saying(whole(b"", "200 OK", f"Retry-After: {NOW + 30:.0f}")))
    usual = serve(saying(whole(b"", "200 OK", "Retry-After: 86400")))
    with capture_logs() as lines:
        for name in ("default", "default", "second"):
            for said in (server, moment, usual):
                transport.exchange(account(name), Request("GET", said.url))
    assert [(line["account"], line["hint"], line["seconds"]) for line in lines] == [
        ("tiqets/default", "longer than a day", 31_536_000),
        ("tiqets/default", "a moment in epoch seconds", 30),
        ("tiqets/second", "longer than a day", 31_536_000),
        ("tiqets/second", "a moment in epoch seconds", 30),
    ]


# Connections


def test_a_connection_is_used_again(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(whole()))
    for _ in range(5):
        assert isinstance(get(transport, server), Response)
    assert (server.connections, len(server.requests)) == (1, 5)


def test_a_connection_closed_by_the_server_is_replaced(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(once(whole()))
    for _ in range(3):
        assert isinstance(get(transport, server), Response)
        assert server.hung_up.acquire(timeout=60)
    assert server.connections == 3


def test_a_connection_idle_for_long_is_not_used_again(
    serve: Serve, transport: ProviderTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(saying(whole()))
    get(transport, server)
    monkeypatch.setattr(connections, "LONGEST_IDLE", 0.0)
    assert isinstance(get(transport, server), Response)
    assert server.connections == 2


def test_an_unread_remainder_does_not_reach_the_next_response(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(whole(b"x" * 50_000)))
    assert isinstance(get(transport, server), Malformed)
    response = get(transport, server, max_bytes=100_000)
    assert isinstance(response, Response)
    assert response.body == b"x" * 50_000


def test_threads_share_an_account(serve: Serve, transport: ProviderTransport) -> None:
    def echo(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            connection.sendall(whole(request.split(b" ")[1]))

    server = serve(echo)
    paths = [f"/{number}" for number in range(300)]
    with ThreadPoolExecutor(16) as threads:
        responses = list(threads.map(lambda path: get(transport, server, path), paths))
    assert [response.body.decode() for response in responses if isinstance(response, Response)] == paths
    assert server.connections <= 16


def test_close_closes_the_connections(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(whole()))
    get(transport, server)
    transport.close()
    assert server.hung_up.acquire(timeout=60)
    assert isinstance(get(transport, server), Response)


def test_connections_to_many_hosts_do_not_pile_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_HOSTS", 2)
    transport, servers = ProviderTransport(), [serve(saying(whole())) for _ in range(6)]
    for server in servers:
        assert isinstance(get(transport, server), Response)
    for server in servers[:4]:
        assert server.hung_up.acquire(timeout=60)
    transport.close()


# Not reached


def test_a_refused_connection_has_sent_no_request(transport: ProviderTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = transport.exchange(account(), Request("GET", f"http://127.0.0.1:{port}/order-key"))
    assert outcome == Unavailable(request_sent=False, detail="connection refused")


def test_an_unresolvable_name_has_received_no_request(
    transport: ProviderTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    outcome = transport.exchange(account(), Request("GET", "https://api.provider.example/x"))
    assert outcome == Unavailable(request_sent=False, detail="host name lookup failed")


def test_a_name_that_dns_cannot_express_has_received_no_request(transport: ProviderTransport) -> None:
    outcome = transport.exchange(account(), Request("GET", f"http://{'x' * 64}.example/"))
    assert isinstance(outcome, Unavailable)
    assert not outcome.request_sent


def test_the_next_address_is_tried(serve: Serve, transport: ProviderTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(saying(whole()))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = listener.getsockname()
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    addresses = [(*entry, dead), (*entry, ("127.0.0.1", server.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    outcome = transport.exchange(account(), Request("GET", "http://provider.example/"))
    assert isinstance(outcome, Response)


def test_a_server_without_tls_has_received_no_request(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(lambda _, connection: connection.sendall(b"this is no TLS\r\n\r\n"))
    outcome = transport.exchange(account(), Request("GET", f"https://127.0.0.1:{server.port}/"))
    assert outcome == Unavailable(request_sent=False, detail="TLS handshake failed")


def test_an_endless_handshake_has_sent_no_request(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(lambda server, connection: server.drip(connection, b"\x16"))
    limited = account(connect_timeout=0.2, total_timeout=0.3)
    outcome = transport.exchange(limited, Request("GET", f"https://127.0.0.1:{server.port}/"))
    assert isinstance(outcome, Unavailable)
    assert not outcome.request_sent


def test_an_untrusted_certificate_is_rejected(serve: Serve, transport: ProviderTransport, certificate: Path) -> None:
    server = serve(over_tls(certificate))
    outcome = transport.exchange(account(), Request("GET", f"https://localhost:{server.port}/"))
    assert outcome == Unavailable(request_sent=False, detail="TLS certificate verification failed")


def test_the_certificate_must_match_the_host(serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(client, "tls_context", lambda: context)
    transport = ProviderTransport()
    server = serve(over_tls(certificate))
    for _ in range(2):
        response = transport.exchange(account(), Request("GET", f"https://localhost:{server.port}/"))
        assert isinstance(response, Response)
        assert response.body == b"over TLS"
    assert server.connections == 1
    other = transport.exchange(account(), Request("GET", f"https://127.0.0.1:{server.port}/"))
    assert other == Unavailable(request_sent=False, detail="TLS certificate verification failed")
    transport.close()


# Cut off


def test_a_reset_counts_as_a_sent_request(serve: Serve, transport: ProviderTransport) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.hear(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = serve(script)
    assert get(transport, server) == Unavailable(detail="connection reset")
    assert len(server.requests) == 1


def test_a_reset_of_a_used_connection_is_not_retried(serve: Serve, transport: ProviderTransport) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        server.hear(connection)
        connection.sendall(whole())
        server.hear(connection)

    server = serve(script)
    assert isinstance(get(transport, server), Response)
    assert get(transport, server) == Unavailable(detail="connection closed without a response")
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-9\r\nabcde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_a_cut_off_or_broken_response_is_unavailable(serve: Serve, transport: ProviderTransport, said: bytes) -> None:
    outcome = get(transport, serve(once(said)))
    assert isinstance(outcome, Unavailable)
    assert outcome.request_sent
    assert outcome.detail is not None
    assert outcome.detail.startswith(("connection closed ", "invalid HTTP response (", "connection broken ("))


def test_a_cut_off_200_keeps_its_hint(serve: Serve, transport: ProviderTransport) -> None:
    said = b"HTTP/1.1 200 OK\r\nRetry-After: 7\r\nContent-Length: 100\r\n\r\n{"
    outcome = get(transport, serve(once(said)))
    assert outcome == Unavailable(retry_after=7.0, detail="connection closed before the full response")


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\n{",
        b"Content-Length: 5000\r\n\r\n" + b"x" * 5000,
        b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\n\x0b\x00\x80",
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
    ],
    ids=["cut off", "too large", "br", "broken gzip"],
)
def test_a_429_is_read_from_its_headers_whatever_its_body(
    serve: Serve, transport: ProviderTransport, rest: bytes
) -> None:
    response = get(transport, serve(once(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n" + rest)))
    assert isinstance(response, Response)
    assert (response.status, response.headers["retry-after"], response.body) == (429, "7", b"")


# Slow


def slow(start: bytes, drop: bytes, clock: Clock | None = None) -> Callable[[Server, socket.socket], None]:
    """A script that drips, with ten seconds of the clock between two drops, or is silent; it hangs up at last."""

    def script(server: Server, connection: socket.socket) -> None:
        server.hear(connection)
        connection.sendall(start)
        for _ in range(int(LATER / 0.02)):
            if server.stopped.wait(0.02):
                return
            if clock:
                clock.now += 10
            connection.sendall(drop)

    return script


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
    ],
    ids=[
        *("status line", "100 after 100", "header", "body", "body until close"),
        *("chunks", "a chunk's size", "trailers"),
    ],
)
def test_a_dripping_response_ends_in_time(
    serve: Serve, transport: ProviderTransport, clock: Clock, start: bytes, drop: bytes
) -> None:
    assert get(transport, serve(slow(start, drop, clock))) == Unavailable(detail="timed out before the full response")
    assert clock.now >= LIMITS.total_timeout


@pytest.mark.usefixtures("clock")  # frozen, so that the timeout does not end before the connection
@pytest.mark.parametrize("limits", [{"total_timeout": 0.3}, {"read_timeout": 0.3}], ids=["total", "read"])
@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], ids=["at once", "later"])
def test_a_silent_server_ends_at_the_total_and_at_the_read_timeout(
    serve: Serve, transport: ProviderTransport, limits: dict[str, float], start: bytes
) -> None:
    assert get(transport, serve(slow(start, b"")), **limits) == Unavailable(detail="timed out before the full response")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nRetry-After: 7\r\nRetry-After: 3\r\nContent-Length: 1001\r\n\r\n" + b" " * 1001,
        b"HTTP/1.1 200 OK\r\nRetry-After: 7\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n\x1f\x8b\x08roken!",
        b"HTTP/1.1 200 OK\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["too large", "broken gzip", "cut off"],
)
def test_a_200_that_cannot_be_read_keeps_its_hint(serve: Serve, transport: ProviderTransport, said: bytes) -> None:
    outcome = get(transport, serve(once(said)))
    assert isinstance(outcome, Malformed | Unavailable)
    assert outcome.retry_after == 7.0


def test_a_dripping_429_keeps_its_hint(serve: Serve, transport: ProviderTransport, clock: Clock) -> None:
    start = b"HTTP/1.1 429 Slow Down\r\nRetry-After: 9\r\nContent-Length: 900000\r\n\r\n"
    response = get(transport, serve(slow(start, b"x", clock)), max_bytes=1_000_000)
    assert isinstance(response, Response)
    assert (response.headers["retry-after"], response.body) == ("9", b"")
    assert clock.now >= LIMITS.total_timeout


# Large


def packed(body: bytes) -> bytes:
    return whole(body, "200 OK", "Content-Encoding: gzip")


def test_gzip_is_unpacked(serve: Serve, transport: ProviderTransport) -> None:
    response = get(transport, serve(saying(packed(gzip.compress(b'{"a": "' + b"b" * 900 + b'"}')))))
    assert isinstance(response, Response)
    assert response.body == b'{"a": "' + b"b" * 900 + b'"}'


def test_a_response_of_just_the_size_limit_is_whole(serve: Serve, transport: ProviderTransport) -> None:
    for said in (whole(b"x" * 1_000), packed(gzip.compress(b"x" * 1_000))):
        response = get(transport, serve(saying(said)))
        assert isinstance(response, Response)
        assert len(response.body) == 1_000


@pytest.mark.parametrize(
    "said",
    [
        whole(b"x" * 1_001),
        packed(gzip.compress(b"x" * 1_001)),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_001,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"c8\r\n%b\r\n" % (b"x" * 200) * 6 + b"0\r\n\r\n",
    ],
    ids=["length", "gzip", "until close", "chunks"],
)
def test_a_response_beyond_the_size_limit_is_malformed(serve: Serve, transport: ProviderTransport, said: bytes) -> None:
    assert get(transport, serve(once(said))) == Malformed(detail="response larger than 1000 bytes")


def test_a_gzip_bomb_is_not_unpacked(serve: Serve, transport: ProviderTransport) -> None:
    server = serve(saying(packed(gzip.compress(bytes(100_000_000), 1))))
    get(transport, serve(saying(packed(gzip.compress(b"{}")))))  # so that nothing is loaded below for the first time
    tracemalloc.start()
    try:
        assert get(transport, server) == Malformed(detail="response larger than 1000 bytes")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_chunk_of_negative_size_does_not_bypass_the_limit(serve: Serve, transport: ProviderTransport) -> None:
    sent: list[int] = []

    def script(server: Server, connection: socket.socket) -> None:
        server.hear(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n")
        while sum(sent) < 500_000_000:
            connection.sendall(b"x" * 100_000)
            sent.append(100_000)

    assert isinstance(get(transport, serve(script)), Malformed | Unavailable)
    assert sum(sent) < 100_000_000, "what is on its way is little"


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"{}" * 100)[:-9],
        gzip.compress(b"{}" * 100)[:-1],
        gzip.compress(b"{}")[:5],
    ],
    ids=["half a trailer", "a byte short", "header alone"],
)
def test_broken_gzip_is_malformed(serve: Serve, transport: ProviderTransport, body: bytes) -> None:
    assert get(transport, serve(saying(packed(body)))) == Malformed(detail="broken gzip")


def test_a_coding_that_cannot_be_read_is_malformed_and_named(
    serve: Serve, transport: ProviderTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "_BROTLI", None)
    server = serve(saying(whole(b"\x0b\x00\x80{}\x03", "200 OK", "Content-Encoding: br")))
    assert get(transport, server) == Malformed(
        detail="the coding br cannot be read without the extra willcall[codings]"
    )


@pytest.mark.parametrize(
    "label", ["UTF-8", "none", "identity", "binary", "gzip", "deflate", "br", "zstd", "gzip, utf-8"]
)
def test_plain_bytes_are_read_as_they_are_whatever_their_label(
    serve: Serve, transport: ProviderTransport, label: str
) -> None:
    response = get(transport, serve(saying(whole(b'{"a": 1}', "200 OK", f"Content-Encoding: {label}"))))
    assert isinstance(response, Response)
    assert response.body == b'{"a": 1}'


@pytest.mark.parametrize(
    "label", ["", "Content-Encoding: gzip", "Content-Encoding: gzip, gzip", "Content-Encoding: utf-8"]
)
def test_packed_bytes_are_unpacked_whatever_their_label(serve: Serve, transport: ProviderTransport, label: str) -> None:
    for body in (gzip.compress(b"{}"), gzip.compress(gzip.compress(b"{}"))):
        response = get(transport, serve(saying(whole(body, "200 OK", *([label] if label else [])))))
        assert isinstance(response, Response)
        assert response.body == b"{}"


# Quiet


def test_no_log_shows_a_url(serve: Serve, transport: ProviderTransport, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    get(transport, serve(once(b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 0\r\n\r\n")), "/order-key")
    get(transport, serve(once(b"")), "/order-key")
    assert "order-key" not in caplog.text
